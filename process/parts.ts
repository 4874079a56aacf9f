/**
 * The parts that a process works with (Postgres, Temporal, Kafka): waiting for them at the start, and saying which are there.
 * docs/processes.md has the table of what each process needs.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'

const FIRST_PAUSE_MS = 100
/** Short, so that a process works again within seconds of the part's return. */
const LONGEST_PAUSE_MS = 1_000
/** Between two log lines about the same wait. */
const SAY_EVERY_MS = 10_000
/** What has not answered by then counts as away. */
const LOOK_WITHIN_MS = 2_000

/** A part answers, and is not what we need; `reason` is a word such as `read_only`. */
export class NotUsable extends Error {
  readonly reason: string
  constructor(reason: string) {
    super(reason)
    this.reason = reason
  }
}

export interface Part {
  /** Rejects while the part cannot be used; with a {@link NotUsable} where more is known than that it is away. */
  look(): Promise<unknown>
  /** False: reported by `/readyz`, and no more. Default true. */
  readonly needed?: boolean
  /** What is there once stays there: looked for at the start alone. Default false. */
  readonly stays?: boolean
}

/** Each part by its name: `ok`, or why it cannot be used. */
export type PartStates = Readonly<Record<string, string>>

/** What a process knows of its parts. */
export interface Parts {
  /** Adds parts to what `/readyz` reports. */
  report(parts: Readonly<Record<string, Part>>): void
  /**
   * Repeats `attempt` until it succeeds, with pauses up to a second, and logs that it waits. It gives up only when the process
   * is told to stop.
   */
  wait<T>(part: string, attempt: () => Promise<T>): Promise<T>
  /** Waits for every needed part that was reported. */
  waitForAll(): Promise<void>
  /** Looks at every part now; callers at the same time share one look. */
  look(): Promise<{ readonly states: PartStates; readonly allThere: boolean }>
}

/** @param stopping ends every wait, which then rejects */
export function createParts(log: Logger, stopping: AbortSignal): Parts {
  const known = new Map<string, Part>()
  let looking: ReturnType<Parts['look']> | undefined

  const wait: Parts['wait'] = async (part, attempt) => {
    let saidAt: number | undefined
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      stopping.throwIfAborted()
      try {
        const result = await attempt()
        if (saidAt !== undefined) log.info({ part }, 'there')
        return result
      } catch (error) {
        if (saidAt === undefined || Date.now() - saidAt >= SAY_EVERY_MS) {
          log.warn({ part, reason: reasonOf(error) }, 'waiting')
          saidAt = Date.now()
        }
      }
      await delay(pause, undefined, { signal: stopping })
    }
  }

  const stateOf = async (part: Part): Promise<string> => {
    try {
      await within(LOOK_WITHIN_MS, part.look())
      return 'ok'
    } catch (error) {
      return error instanceof NotUsable ? error.reason : 'away'
    }
  }

  const lookAtAll = async () => {
    const all = await Promise.all([...known].map(async ([name, part]) => [name, part, await stateOf(part)] as const))
    return {
      states: Object.fromEntries(all.map(([name, , state]) => [name, state])),
      allThere: all.every(([, { needed = true }, state]) => !needed || state === 'ok'),
    }
  }

  return {
    report(parts) {
      for (const [name, part] of Object.entries(parts)) known.set(name, part)
    },
    wait,
    async waitForAll() {
      const needed = [...known].filter(([, { needed: isNeeded = true }]) => isNeeded)
      await Promise.all(needed.map(([name, part]) => wait(name, () => within(LOOK_WITHIN_MS, part.look()))))
      for (const [name, { stays = false }] of needed) if (stays) known.delete(name)
    },
    look() {
      looking ??= lookAtAll().finally(() => (looking = undefined))
      return looking
    },
  }
}

/** A driver's code says what is wrong (`ECONNREFUSED`, `28P01`); its message may repeat what it was given. */
function reasonOf(error: unknown): string {
  if (error instanceof NotUsable) return error.reason
  if (!(error instanceof Error)) return 'away'
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  if (typeof code === 'string' || typeof code === 'number') return String(code)
  return cause instanceof Error ? reasonOf(cause) : error.name
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new NotUsable('away')), milliseconds)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
