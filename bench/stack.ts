/**
 * The benchmark's own stack in a folder of its own: the parts as `npm start` runs them, and our processes. No Kafka:
 * what a challenge costs does not wait for it.
 */
import { createPrivateKey } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig, type Config } from '../config.ts'
import { makeDevelopmentKeys } from '../local/development-keys.ts'
import { composeEnvironment, composeWholeEnvironment, type Addresses, type ProcessName } from '../local/environment.ts'
import { startOwnProcess } from '../local/own-process.ts'
import { openGuard, type Guard } from '../local/stack/guarded.ts'
import type { Part, PartOptions } from '../local/stack/part.ts'
import { freePort } from '../local/stack/ports.ts'
import { startPostgres } from '../local/stack/postgres.ts'
import { startTemporal } from '../local/stack/temporal.ts'
import { setUpTemporal } from '../operations/setup-temporal.ts'
import { connect } from '../postgres/connect.ts'
import { migrate } from '../postgres/migrate.ts'
import { LIMITS_LIFTED } from '../test/support/limits-lifted.ts'
import { startBareWorker, type BareWorker } from './bare/process.ts'
import type { WebhookKeys } from './receipts.ts'

/** Each run is another member, but they share prefixes and the one address that the calls come from. */
const BENCH_SETTINGS = {
  ...LIMITS_LIFTED,
  // A machine that is busy shall show as slow, not as an API that answers 202.
  OTP_SEND_WAIT_SECONDS: '30',
  // Its work belongs to no loop, and would fall on whichever runs at that moment.
  OTP_SWEEP_INTERVAL_SECONDS: '3600',
}
/** No receipts for the same reason: they come when their loop has gone on. */
const WITHOUT_RECEIPTS = { OTP_SIMULATOR_SENDGRID_WEBHOOK_URL: '', OTP_SIMULATOR_VONAGE_WEBHOOK_URL: '' }

/** The API and a challenge worker once more, with something switched otherwise. */
export interface Variant {
  readonly api: string
  readonly databaseUrl: string
  /** Of Temporal. */
  readonly namespace: string
  readonly pids: Readonly<Record<'api' | 'worker', number>>
}

export interface BenchStack {
  readonly config: Config<'postgres' | 'temporal' | 'codes' | 'policy'>
  readonly api: string
  readonly apiKey: string
  /** What the API believes receipts to be signed with. */
  readonly webhookKeys: WebhookKeys
  readonly simulators: string
  readonly temporal: string
  readonly bareWorker: BareWorker
  /** By name, for the CPU meter. */
  readonly pids: Readonly<Record<string, number>>
  /**
   * Starts a variant on the same servers, in a database and a namespace of its own.
   *
   * @param name one of those that the stack was started for
   * @param env what is set otherwise
   */
  startVariant(name: string, env: NodeJS.ProcessEnv): Promise<Variant>
  stop(): Promise<void>
}

export interface StackOptions {
  /** Without it, the loop over HTTP cannot run. */
  readonly withApi: boolean
  /** A folder for CPU profiles. */
  readonly profile?: string
  /** The names of variants that will be started. */
  readonly variants?: readonly string[]
  readonly report: (line: string) => void
}

/** @throws when something cannot be started; what had started is ended then */
export async function startStack(options: StackOptions): Promise<BenchStack> {
  const folder = await mkdtemp(join(tmpdir(), 'one-time-password-bench-'))
  const guard = await openGuard({ remove: folder })
  try {
    return await startAll(folder, guard, options)
  } catch (error) {
    await guard.close()
    throw error
  }
}

async function startAll(
  folder: string,
  guard: Guard,
  { withApi, profile, variants: namespaces = [], report }: StackOptions,
): Promise<BenchStack> {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    GOPATH: process.env['GOPATH'],
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'],
    // Whatever profiles this machine has, the server is our own.
    TEMPORAL_CONFIG_FILE: join(folder, 'no-profiles.toml'),
    ...BENCH_SETTINGS,
  }
  const [httpPort, simulatorPort, postgresPort, temporalPort] = await Promise.all(Array.from({ length: 4 }, freePort))
  const partOptions = (name: string, port: number): PartOptions => ({
    folder: join(folder, name),
    port,
    guard,
    env,
    report: (line) => report(`${name}: ${line}`),
  })
  report('starting Postgres and Temporal')
  const [postgres, temporal] = await Promise.all([
    // As `npm start` runs it (with fsync), and metered.
    startPostgres({ ...partOptions('postgres', postgresPort!), metered: true }),
    startTemporal({ ...partOptions('temporal', temporalPort!), namespaces }),
  ])
  await migrate(postgres.url)

  const addresses: Addresses = {
    httpHost: '127.0.0.1',
    httpPort: httpPort!,
    codecServerPort: 0,
    simulatorPort: simulatorPort!,
    bankPort: 0,
    databaseUrl: postgres.url,
    temporal: temporal.address,
    temporalIsGiven: false,
    kafka: '127.0.0.1:1',
    metricsPorts: {},
    uiOrigins: ['http://127.0.0.1'],
  }
  const keys = makeDevelopmentKeys()
  const profiling = profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` }
  const environment = (name: ProcessName) => ({
    ...composeEnvironment(name, addresses, keys, env),
    ...WITHOUT_RECEIPTS,
    ...profiling,
  })
  const start = (name: ProcessName) => startOwnProcess(name, { folder, guard, env: environment(name) })
  const ofVariants: Pick<Part, 'stop'>[] = []
  const startVariant = async (name: string, more: NodeJS.ProcessEnv): Promise<Variant> => {
    const databaseUrl = postgres.url.replace(/[^/]*$/, name)
    const sql = connect(postgres.url, { poolSize: 1, name: 'bench' })
    await sql`create database ${sql(name)}`
    await sql.end()
    await migrate(databaseUrl)
    await setUpTemporal({ connectionOptions: { address: temporal.address }, namespace: name })
    const port = await freePort()
    const startHere = (process: ProcessName) =>
      startOwnProcess(process, {
        folder: join(folder, name),
        guard,
        env: {
          ...environment(process),
          PORT: String(port),
          DATABASE_URL: databaseUrl,
          TEMPORAL_NAMESPACE: name,
          ...more,
        },
      })
    const [ownApi, ownWorker] = await Promise.all([startHere('api'), startHere('challenge-worker')])
    ofVariants.push(ownApi, ownWorker)
    const pids = { api: ownApi.pid, worker: ownWorker.pid }
    return { api: `http://127.0.0.1:${port}`, databaseUrl, namespace: name, pids }
  }

  report('starting our processes')
  const simulators = await start('simulators')
  const [worker, bareWorker, api] = await Promise.all([
    start('challenge-worker'),
    startBareWorker({ folder, guard, env: environment('challenge-worker') }),
    withApi ? start('api') : undefined,
  ])
  const own: readonly Pick<Part, 'stop'>[] = [worker, bareWorker, simulators, ...(api ? [api] : [])]
  return {
    config: loadConfig(['postgres', 'temporal', 'codes', 'policy'], composeWholeEnvironment(addresses, keys, env)),
    api: `http://127.0.0.1:${httpPort}`,
    apiKey: keys.apiKey,
    webhookKeys: {
      sendgrid: createPrivateKey({
        key: Buffer.from(keys.sendgridWebhookPrivateKey, 'base64'),
        format: 'der',
        type: 'pkcs8',
      }),
      vonage: { apiKey: keys.vonageApiKey, secret: Buffer.from(keys.vonageSignatureSecret) },
    },
    simulators: `http://127.0.0.1:${simulatorPort}`,
    temporal: temporal.address,
    bareWorker,
    pids: {
      temporal: temporal.pid,
      postgres: postgres.pid,
      worker: worker.pid,
      'bare worker': bareWorker.pid,
      ...(api && { api: api.pid }),
      simulators: simulators.pid,
      bench: process.pid,
    },
    startVariant,
    async stop() {
      // Gently, since a profile is written at the end.
      await Promise.all([...own, ...ofVariants].map((part) => part.stop()))
      await guard.close()
    },
  }
}
