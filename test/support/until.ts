import { setTimeout as wait } from 'node:timers/promises'
import { slowness } from './speed.ts'

const PAUSE_MS = 20

/**
 * Waits until `look` gives something.
 *
 * @param withinMs on the reference machine; how long that is here follows from {@link slowness}
 * @throws where it has given nothing by then, or throws itself
 */
export async function until<T>(
  look: () => Promise<T | undefined | false>,
  withinMs = 15_000,
  pauseMs = PAUSE_MS,
): Promise<T> {
  const limit = withinMs * slowness()
  const deadline = Date.now() + limit
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (Date.now() > deadline) throw new Error(`not seen within ${limit} ms: ${look.toString()}`)
    await wait(pauseMs)
  }
}
