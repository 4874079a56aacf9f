/**
 * Load by a fixed number of members at once: each asks, answers, and makes place for the next.
 */
import type { Loop, LoopTimes } from './loops/loop.ts'

export interface LoadOptions {
  readonly atOnce: number
  /** Load that is not measured yet. */
  readonly runUpSeconds: number
  readonly seconds: number
  /** Gives each run a member of its own. */
  readonly nextMember: () => number
}

export interface Load {
  /** The runs that completed within the measured seconds. */
  readonly times: readonly LoopTimes[]
  /** All that ran, run-up and run-down with them. */
  readonly members: readonly number[]
  /** How long all of it took. */
  readonly wholeSeconds: number
  readonly errors: readonly string[]
}

/** Runs a loop under load. A run that fails is an error in the result, and the load goes on. */
export async function runLoad(loop: Loop, options: LoadOptions): Promise<Load> {
  const { atOnce, runUpSeconds, seconds, nextMember } = options
  const began = performance.now()
  const from = began + runUpSeconds * 1_000
  const until = from + seconds * 1_000
  const times: LoopTimes[] = []
  const members: number[] = []
  const errors: string[] = []

  const keepAsking = async () => {
    while (performance.now() < until) {
      const member = nextMember()
      try {
        const taken = await loop.run(member)
        const now = performance.now()
        members.push(member)
        if (now >= from && now < until) times.push(taken)
      } catch (error) {
        errors.push(error instanceof Error ? error.message : String(error))
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, keepAsking))
  return { times, members, wholeSeconds: (performance.now() - began) / 1_000, errors }
}
