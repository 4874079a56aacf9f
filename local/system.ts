import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Listr, PRESET_TIMER } from 'listr2'
import type { ListrTask } from 'listr2'
import { setUpTemporal } from '../operations/setup-temporal.ts'
import { connect } from '../postgres/connect.ts'
import { migrate } from '../postgres/migrate.ts'
import type { DevelopmentKeys } from './development-keys.ts'
import { writeEndpoints } from './endpoints.ts'
import type { Endpoints } from './endpoints.ts'
import { apiUrl, bankUrl, composeEnvironment, hasProvider, PROCESSES } from './environment.ts'
import type { ProcessName } from './environment.ts'
import { startOwnProcess } from './own-process.ts'
import type { Plan } from './plan.ts'
import { produceSampleMembers } from './produce-samples.ts'
import type { Guard } from './stack/guarded.ts'
import { startKafka } from './stack/kafka.ts'
import type { Part, PartOptions } from './stack/part.ts'
import { startPostgres } from './stack/postgres.ts'
import { supervise } from './stack/supervise.ts'
import type { Supervised } from './stack/supervise.ts'
import { startTemporal } from './stack/temporal.ts'

export interface SystemOptions {
  /** Where data and logs stand. */
  readonly folder: string
  readonly guard: Guard
  readonly keys: DevelopmentKeys
  readonly plan: Plan
  readonly env: NodeJS.ProcessEnv
}

/** The parts and our own processes, as one thing that starts and stops. */
export interface System {
  /**
   * Starts all side by side, with progress on the console; writes `endpoints.json` when everything is ready.
   *
   * @throws when something but Kafka cannot be started; what has started by then runs on until `stop`
   */
  start(): Promise<Endpoints>
  /** Ends our processes, then the parts. */
  stop(): Promise<void>
  /** What does not work, a sentence each. */
  problems(): readonly string[]
}

type Task = Parameters<NonNullable<ListrTask['task']>>[1]
type Need = 'postgres' | 'temporal' | 'kafka'

const NEEDS: Record<ProcessName, readonly Need[]> = {
  'codec-server': [],
  simulators: [],
  api: ['postgres', 'temporal'],
  'challenge-worker': ['postgres', 'temporal'],
  'campaign-worker': ['postgres', 'temporal'],
  'member-consumer': ['postgres', 'kafka', 'temporal'],
  'outbox-relay': ['postgres', 'kafka'],
  bank: ['temporal'],
}

/** How long the sample members may take from the topic into the database. */
const SAMPLE_MEMBERS_MS = 30_000

/** Wires parts and processes together; nothing runs before `start`. */
export function createSystem({ folder, guard, keys, plan, env }: SystemOptions): System {
  const parts = new Map<string, Supervised<Part>>()
  const processes = new Map<string, Supervised<Part>>()
  const problems: string[] = []
  const ready = { postgres: milestone(), temporal: milestone(), kafka: milestone() }
  let { addresses } = plan
  let endpoints: Endpoints | undefined

  async function keep<P extends Part>(group: Map<string, Supervised<Part>>, name: string, start: () => Promise<P>) {
    const kept = await supervise(start, (words) => {
      console.log(`${name} ${words}`)
      if (endpoints) void writeEndpoints(folder, (endpoints = { ...endpoints, pids: pids() }))
    })
    group.set(name, kept)
    return kept.current
  }

  const partOptions = (name: string, port: number, task: Task): PartOptions => ({
    folder: join(folder, name),
    port,
    guard,
    env,
    report: reporter(task),
  })

  async function bringPostgres(task: Task) {
    const { postgresPort: port } = plan
    if (port !== undefined) {
      const { url } = await keep(parts, 'postgres', () => startPostgres(partOptions('postgres', port, task)))
      addresses = { ...addresses, databaseUrl: url }
    }
    task.output = 'migrating'
    await migrate(addresses.databaseUrl).catch((error: Error) => {
      throw port === undefined ? error : new Error(`${error.message}\nnpm run reset begins anew, without this data.`)
    })
  }

  async function bringTemporal(task: Task) {
    const { temporalPort: port, temporalUiPort: uiPort, temporalNamespace } = plan
    if (port === undefined || uiPort === undefined) return
    const options = {
      ...partOptions('temporal', port, task),
      uiPort,
      codecServer: `http://127.0.0.1:${addresses.codecServerPort}`,
      namespaces: temporalNamespace === 'default' ? [] : [temporalNamespace],
    }
    const { address } = await keep(parts, 'temporal', () => startTemporal(options))
    await setUpTemporal({ connectionOptions: { address }, namespace: temporalNamespace })
  }

  async function bringKafka(task: Task) {
    const { kafkaPort: port } = plan
    if (port !== undefined) await keep(parts, 'kafka', () => startKafka(partOptions('kafka', port, task)))
  }

  async function bringProcess(name: ProcessName) {
    const started = () => startOwnProcess(name, { folder, guard, env: composeEnvironment(name, addresses, keys, env) })
    await keep(processes, name, started)
  }

  async function bringSampleMembers() {
    const members = await produceSampleMembers([addresses.kafka])
    await arrived(addresses.databaseUrl, Object.values(members))
    return members
  }

  function pids(): Record<string, number> {
    const running = [...parts, ...processes].map(([name, { current }]) => [name, current.pid] as const)
    return { start: process.pid, ...Object.fromEntries(running) }
  }

  async function startAll() {
    const simulated = !(hasProvider.sendgrid(env) && hasProvider.vonage(env))
    const names = (Object.keys(PROCESSES) as ProcessName[]).filter((name) => name !== 'simulators' || simulated)
    let sampleMembers: Record<string, string> = {}
    const tasks: ListrTask[] = [
      { title: 'Postgres', task: (_, task) => ready.postgres.reach(bringPostgres(task)) },
      { title: 'Temporal', task: (_, task) => ready.temporal.reach(bringTemporal(task)) },
      { title: 'Kafka', task: (_, task) => doWithoutKafka(task, ready.kafka.reach(bringKafka(task))) },
      ...names.map((name) => ({
        title: name,
        task: (_: unknown, task: Task) => whenReached(task, NEEDS[name], () => bringProcess(name)),
      })),
    ]
    if (plan.kafkaPort !== undefined) {
      tasks.push({
        title: 'sample members',
        task: (_, task) =>
          whenReached(task, ['postgres', 'kafka'], async () => void (sampleMembers = await bringSampleMembers())),
      })
    }
    await new Listr(tasks, {
      concurrent: true,
      rendererOptions: { timer: PRESET_TIMER, showErrorMessage: false },
      fallbackRendererOptions: { timer: PRESET_TIMER },
    }).run()
    endpoints = toEndpoints(sampleMembers, simulated)
    await writeEndpoints(folder, endpoints)
    return endpoints
  }

  /** Only Kafka may be missing: everything else works without it. */
  async function doWithoutKafka(task: Task, kafka: Promise<void>) {
    try {
      await kafka
    } catch (error) {
      problems.push(
        `Kafka: members do not arrive and outcomes are not published (member-consumer, outbox-relay). ${inWords(error)}`,
      )
      task.skip('Kafka cannot be had: everything else runs without it')
    }
  }

  async function whenReached(task: Task, needs: readonly Need[], work: () => Promise<void>) {
    for (const need of needs) {
      const reached = await ready[need].reached
      // Its own task tells why.
      if (!reached) {
        task.skip(`${task.title}: not without ${need}`)
        return
      }
    }
    await work()
  }

  function toEndpoints(sampleMembers: Record<string, string>, simulated: boolean): Endpoints {
    const api = apiUrl(addresses)
    return {
      bank: bankUrl(addresses),
      api,
      apiKey: keys.apiKey,
      temporal: addresses.temporal,
      ...(plan.temporalUiPort !== undefined && { temporalUi: `http://127.0.0.1:${plan.temporalUiPort}` }),
      temporalNamespace: plan.temporalNamespace,
      codecServer: `http://127.0.0.1:${addresses.codecServerPort}`,
      ...(problems.length === 0 && { kafka: addresses.kafka }),
      database: addresses.databaseUrl,
      ...(simulated && { outbox: `http://127.0.0.1:${addresses.simulatorPort}` }),
      metrics: {
        api: `${api}/metrics`,
        ...Object.fromEntries(
          Object.entries(addresses.metricsPorts).map(([name, port]) => [name, `http://127.0.0.1:${port}/metrics`]),
        ),
      },
      sampleMembers,
      pids: pids(),
    }
  }

  return {
    start: startAll,
    problems: () => problems,
    async stop() {
      endpoints = undefined
      await Promise.all([...processes.values()].map((kept) => kept.stop()))
      await Promise.all([...parts.values()].map((kept) => kept.stop()))
    },
  }
}

/** Something that others wait for; `reached` says whether it came about, and never rejects. */
function milestone() {
  const { promise: reached, resolve } = Promise.withResolvers<boolean>()
  return {
    reached,
    reach: (work: Promise<void>) => {
      work.then(
        () => resolve(true),
        () => resolve(false),
      )
      return work
    },
  }
}

/** On a terminal the line is replaced; elsewhere lines add up, so there are few of them. */
function reporter(task: Task): (line: string) => void {
  let last = 0
  return (line) => {
    if (!process.stdout.isTTY && Date.now() - last < 5_000) return
    last = Date.now()
    task.output = line
  }
}

async function arrived(databaseUrl: string, memberIds: readonly string[]) {
  const sql = connect(databaseUrl, { poolSize: 1, name: 'start' })
  const deadline = Date.now() + SAMPLE_MEMBERS_MS
  try {
    for (;;) {
      const [row] = await sql<{ count: number }[]>`
        select count(*) as count from members where member_id in ${sql(memberIds)}`
      if (row!.count === new Set(memberIds).size) return
      if (Date.now() > deadline) {
        throw new Error('The sample members have not come out of Kafka: see .local/logs/member-consumer.log')
      }
      await wait(100)
    }
  } finally {
    await sql.end()
  }
}

const inWords = (error: unknown) => (error instanceof Error ? error.message : String(error))
