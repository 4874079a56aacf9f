/**
 * What the doctor says (O2).
 */

/** Parts of the system, in the order in which they are looked at. */
export const PARTS = ['configuration', 'postgres', 'temporal', 'kafka', 'sendgrid', 'vonage', 'api'] as const
export type Part = (typeof PARTS)[number]

/** Something is wrong. */
export interface Finding {
  readonly part: Part
  /** A stable word, for scripts. */
  readonly code: string
  /** One sentence; holds no secret and nobody's data. */
  readonly what: string
  /** What to do about it. */
  readonly todo: string
}

/** What a check found; nothing where all is well. */
export type Check = () => Promise<Finding[]>

/** Why a part cannot be reached, in a word: messages of drivers may hold what was sent. */
export function wordOf(error: unknown): string {
  const errors = [error, error instanceof Error ? error.cause : undefined, ...aggregated(error)]
  for (const one of errors) {
    if (one instanceof Error && 'code' in one && typeof one.code === 'string') return one.code
  }
  return error instanceof Error ? error.name : 'no answer'
}

const aggregated = (error: unknown): readonly unknown[] => (error instanceof AggregateError ? error.errors : [])

/** Clocks may be apart by so much; a code lives ten minutes, and a webhook's signature five. */
const MOST_APART_MS = 5_000

/**
 * Whether a clock is off.
 *
 * @param theirs milliseconds since the epoch, read between `asked` and `answered` by this machine's clock
 * @param granularityMs of their clock
 */
export function clockFinding(
  part: Part,
  whose: string,
  {
    theirs,
    asked,
    answered,
    granularityMs = 0,
  }: Record<'theirs' | 'asked' | 'answered', number> & { granularityMs?: number },
): Finding[] {
  // They may have looked at any moment in between.
  const apart = Math.max(asked - theirs - granularityMs, theirs - answered, 0)
  if (apart <= MOST_APART_MS) return []
  return [
    {
      part,
      code: 'clock_off',
      what: `The clock of ${whose} and that of this machine are ${Math.round(apart / 1000)} s apart.`,
      todo: 'Set the clocks by NTP (chrony, systemd-timesyncd), on this machine and on those of Postgres.',
    },
  ]
}
