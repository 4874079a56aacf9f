import { setTimeout as wait } from 'node:timers/promises'

/** Waits until that moment of `performance.now()`. */
export const pauseUntil = (moment: number): Promise<void> => wait(Math.max(moment - performance.now(), 0))
