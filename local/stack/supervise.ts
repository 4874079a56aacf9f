import { setTimeout as wait } from 'node:timers/promises'
import type { Part } from './part.ts'

/** A part or process that is started again whenever it ends by itself. */
export interface Supervised<P extends Part> {
  /** As it runs now, or ran last. */
  readonly current: P
  /** Ends it for good. */
  stop(): Promise<void>
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 30_000
/** What has run that long starts over with the first pause. */
const STEADY_MS = 60_000

/**
 * Starts something and keeps it running, with growing pauses between starts that fail.
 *
 * @param onChange told, in words, when it ended or cannot be started again
 * @throws when the first start fails
 */
export async function supervise<P extends Part>(
  start: () => Promise<P>,
  onChange: (words: string) => void,
): Promise<Supervised<P>> {
  const stopping = new AbortController()
  let current = await start()
  const watching = watch()

  async function watch() {
    let pause = FIRST_PAUSE_MS
    while (!stopping.signal.aborted) {
      const began = Date.now()
      const how = await current.ended
      if (stopping.signal.aborted) return
      if (Date.now() - began > STEADY_MS) pause = FIRST_PAUSE_MS
      onChange(`ended (${how}); it is started again`)
      pause = await startAgain(pause)
    }
  }

  async function startAgain(pause: number): Promise<number> {
    for (let next = pause; ; next = Math.min(2 * next, LONGEST_PAUSE_MS)) {
      await wait(next, undefined, { signal: stopping.signal }).catch(() => {})
      if (stopping.signal.aborted) return next
      try {
        current = await start()
        onChange('runs again')
        return Math.min(2 * next, LONGEST_PAUSE_MS)
      } catch (error) {
        onChange(`could not be started again: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  return {
    get current() {
      return current
    },
    async stop() {
      stopping.abort()
      await current.stop()
      await watching
      // A start that was under way meanwhile.
      await current.stop()
    },
  }
}
