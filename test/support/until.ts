import { setTimeout as wait } from 'node:timers/promises'

const PAUSE_MS = 20

/**
 * Waits until `look` gives something.
 *
 * @throws where it has given nothing after `withinMs`, or throws itself
 */
export async function until<T>(
  look: () => Promise<T | undefined | false>,
  withinMs = 15_000,
  pauseMs = PAUSE_MS,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (Date.now() > deadline) throw new Error(`not seen within ${withinMs} ms: ${look.toString()}`)
    await wait(pauseMs)
  }
}
