import { availableParallelism, cpus } from 'node:os'
import { cpuSum, judgeAims, ratios } from './aims.ts'
import { httpOverheads, type Overhead } from './overhead.ts'
import type { Measurement, Quantiles, Summary } from './measure/measurement.ts'
import { sum } from './measure/statistics.ts'
import type { BenchOptions } from './options.ts'
import type { ReceiptsMeasured } from './receipts.ts'

/** Share of the machine that others may use before a comparison of loops a second is no good. */
const BUSY = 0.1

/** A table for the console; the first column is aligned left, the others right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

const oneDigit = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? '–' : value.toFixed(1))
const quantiles = (value: Quantiles | undefined) =>
  value === undefined ? '–' : `${oneDigit(value.p50)} / ${oneDigit(value.p99)}`
const named = ({ loop, atOnce }: Pick<Summary, 'loop' | 'atOnce'>) => `${loop}, ${atOnce} at once`

/** All that was measured, in words for the console. */
export function report(summaries: readonly Summary[], receipts: readonly ReceiptsMeasured[]): string {
  const overheads = httpOverheads(summaries)
  return [
    'Loops (times in ms, p50 / p99)',
    loopTable(summaries),
    '',
    'CPU a loop, ms by process; "others": what the machine did beside us',
    cpuTable(summaries),
    ...(summaries.some(({ others = 0 }) => others > BUSY)
      ? ['The machine was busy with other work: loops a second tell little, CPU a loop still does.']
      : []),
    '',
    ...(overheads.length > 0 ? ['HTTP beside the functions that it calls', overheadTable(overheads), ''] : []),
    'SQL statements a loop (mean ms in the server)',
    statementTable(summaries),
    '',
    'History events by type, of one execution',
    historyTable(summaries),
    '',
    ...(receipts.length > 0 ? ['Receipts absorbed', receiptTable(receipts), ''] : []),
    'Aims',
    ...judgeAims(summaries, receipts).map(
      ({ aim, measured, met }) => `  ${met ? 'met   ' : 'MISSED'} ${aim}: ${measured.toFixed(2)}`,
    ),
  ].join('\n')
}

function loopTable(summaries: readonly Summary[]) {
  const all = ratios(summaries)
  const head = ['', 'per second', 'of bare', 'start', 'verdict', 'completed', 'loops', 'errors', 'events', 'bytes']
  const rows = summaries.map((summary) => {
    const { loop, atOnce, history } = summary
    const ratio = all.find((other) => other.loop === loop && other.atOnce === atOnce)?.ratio
    return [
      named(summary),
      oneDigit(summary.perSecond),
      ratio === undefined ? '–' : ratio.toFixed(2),
      quantiles(summary.start),
      quantiles(summary.verdict),
      quantiles(summary.completed),
      String(summary.samples),
      String(summary.errors),
      String(history?.events ?? '–'),
      String(history?.bytes ?? '–'),
    ]
  })
  return table(head, rows)
}

function cpuTable(summaries: readonly Summary[]) {
  const names = Object.keys(summaries[0]?.cpuMs ?? {})
  if (names.length === 0) return 'not to be had on this machine'
  const all = ratios(summaries)
  const rows = summaries.map((summary) => {
    const { cpuMs = {}, others } = summary
    const cells = names.map((name) => oneDigit(cpuMs[name]))
    const ofBare = all.find(({ loop, atOnce }) => loop === summary.loop && atOnce === summary.atOnce)?.cpuRatio
    return [
      named(summary),
      ...cells,
      oneDigit(cpuSum(summary)),
      ofBare?.toFixed(2) ?? '–',
      `${Math.round((others ?? 0) * 100)} %`,
    ]
  })
  return table(['', ...names, 'sum', 'bare / this', 'others'], rows)
}

function overheadTable(overheads: readonly Overhead[]) {
  const rows = overheads.map(({ atOnce, ratio, cpuRatio, startMs, verdictMs }) => [
    `http / client, ${atOnce} at once`,
    ratio.toFixed(2),
    Number.isNaN(cpuRatio) ? '–' : cpuRatio.toFixed(2),
    `${oneDigit(startMs)} ms`,
    `${oneDigit(verdictMs)} ms`,
  ])
  return table(['', 'loops a second', 'CPU a loop', 'start p50, more', 'verdict p50, more'], rows)
}

function statementTable(summaries: readonly Summary[]) {
  const ours = summaries.filter(({ statements }) => statements.length > 0)
  const names = [...new Set(ours.flatMap(({ statements }) => statements.map(({ name }) => name)))]
  const rows = names.map((name) => [
    name,
    ...ours.map(({ statements }) => {
      const found = statements.find((statement) => statement.name === name)
      return found ? `${found.perRun.toFixed(2)} (${found.meanMs.toFixed(2)})` : '–'
    }),
  ])
  const totals = ours.map(({ statements }) => sum(statements.map(({ perRun }) => perRun)).toFixed(2))
  return table(['', ...ours.map(named)], [...rows, ['sum', ...totals]])
}

function historyTable(summaries: readonly Summary[]) {
  const seen = summaries.filter(
    ({ loop, history }, index) => history && summaries.findIndex((other) => other.loop === loop) === index,
  )
  const types = [...new Set(seen.flatMap(({ history }) => Object.keys(history!.byType)))]
  const rows = types.map((type) => [type, ...seen.map(({ history }) => String(history!.byType[type] ?? '–'))])
  return table(['', ...seen.map(({ loop }) => loop)], rows)
}

function receiptTable(receipts: readonly ReceiptsMeasured[]) {
  const head = [
    '',
    'events a post',
    'events',
    'per second',
    'statements a post',
    'CPU ms: api',
    'postgres',
    'bench',
    'others',
  ]
  const rows = receipts.map(({ provider, eventsAPost, events, perSecond, statementsAPost, cpuMs, others }) => [
    provider,
    String(eventsAPost),
    String(events),
    perSecond.toFixed(0),
    statementsAPost.toFixed(2),
    ...['api', 'postgres', 'bench'].map((name) => cpuMs?.[name]?.toFixed(2) ?? '–'),
    others === undefined ? '–' : `${Math.round(others * 100)} %`,
  ])
  return table(head, rows)
}

/** The same for programs, each measurement with it. Milliseconds, seconds, bytes. */
export function asJson(
  summaries: readonly Summary[],
  measurements: readonly Measurement[],
  receipts: readonly ReceiptsMeasured[],
  options: BenchOptions,
) {
  const { rounds, seconds, levels, loops } = options
  return {
    at: new Date().toISOString(),
    machine: { cpus: availableParallelism(), model: cpus()[0]?.model, node: process.version },
    options: { rounds, seconds, levels, loops },
    summaries,
    ratios: ratios(summaries),
    httpOverheads: httpOverheads(summaries),
    receipts,
    aims: judgeAims(summaries, receipts),
    measurements: measurements.map(({ times, ...rest }) => ({ ...rest, samples: times.length })),
  }
}
