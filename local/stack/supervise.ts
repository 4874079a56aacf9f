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

export interface SuperviseOptions {
  /**
   * Told of a first start that failed; it is tried again, unless this throws. Default: the failure is thrown.
   */
  readonly onFirstFailure?: (error: unknown) => void
  /** Ends the trying of a first start. */
  readonly signal?: AbortSignal
}

/**
 * Starts something and keeps it running, with growing pauses between starts that fail.
 *
 * @param onChange told, in words, when it ended or cannot be started again
 * @returns once it runs
 */
export async function supervise<P extends Part>(
  start: () => Promise<P>,
  onChange: (words: string) => void,
  { onFirstFailure, signal }: SuperviseOptions = {},
): Promise<Supervised<P>> {
  const stopping = new AbortController()
  const until = signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, signal])
  let pause = FIRST_PAUSE_MS
  let current = await firstStart()
  const watching = watch()

  async function firstStart(): Promise<P> {
    for (;;) {
      try {
        return await start()
      } catch (error) {
        if (onFirstFailure === undefined || until.aborted) throw error
        onFirstFailure(error)
        await growingPause()
      }
    }
  }

  async function watch() {
    pause = FIRST_PAUSE_MS
    while (!until.aborted) {
      const began = Date.now()
      const how = await current.ended
      if (until.aborted) return
      if (Date.now() - began > STEADY_MS) pause = FIRST_PAUSE_MS
      onChange(`ended (${how}); it is started again`)
      await startAgain()
    }
  }

  async function startAgain() {
    for (;;) {
      await growingPause()
      if (until.aborted) return
      try {
        current = await start()
        onChange('runs again')
        return
      } catch (error) {
        onChange(`could not be started again: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  async function growingPause() {
    await wait(pause, undefined, { signal: until }).catch(() => {})
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
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
