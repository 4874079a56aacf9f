import type { LoopName } from './loops/loop.ts'
import { sum } from './measure/statistics.ts'
import type { HistorySize } from './measure/history.ts'
import type { Summary } from './measure/measurement.ts'
import type { ReceiptsMeasured } from './receipts.ts'

export interface Aim {
  readonly aim: string
  readonly measured: number
  readonly met: boolean
}

/** Loops a second, compared with the bare loop at the same level. */
export interface Ratio {
  readonly loop: LoopName
  readonly atOnce: number
  readonly ratio: number
  /** The bare loop's CPU a loop, divided by this one's: what the ratio comes to once the machine is saturated. */
  readonly cpuRatio: number
}

/** CPU milliseconds a loop, all processes together. */
export const cpuSum = ({ cpuMs }: Summary): number => sum(Object.values(cpuMs ?? {}))

export function ratios(summaries: readonly Summary[]): Ratio[] {
  return summaries.flatMap((summary) => {
    const { loop, atOnce, perSecond } = summary
    const bare = summaries.find((other) => other.loop === 'bare' && other.atOnce === atOnce)
    if (loop === 'bare' || bare === undefined) return []
    return [{ loop, atOnce, ratio: perSecond / bare.perSecond, cpuRatio: cpuSum(bare) / cpuSum(summary) }]
  })
}

const LEAST_RATIO = { bare: 1, client: 0.9, http: 0.8 }
const MOST_STATEMENTS = 8
/** The bare loop's 17, and 3 of ours. */
const MOST_EVENTS = 20
const MOST_VERIFY_MS = 10
const LEAST_RECEIPTS = 2_000
/** Of a challenge whose message is taken at once and delivered: `record_sent`, and what keeps its receipt. */
const MOST_DELIVERY_STATEMENTS = 2
/** The activity that sends. */
const MOST_DELIVERY_EVENTS = 3

/** What the project aims at, as far as it was measured. A missed aim is no error. */
export function judgeAims(summaries: readonly Summary[], receipts: readonly ReceiptsMeasured[]): Aim[] {
  const ours = summaries.filter(({ loop }) => loop !== 'bare')
  const alone = ours.find(({ loop, atOnce }) => loop === 'http' && atOnce === 1)
  return [
    ...ratios(summaries).map(({ loop, atOnce, ratio }) =>
      atLeast(LEAST_RATIO[loop], ratio, `${loop} loops a second, of the bare loop's, at ${atOnce} at once`),
    ),
    ...(alone?.verdict ? [below(MOST_VERIFY_MS, alone.verdict.p50, 'ms, p50 of verify over HTTP at 1 at once')] : []),
    ...ours.flatMap(({ loop, atOnce, statements, history }) => [
      // A run that straddles the measurement's edge may bring a retry or a look of its own.
      atMost(MOST_STATEMENTS, sum(statements.map(({ perRun }) => perRun)), `statements (${loop}, ${atOnce} at once)`),
      ...(history ? [atMost(MOST_EVENTS, history.events, `history events (${loop}, ${atOnce} at once)`)] : []),
      ...(history
        ? [atMost(MOST_DELIVERY_EVENTS, activityEvents(history), `of them of delivery (${loop}, ${atOnce} at once)`)]
        : []),
    ]),
    ...receipts.flatMap(({ provider, eventsAPost, perSecond, statementsAPost }) => [
      atLeast(LEAST_RECEIPTS, perSecond, `receipts a second (${provider}, ${eventsAPost} a post)`),
      ...ours
        .slice(0, 1)
        .map(({ statements }) =>
          atMost(
            MOST_DELIVERY_STATEMENTS,
            (statements.find(({ name }) => name === 'record_sent')?.perRun ?? Number.NaN) + statementsAPost,
            `statements of delivery, a receipt in a post of its own at most (${provider})`,
          ),
        ),
    ]),
  ]
}

/** Nothing but the send is an activity, in a challenge that is verified over HTTP or by the client. */
const activityEvents = ({ byType }: HistorySize) =>
  sum(Object.entries(byType).flatMap(([type, count]) => (type.startsWith('activity_task_') ? [count] : [])))

const atLeast = (aim: number, measured: number, what: string) => ({
  aim: `at least ${aim} ${what}`,
  measured,
  met: measured >= aim,
})
const atMost = (aim: number, measured: number, what: string) => ({
  aim: `at most ${aim} ${what}`,
  measured,
  met: measured <= aim,
})
const below = (aim: number, measured: number, what: string) => ({
  aim: `under ${aim} ${what}`,
  measured,
  met: measured < aim,
})
