/**
 * One loop at one level in one round, and what several rounds come to.
 */
import type { LoopName, LoopTimes } from '../loops/loop.ts'
import type { HistorySize } from './history.ts'
import { percentile, sum } from './statistics.ts'
import type { StatementCount } from './statements.ts'

export interface Measurement {
  readonly loop: LoopName
  readonly atOnce: number
  readonly round: number
  readonly perSecond: number
  readonly times: readonly LoopTimes[]
  readonly errors: readonly string[]
  /** How many ran in all, of which `times` are those that completed in the measured seconds. */
  readonly ran: number
  /** CPU seconds of all that ran, by process; absent where the machine does not tell. */
  readonly cpuSeconds?: Readonly<Record<string, number>>
  /** CPU of the machine that was not ours, from 0 to 1. */
  readonly others?: number
  readonly statements: readonly StatementCount[]
  readonly history: HistorySize | undefined
}

export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

/** A loop at a level, all rounds together. */
export interface Summary {
  readonly loop: LoopName
  readonly atOnce: number
  readonly samples: number
  readonly errors: number
  readonly perSecond: number
  /** Milliseconds. */
  readonly start: Quantiles
  readonly verdict: Quantiles | undefined
  readonly completed: Quantiles
  /** CPU milliseconds a run, by process. */
  readonly cpuMs: Readonly<Record<string, number>> | undefined
  readonly others: number | undefined
  readonly statements: readonly { readonly name: string; readonly perRun: number; readonly meanMs: number }[]
  readonly history: HistorySize | undefined
}

/** @param measurements of one loop at one level, at least one */
export function summarise(measurements: readonly Measurement[]): Summary {
  const [first] = measurements
  const times = measurements.flatMap((measurement) => measurement.times)
  const verdicts = times.flatMap(({ verdictMs }) => (verdictMs === undefined ? [] : [verdictMs]))
  const others = measurements.flatMap((measurement) => measurement.others ?? [])
  return {
    loop: first!.loop,
    atOnce: first!.atOnce,
    samples: times.length,
    errors: sum(measurements.map(({ errors }) => errors.length)),
    perSecond: mean(measurements.map(({ perSecond }) => perSecond)),
    start: quantiles(times.map(({ startMs }) => startMs)),
    verdict: verdicts.length > 0 ? quantiles(verdicts) : undefined,
    completed: quantiles(times.map(({ completedMs }) => completedMs)),
    cpuMs: cpuMs(measurements),
    others: others.length > 0 ? mean(others) : undefined,
    statements: statements(measurements),
    history: first!.history,
  }
}

const mean = (values: readonly number[]) => sum(values) / values.length
const quantiles = (values: readonly number[]): Quantiles => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
})

function cpuMs(measurements: readonly Measurement[]) {
  const ran = sum(measurements.map((measurement) => measurement.ran))
  const names = Object.keys(measurements[0]!.cpuSeconds ?? {})
  if (names.length === 0) return undefined
  const seconds = (name: string) => sum(measurements.map(({ cpuSeconds }) => cpuSeconds?.[name] ?? 0))
  return Object.fromEntries(names.map((name) => [name, (seconds(name) * 1_000) / ran]))
}

function statements(measurements: readonly Measurement[]) {
  const ran = sum(measurements.map((measurement) => measurement.ran))
  const all = measurements.flatMap((measurement) => measurement.statements)
  const totals = Map.groupBy(all, ({ name }) => name)
  return [...totals].map(([name, counts]) => {
    const calls = sum(counts.map((count) => count.calls))
    return { name, perRun: calls / ran, meanMs: sum(counts.map(({ totalMs }) => totalMs)) / calls }
  })
}
