/**
 * What HTTP costs: the http loop beside the client loop of the same run, which calls the same functions in its own process.
 */
import { cpuSum } from './aims.ts'
import type { Summary } from './measure/measurement.ts'

export interface Overhead {
  readonly atOnce: number
  /** Of the client loops a second. */
  readonly ratio: number
  /** CPU a loop, all processes together, of the client loop's; NaN where the machine does not tell. */
  readonly cpuRatio: number
  /** Milliseconds more, at the median: of a start, and of a verdict. */
  readonly startMs: number
  readonly verdictMs: number
}

/** One for each level at which both ran. */
export function httpOverheads(summaries: readonly Summary[]): Overhead[] {
  return summaries.flatMap((http) => {
    const client = summaries.find(({ loop, atOnce }) => loop === 'client' && atOnce === http.atOnce)
    if (http.loop !== 'http' || client === undefined) return []
    return [
      {
        atOnce: http.atOnce,
        ratio: http.perSecond / client.perSecond,
        cpuRatio: cpuSum(http) / cpuSum(client),
        startMs: http.start.p50 - client.start.p50,
        verdictMs: (http.verdict?.p50 ?? Number.NaN) - (client.verdict?.p50 ?? Number.NaN),
      },
    ]
  })
}
