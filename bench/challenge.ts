/**
 * The benchmark: our challenge, by client functions and over HTTP, beside a bare loop on the same Temporal server.
 * What it measures, and what it found, stands in `docs/benchmarks.md`.
 */
import { writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { createSentWaiter } from '../client/sent-waiter.ts'
import { connect } from '../postgres/connect.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { runLoad, type LoadOptions } from './load.ts'
import { createBareLoop } from './loops/bare.ts'
import { createClientLoop } from './loops/client.ts'
import { createHttpLoop } from './loops/http.ts'
import type { Loop } from './loops/loop.ts'
import { cpuUsed, createCpuMeter, shareOfOthers, type CpuMeter } from './measure/cpu.ts'
import { historySize } from './measure/history.ts'
import { summarise, type Measurement } from './measure/measurement.ts'
import { createStatementMeter, type StatementMeter } from './measure/statements.ts'
import { addMembers } from './members.ts'
import { sum } from './measure/statistics.ts'
import { readOptions, USAGE, type BenchOptions } from './options.ts'
import { createOutboxReader } from './outbox.ts'
import { keptReceipts, postReceipts, prepareReceipts, type ReceiptsMeasured } from './receipts.ts'
import { asJson, report } from './report.ts'
import { startStack, type BenchStack } from './stack.ts'

const MEMBERS = 50_000
const RUN_UP_SECONDS = 1
const WARM_UP = { atOnce: 8, runUpSeconds: 0, seconds: 3 }
/** Between measurements, so that one does not pay for what the other left the servers to do. */
const SETTLE_MS = 300
const HISTORIES = 5
/** As many as go out at once, so that each connection of the API's has had one. */
const WARM_UP_POSTS = 16

type Connections = Awaited<ReturnType<typeof connectAll>>

async function connectAll(stack: BenchStack) {
  const { postgres, temporal: temporalConfig, policy, codes } = stack.config
  const sql = connect(postgres.url, { poolSize: postgres.poolSize, name: 'bench' })
  const administrator = connect(postgres.url.replace(/[^/]*$/, 'postgres'), { poolSize: 1, name: 'bench' })
  const temporal = connectTemporal(temporalConfig.codecKeys, {
    connectionOptions: { address: stack.temporal },
    namespace: 'default',
  })
  const sentWaiter = createSentWaiter(sql)
  const outbox = createOutboxReader(stack.simulators)
  const loops: Record<Loop['name'], Loop> = {
    bare: createBareLoop({ temporal, worker: stack.bareWorker, outbox }),
    client: createClientLoop({ sql, policy, codes, temporal, sentWaiter, outbox }),
    http: createHttpLoop({ api: stack.api, apiKey: stack.apiKey, temporal, outbox }),
  }
  return {
    sql,
    temporal,
    loops,
    statements: await createStatementMeter(administrator, new URL(postgres.url).pathname.slice(1)),
    cpu: createCpuMeter(stack.pids),
    async close() {
      await Promise.all([sql.end({ timeout: 2 }), administrator.end({ timeout: 2 }), temporal.connection.close()])
    },
  }
}

async function measureAll(connections: Connections, options: BenchOptions) {
  const { rounds, seconds } = options
  const { loops } = connections
  let members = 0
  const nextMember = () => ++members

  for (const name of options.loops) {
    console.log(`warming up: ${name}`)
    const { errors } = await runLoad(loops[name], { ...WARM_UP, nextMember })
    if (errors.length > 0) throw new Error(`the ${name} loop does not work: ${errors[0]}`)
  }
  const measurements: Measurement[] = []
  const turns = turnsOf(options)
  for (const { round, atOnce, name } of turns) {
    await wait(SETTLE_MS)
    const load = { atOnce, runUpSeconds: RUN_UP_SECONDS, seconds, nextMember }
    const measured = await measure(connections, loops[name], round, load)
    measurements.push(measured)
    const { perSecond } = measured
    const progress = `round ${round}/${rounds}, ${measurements.length}/${turns.length}`
    console.log(`${progress}: ${name}, ${atOnce} at once: ${perSecond.toFixed(1)} a second`)
  }
  return measurements
}

/** The loops take turns at each level, in each round. */
const turnsOf = ({ rounds, levels, loops }: BenchOptions) =>
  Array.from({ length: rounds }, (_, index) => index + 1).flatMap((round) =>
    levels.flatMap((atOnce) => loops.map((name) => ({ round, atOnce, name }))),
  )

async function measure(
  { temporal, statements, cpu }: Connections,
  loop: Loop,
  round: number,
  load: LoadOptions,
): Promise<Measurement> {
  const metered = await underMeters(statements, cpu, () => runLoad(loop, load))
  const { times, members, errors } = metered.result
  const sample = round === 1 ? members.slice(-HISTORIES).map((member) => loop.workflowId(member)) : []
  return {
    loop: loop.name,
    atOnce: load.atOnce,
    round,
    perSecond: times.length / load.seconds,
    times,
    errors,
    ran: members.length,
    statements: metered.statements,
    ...(metered.cpu && { cpuSeconds: metered.cpu.byProcess, others: metered.cpu.others }),
    history: sample.length > 0 ? await historySize(temporal, sample) : undefined,
  }
}

/** Once each: tens of thousands of events are a sample large enough. */
async function measureReceipts(
  { sql, statements, cpu }: Connections,
  { api, webhookKeys }: BenchStack,
  eventsOfEach: number,
): Promise<ReceiptsMeasured[]> {
  if (eventsOfEach === 0) return []
  console.log('signing receipts')
  const measured: ReceiptsMeasured[] = []
  for (const prepared of await prepareReceipts(sql, webhookKeys, { events: eventsOfEach, firstMember: MEMBERS })) {
    const { provider, eventsAPost, events } = prepared
    // A connection's first statements ask Postgres for its types.
    await postReceipts(api, { ...prepared, posts: prepared.posts.slice(0, WARM_UP_POSTS) })
    const posts = prepared.posts.slice(WARM_UP_POSTS)
    await wait(SETTLE_MS)
    const metered = await underMeters(statements, cpu, async () => {
      const began = performance.now()
      await postReceipts(api, { ...prepared, posts })
      return (performance.now() - began) / 1_000
    })
    const kept = await keptReceipts(sql, provider)
    if (kept !== events) throw new Error(`of ${events} receipts of ${provider}, ${kept} were kept`)
    const posted = events - WARM_UP_POSTS * eventsAPost
    const calls = metered.statements.map((statement) => statement.calls)
    measured.push({
      provider,
      eventsAPost,
      events: posted,
      perSecond: posted / metered.result,
      statementsAPost: sum(calls) / posts.length,
      ...(metered.cpu && {
        cpuMs: Object.fromEntries(
          Object.entries(metered.cpu.byProcess).map(([name, used]) => [name, (used * 1_000) / posted]),
        ),
        others: metered.cpu.others,
      }),
    })
  }
  return measured
}

async function underMeters<T>(statements: StatementMeter, cpu: CpuMeter | undefined, work: () => Promise<T>) {
  await statements.reset()
  const before = cpu?.read()
  const began = performance.now()
  const result = await work()
  const seconds = (performance.now() - began) / 1_000
  const after = cpu?.read()
  return {
    result,
    statements: await statements.read(),
    cpu: before && after && { byProcess: cpuUsed(before, after), others: shareOfOthers(before, after, seconds) },
  }
}

async function main(options: BenchOptions) {
  const stack = await startStack({
    withApi: options.loops.includes('http') || options.receipts > 0,
    ...(options.profile !== undefined && { profile: options.profile }),
    report: (line) => console.log(line),
  })
  const connections = await connectAll(stack)
  try {
    await addMembers(connections.sql, MEMBERS)
    const measurements = await measureAll(connections, options)
    const groups = Map.groupBy(measurements, ({ loop, atOnce }) => `${atOnce} ${loop}`)
    const summaries = [...groups.values()].map(summarise)
    const receipts = await measureReceipts(connections, stack, options.receipts)
    console.log(`\n${report(summaries, receipts)}`)
    if (options.json !== undefined) {
      await writeFile(
        options.json,
        `${JSON.stringify(asJson(summaries, measurements, receipts, options), undefined, 2)}\n`,
      )
    }
    const errors = measurements.flatMap((measurement) => measurement.errors)
    for (const error of new Set(errors)) console.error(`failed: ${error}`)
    if (errors.length > 0) process.exitCode = 1
  } finally {
    await connections.close()
    await stack.stop()
  }
}

const inWords = (error: unknown) => (error instanceof Error ? error.message : String(error))

function optionsOrUsage(): BenchOptions | undefined {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${inWords(error)}\n\n${USAGE}`)
    process.exitCode = 2
    return undefined
  }
}

const options = optionsOrUsage()
try {
  if (options) await main(options)
} catch (error) {
  console.error(inWords(error))
  process.exitCode = 1
}
