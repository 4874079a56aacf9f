/**
 * `npm run bench:rollout`: how fast members come in, beside a bare loop, and how fast a campaign decides about them.
 * What it measures, and what it found, stands in `docs/benchmarks.md`.
 */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { connect } from '../postgres/connect.ts'
import { median, sum } from './measure/statistics.ts'
import { table } from './report.ts'
import { measureDecisions } from './rollout/decisions.ts'
import { INTAKES, measureIntake, publishMembers, type IntakeFigure, type Process } from './rollout/intake.ts'
import { startRolloutBenchStack } from './rollout/stack.ts'

const LEAST_RATIO = 0.8
const LEAST_DECISIONS = 50_000

const { values } = parseArgs({
  options: {
    members: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
})
const members = Number(values.members)
const rounds = Number(values.rounds)

console.log('starting Postgres and Kafka')
const stack = await startRolloutBenchStack(console.log)
const sql = connect(stack.databaseUrl, { poolSize: 1, name: 'bench', statementTimeoutMs: 600_000 })
try {
  await publishMembers(stack, members)
  const intakes: IntakeFigure[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const intake of INTAKES) {
      const figure = await measureIntake(stack, sql, intake, members)
      intakes.push(figure)
      console.log(`round ${round}/${rounds}: ${intake}: ${figure.perSecond.toFixed(0)} a second`)
    }
  }
  const { planMs, figures } = await measureDecisions(stack.databaseUrl)
  const summary = INTAKES.map((intake) => summarise(intakes.filter((figure) => figure.intake === intake)))
  const [bare] = summary
  const cpuSum = ({ cpuMs }: IntakeFigure) => cpuMs && sum(Object.values(cpuMs))
  const ratios = summary.map((one) => ({
    ...one,
    ofBare: one.perSecond / bare!.perSecond,
    cpuRatio: (cpuSum(bare!) ?? Number.NaN) / (cpuSum(one) ?? Number.NaN),
  }))
  const number = (value: number | undefined, digits = 0) => value?.toFixed(digits) ?? '–'

  console.log(`\nKafka to Postgres, ${members} members`)
  console.log(
    table(
      ['CPU in ms for a thousand', 'a second', 'of bare', 'consumer', 'Postgres', 'Kafka', 'bare CPU / this'],
      ratios.map((one) => [
        one.intake,
        number(one.perSecond),
        number(one.ofBare, 2),
        number(one.cpuMs?.consumer, 1),
        number(one.cpuMs?.postgres, 1),
        number(one.cpuMs?.kafka, 1),
        number(one.cpuRatio, 2),
      ]),
    ),
  )
  console.log(`\nDecisions (the dry run before took ${planMs.toFixed(0)} ms)`)
  console.log(
    table(
      ['', 'members', 'a second', 'a CPU second', 'longest batch, ms'],
      figures.map((one) => [
        one.what,
        String(one.members),
        number(one.perSecond),
        number(one.perCpuSecond),
        number(one.longestBatchMs),
      ]),
    ),
  )
  const aims = [
    {
      aim: `intake at least ${LEAST_RATIO} of bare`,
      measured: ratios[1]!.ofBare,
      met: ratios[1]!.ofBare >= LEAST_RATIO,
    },
    {
      aim: `${LEAST_DECISIONS} members a second drawn into a wave`,
      measured: figures[0]!.perSecond,
      met: figures[0]!.perSecond >= LEAST_DECISIONS,
    },
  ]
  console.log(`\nAims (load ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores)`)
  for (const { aim, measured, met } of aims)
    console.log(`  ${met ? 'met   ' : 'MISSED'} ${aim}: ${measured.toFixed(2)}`)
  if (values.json !== undefined) {
    const all = { at: new Date().toISOString(), load: loadavg(), members, intakes, ratios, planMs, figures, aims }
    await writeFile(values.json, `${JSON.stringify(all, undefined, 2)}\n`)
  }
} finally {
  await sql.end()
  await stack.stop()
}

/** The median of each figure. */
function summarise(figures: readonly IntakeFigure[]): IntakeFigure {
  const [first] = figures
  const cpuOf = (name: Process) => median(figures.map(({ cpuMs }) => cpuMs?.[name] ?? Number.NaN))
  return {
    intake: first!.intake,
    perSecond: median(figures.map(({ perSecond }) => perSecond)),
    cpuMs: first!.cpuMs && { consumer: cpuOf('consumer'), postgres: cpuOf('postgres'), kafka: cpuOf('kafka') },
  }
}
