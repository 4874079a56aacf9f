/**
 * `npm run bench:switches`: what tracing costs, and what the payload codec costs. Whole challenges over HTTP, through an API and
 * a worker for each variant, which take turns on the same servers in one run. `docs/benchmarks.md` says what was found.
 */
import { writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Client } from '@temporalio/client'
import { connect } from '../postgres/connect.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { cpuSum } from './aims.ts'
import { runLoad } from './load.ts'
import { createHttpLoop } from './loops/http.ts'
import type { Loop } from './loops/loop.ts'
import { createCpuMeter, cpuUsed, shareOfOthers } from './measure/cpu.ts'
import { summarise, type Measurement, type Summary } from './measure/measurement.ts'
import { addMembers } from './members.ts'
import { wholeNumber } from './options.ts'
import { createOutboxReader } from './outbox.ts'
import { table } from './report.ts'
import { startStack } from './stack.ts'
import { startCountingCollector } from './switches/collector.ts'

const MEMBERS = 50_000
const RUN_UP_SECONDS = 1
const SETTLE_MS = 300
const WARM_UP = { atOnce: 8, runUpSeconds: 0, seconds: 3 }

/** As it is run: payloads encrypted, no traces. */
const USUAL = 'usual'
const TRACED = 'traced'
const WITHOUT_CODEC = 'uncoded'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '6' },
    at: { type: 'string', default: '8' },
    json: { type: 'string' },
  },
})
const rounds = wholeNumber('--rounds', values.rounds, 100)
const seconds = wholeNumber('--seconds', values.seconds, 3_600)
const atOnce = wholeNumber('--at', values.at, 256)

const stack = await startStack({
  withApi: false,
  variants: [USUAL, TRACED, WITHOUT_CODEC],
  report: (line) => console.log(line),
})
const collector = await startCountingCollector()
try {
  const variants = [
    await startVariant(USUAL, {}),
    await startVariant(TRACED, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '1000' }),
    await startVariant(WITHOUT_CODEC, {
      NODE_OPTIONS: `--import=${new URL('switches/without-codec.ts', import.meta.url).href}`,
    }),
  ]
  let members = 0
  const nextMember = () => ++members
  for (const { name, loop, temporal } of variants) {
    console.log(`warming up: ${name}`)
    const { errors, members: warm } = await runLoad(loop, { ...WARM_UP, nextMember })
    if (errors.length > 0) throw new Error(`${name} does not work: ${errors[0]}`)
    const isEncrypted = await isInputEncrypted(temporal, loop.workflowId(warm[0]!))
    if (isEncrypted !== (name !== WITHOUT_CODEC)) throw new Error(`${name}: payloads encrypted: ${isEncrypted}`)
  }

  const measurements = new Map<string, Measurement[]>(variants.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const variant of variants) {
      await wait(SETTLE_MS)
      const measured = await measure(variant, round, nextMember)
      measurements.get(variant.name)!.push(measured)
      console.log(`round ${round}/${rounds}: ${variant.name}, ${measured.perSecond.toFixed(1)} a second`)
    }
  }
  if (collector.bytes() === 0) throw new Error('no traces arrived')

  const summaries = new Map([...measurements].map(([name, each]) => [name, summarise(each)]))
  const ratios = [
    { switched: 'tracing on / off', ...ratio(summaries.get(TRACED)!, summaries.get(USUAL)!) },
    { switched: 'codec on / off', ...ratio(summaries.get(USUAL)!, summaries.get(WITHOUT_CODEC)!) },
  ]
  report(summaries, ratios)
  if (values.json !== undefined) {
    const figures = { rounds, seconds, atOnce, ratios, summaries: Object.fromEntries(summaries) }
    await writeFile(values.json, `${JSON.stringify(figures, undefined, 2)}\n`)
  }
  const errors = [...measurements.values()].flat().flatMap((measurement) => measurement.errors)
  for (const error of new Set(errors)) console.error(`failed: ${error}`)
  if (errors.length > 0) process.exitCode = 1
  await Promise.all(variants.map(({ temporal }) => temporal.connection.close()))
} finally {
  collector.close()
  await stack.stop()
}

interface Running {
  readonly name: string
  readonly loop: Loop
  readonly temporal: Client
  readonly pids: Readonly<Record<string, number>>
}

async function startVariant(name: string, env: NodeJS.ProcessEnv): Promise<Running> {
  console.log(`starting: ${name}`)
  const { api, databaseUrl, namespace, pids } = await stack.startVariant(name, env)
  const sql = connect(databaseUrl, { poolSize: 1, name: 'bench' })
  await addMembers(sql, MEMBERS)
  await sql.end()
  const temporal = connectTemporal(stack.config.temporal.codecKeys, {
    connectionOptions: { address: stack.temporal },
    namespace,
  })
  const outbox = createOutboxReader(stack.simulators)
  return { name, loop: createHttpLoop({ api, apiKey: stack.apiKey, temporal, outbox }), temporal, pids }
}

async function isInputEncrypted(temporal: Client, workflowId: string) {
  const { events } = await temporal.workflow.getHandle(workflowId).fetchHistory()
  const [input] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? []
  return Buffer.from(input?.metadata?.['encoding'] ?? []).toString() === 'binary/encrypted'
}

async function measure({ loop, pids }: Running, round: number, nextMember: () => number): Promise<Measurement> {
  const { temporal, postgres, simulators, bench } = stack.pids
  const cpu = createCpuMeter({
    ...pids,
    temporal: temporal!,
    postgres: postgres!,
    simulators: simulators!,
    bench: bench!,
  })
  const before = cpu?.read()
  const { times, members, errors, wholeSeconds } = await runLoad(loop, {
    atOnce,
    runUpSeconds: RUN_UP_SECONDS,
    seconds,
    nextMember,
  })
  const after = cpu?.read()
  return {
    loop: loop.name,
    atOnce,
    round,
    perSecond: times.length / seconds,
    times,
    errors,
    ran: members.length,
    statements: [],
    history: undefined,
    ...(before && after && { cpuSeconds: cpuUsed(before, after), others: shareOfOthers(before, after, wholeSeconds) }),
  }
}

function ratio(on: Summary, off: Summary) {
  return {
    perSecond: on.perSecond / off.perSecond,
    startP50: on.start.p50 / off.start.p50,
    verdictP50: on.verdict!.p50 / off.verdict!.p50,
    completedP50: on.completed.p50 / off.completed.p50,
    cpu: cpuSum(on) / cpuSum(off),
  }
}

function report(
  summaries: ReadonlyMap<string, Summary>,
  ratios: readonly (ReturnType<typeof ratio> & { readonly switched: string })[],
) {
  const ms = ({ p50, p99 }: Summary['start']) => `${p50.toFixed(1)} / ${p99.toFixed(1)}`
  console.log(
    `\nWhole challenges over HTTP, ${atOnce} at once (times in ms, p50 / p99)\n${table(
      ['', 'per second', 'start', 'verdict', 'completed', 'CPU ms a challenge', 'others', 'challenges', 'errors'],
      [...summaries].map(([name, each]) => [
        name,
        each.perSecond.toFixed(1),
        ms(each.start),
        ms(each.verdict!),
        ms(each.completed),
        cpuSum(each).toFixed(1),
        `${Math.round((each.others ?? Number.NaN) * 100)} %`,
        String(each.samples),
        String(each.errors),
      ]),
    )}\n\n${table(
      ['', 'per second', 'start p50', 'verdict p50', 'completed p50', 'CPU'],
      ratios.map(({ switched, ...each }) => [
        switched,
        ...[each.perSecond, each.startP50, each.verdictP50, each.completedP50, each.cpu].map((value) =>
          value.toFixed(2),
        ),
      ]),
    )}`,
  )
}
