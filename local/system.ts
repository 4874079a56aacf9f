import { join } from 'node:path'
import { setUpTemporal } from '../operations/setup-temporal.ts'
import { migrate } from '../postgres/migrate.ts'
import { membersArrived, onceThere } from './database-waits.ts'
import type { DevelopmentKeys } from './development-keys.ts'
import { writeEndpoints } from './endpoints.ts'
import type { Endpoints } from './endpoints.ts'
import { apiUrl, bankUrl, composeEnvironment, hasProvider, PROCESSES } from './environment.ts'
import type { ProcessName } from './environment.ts'
import { startOwnProcess } from './own-process.ts'
import type { Plan } from './plan.ts'
import { produceSampleMembers } from './produce-samples.ts'
import type { Report } from './progress.ts'
import { PartUnavailable } from './stack/errors.ts'
import type { Guard } from './stack/guarded.ts'
import { startKafka } from './stack/kafka.ts'
import type { Part, PartOptions } from './stack/part.ts'
import { startPostgres } from './stack/postgres.ts'
import { whenReady } from './stack/program.ts'
import { supervise } from './stack/supervise.ts'
import type { Supervised } from './stack/supervise.ts'
import { startTemporal } from './stack/temporal.ts'
import { runSteps, type Standing, type Step, type StepContext } from './steps.ts'

export interface SystemOptions {
  /** Where data and logs stand. */
  readonly folder: string
  readonly guard: Guard
  readonly keys: DevelopmentKeys
  readonly plan: Plan
  readonly env: NodeJS.ProcessEnv
  /** After how long without a sign of life something is no longer waited for. Default 5 minutes. */
  readonly longestSilenceMs?: number
}

/** The parts and our own processes, as one thing that starts and stops. */
export interface System {
  /**
   * Starts all side by side, with progress on the console. Resolves, and writes `endpoints.json`, when each is ready, has
   * failed, or is waited for no longer. What comes after that is told on the console and written to `endpoints.json`.
   */
  start(): Promise<{ readonly endpoints: Endpoints; readonly standings: readonly Standing[] }>
  /** Ends our processes, then the parts. */
  stop(): Promise<void>
}

/** What each of our processes is started after: before that it would only wait. */
const NEEDS: Record<ProcessName, readonly string[]> = {
  'codec-server': [],
  simulators: [],
  api: ['Postgres'],
  'challenge-worker': ['Postgres', 'Temporal'],
  'campaign-worker': ['Postgres', 'Temporal'],
  'member-consumer': ['Postgres', 'Kafka'],
  'outbox-relay': ['Postgres', 'Kafka'],
  bank: ['Temporal'],
}
const SAMPLE_MEMBERS = 'sample members'

/** Wires parts and processes together; nothing runs before `start`. */
export function createSystem({ folder, guard, keys, plan, env, longestSilenceMs }: SystemOptions): System {
  const parts = new Map<string, Supervised<Part>>()
  const processes = new Map<string, Supervised<Part>>()
  const stopping = new AbortController()
  const simulated = !(hasProvider.sendgrid(env) && hasProvider.vonage(env))
  let sampleMembers: Record<string, string> = {}
  let { addresses } = plan
  /** Absent until the start is over. */
  let standings: (() => readonly Standing[]) | undefined
  let written = Promise.resolve()

  async function keep<P extends Part>(
    group: Map<string, Supervised<Part>>,
    name: string,
    start: () => Promise<P>,
    failed: StepContext['failed'],
  ) {
    const onChange = (words: string) => {
      console.log(`${name} ${words}`)
      void tellEndpoints()
    }
    const onFirstFailure = (error: unknown) => {
      if (error instanceof PartUnavailable) throw error
      failed(error)
    }
    const kept = await supervise(start, onChange, { onFirstFailure, signal: stopping.signal })
    group.set(name, kept)
    return kept.current
  }

  const partOptions = (name: string, port: number, report: Report): PartOptions => ({
    folder: join(folder, name),
    port,
    guard,
    env,
    report,
  })

  async function bringPostgres({ report, failed }: StepContext) {
    const { postgresPort: port } = plan
    if (port !== undefined) {
      const start = () => startPostgres(partOptions('postgres', port, report))
      const { url } = await keep(parts, 'postgres', start, failed)
      addresses = { ...addresses, databaseUrl: url }
    }
    report('bringing the schema')
    const { databaseUrl } = addresses
    await onceThere(databaseUrl, report, () => migrate(databaseUrl)).catch((error: Error) => {
      throw port === undefined ? error : new Error(`${error.message}\nnpm run reset begins anew, without this data.`)
    })
  }

  async function bringTemporal({ report, failed }: StepContext) {
    const { temporalPort: port, temporalUiPort: uiPort, temporalNamespace } = plan
    if (port === undefined || uiPort === undefined) return
    const options = {
      ...partOptions('temporal', port, report),
      uiPort,
      codecServer: `http://127.0.0.1:${addresses.codecServerPort}`,
      namespaces: temporalNamespace === 'default' ? [] : [temporalNamespace],
    }
    const temporal = await keep(parts, 'temporal', () => startTemporal(options), failed)
    const { address } = temporal
    await whenReady(temporal, {
      name: 'Temporal',
      logFile: join(folder, 'temporal', 'temporal.log'),
      attempt: () => setUpTemporal({ connectionOptions: { address }, namespace: temporalNamespace }),
      report,
    })
  }

  async function bringKafka({ report, failed }: StepContext) {
    const { kafkaPort: port } = plan
    if (port !== undefined) await keep(parts, 'kafka', () => startKafka(partOptions('kafka', port, report)), failed)
  }

  async function bringProcess(name: ProcessName, { report, failed }: StepContext) {
    const start = () =>
      startOwnProcess(name, { folder, guard, report, env: composeEnvironment(name, addresses, keys, env) })
    await keep(processes, name, start, failed)
  }

  async function bringSampleMembers({ report }: StepContext) {
    const members = await produceSampleMembers([addresses.kafka])
    const consumerLog = join(folder, 'logs', 'member-consumer.log')
    await membersArrived(addresses.databaseUrl, Object.values(members), consumerLog, report)
    sampleMembers = members
  }

  function steps(): Step[] {
    const names = (Object.keys(PROCESSES) as ProcessName[]).filter((name) => name !== 'simulators' || simulated)
    return [
      { title: 'Postgres', needs: [], bring: bringPostgres },
      { title: 'Temporal', needs: [], bring: bringTemporal },
      { title: 'Kafka', needs: [], bring: bringKafka },
      ...names.map((name): Step => ({
        title: name,
        needs: NEEDS[name],
        bring: (context) => bringProcess(name, context),
      })),
      // The members of a Kafka that is not ours are not ours to add to.
      ...(plan.kafkaPort === undefined
        ? []
        : [{ title: SAMPLE_MEMBERS, needs: ['Kafka', 'member-consumer'], bring: bringSampleMembers }]),
    ]
  }

  async function startAll() {
    const onLate = (title: string) => {
      console.log(`${title}: there now`)
      void tellEndpoints()
    }
    standings = await runSteps(steps(), {
      onLate,
      signal: stopping.signal,
      ...(longestSilenceMs && { longestSilenceMs }),
    })
    await tellEndpoints()
    return { endpoints: toEndpoints(standings()), standings: standings() }
  }

  /** One after the other, so that the last stands. */
  function tellEndpoints() {
    written = written.then(async () => {
      if (standings !== undefined && !stopping.signal.aborted) await writeEndpoints(folder, toEndpoints(standings()))
    })
    return written
  }

  function toEndpoints(stand: readonly Standing[]): Endpoints {
    const api = apiUrl(addresses)
    const without = stand.filter(({ tookMs }) => tookMs === undefined)
    const isThere = (title: string) => !without.some((standing) => standing.title === title)
    return {
      bank: bankUrl(addresses),
      api,
      apiKey: keys.apiKey,
      ...(isThere('Temporal') && {
        temporal: addresses.temporal,
        ...(plan.temporalUiPort !== undefined && { temporalUi: `http://127.0.0.1:${plan.temporalUiPort}` }),
      }),
      temporalNamespace: plan.temporalNamespace,
      codecServer: `http://127.0.0.1:${addresses.codecServerPort}`,
      ...(isThere('Kafka') && { kafka: addresses.kafka }),
      ...(isThere('Postgres') && { database: addresses.databaseUrl }),
      ...(simulated && { outbox: `http://127.0.0.1:${addresses.simulatorPort}` }),
      metrics: {
        api: `${api}/metrics`,
        ...Object.fromEntries(
          Object.entries(addresses.metricsPorts).map(([name, port]) => [name, `http://127.0.0.1:${port}/metrics`]),
        ),
      },
      sampleMembers,
      pids: {
        start: process.pid,
        ...Object.fromEntries([...parts, ...processes].map(([name, { current }]) => [name, current.pid])),
      },
      ...(without.length > 0 && { without: without.map(({ title }) => title) }),
    }
  }

  return {
    start: startAll,
    async stop() {
      stopping.abort()
      await Promise.all([...processes.values()].map((kept) => kept.stop()))
      await Promise.all([...parts.values()].map((kept) => kept.stop()))
      await written
    },
  }
}
