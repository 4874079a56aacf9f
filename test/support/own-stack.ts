/**
 * Postgres, Temporal and Kafka of one test file's own, which it may kill, with our own processes on top. Data folders
 * and output stand in one folder, below `postgres/`, `temporal/`, `kafka/` and `logs/`.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@temporalio/client'
import { Kafka, logLevel } from 'kafkajs'
import type { Judge } from '../../codes/judge-code.ts'
import { loadConfig, type Config } from '../../config.ts'
import type { Accepted } from '../../local/simulators/outbox.ts'
import { makeDevelopmentKeys } from '../../local/development-keys.ts'
import type { ProcessName } from '../../local/environment.ts'
import { startOwnProcess } from '../../local/own-process.ts'
import { openGuard } from '../../local/stack/guarded.ts'
import { startKafka } from '../../local/stack/kafka.ts'
import type { Part } from '../../local/stack/part.ts'
import { freePort } from '../../local/stack/ports.ts'
import { startPostgres } from '../../local/stack/postgres.ts'
import { startTemporal } from '../../local/stack/temporal.ts'
import { connect, type Sql } from '../../postgres/connect.ts'
import { migrate } from '../../postgres/migrate.ts'
import { connectTemporal } from '../../temporal/connect.ts'
import { LIMITS_LIFTED } from './limits-lifted.ts'
import { startSimulators, type Simulators } from './simulators.ts'
import { until } from './until.ts'

export type PartName = 'postgres' | 'temporal' | 'kafka'

export interface OwnStack {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly config: Config<'policy' | 'codes' | 'temporal'>
  readonly sql: Sql
  readonly temporal: Client
  readonly kafka: Kafka
  readonly judge: Judge
  readonly simulators: Simulators
  /** What a caller of the API sends; the API is at `http://127.0.0.1:<PORT of env>`. */
  readonly apiKey: string
  /** Starts one of our processes; it runs until the end of the stack. */
  run(name: ProcessName, env?: Record<string, string>): Promise<Part>
  /** As it runs now, or ran last. */
  part(name: PartName): Part
  /** SIGKILL. */
  kill(name: PartName): Promise<void>
  /** Starts what was killed; resolves when it answers. */
  revive(name: PartName): Promise<void>
  /** Ends and removes everything. */
  stop(): Promise<void>
}

/**
 * Starts the parts, and migrates; no process of ours runs yet.
 *
 * @param onAccepted told of each message that a provider accepted
 */
export async function startOwnStack(
  overrides: Record<string, string> = {},
  onAccepted?: (message: Accepted) => void,
): Promise<OwnStack> {
  const folder = await mkdtemp(join(tmpdir(), 'one-time-password-test-'))
  const guard = await openGuard({ remove: folder })
  const [postgresPort, temporalPort, kafkaPort, apiPort, codecPort] = await Promise.all(
    Array.from({ length: 5 }, () => freePort()),
  )
  const options = (name: PartName, port: number) => ({
    folder: join(folder, name),
    port,
    guard,
    env: process.env,
    report: () => {},
  })
  const starts = {
    postgres: () => startPostgres(options('postgres', postgresPort!)),
    temporal: () => startTemporal(options('temporal', temporalPort!)),
    kafka: () => startKafka(options('kafka', kafkaPort!)),
  }
  const simulators = await startSimulators({}, onAccepted)
  try {
    const [postgres, temporal, kafka] = await Promise.all([starts.postgres(), starts.temporal(), starts.kafka()])
    await migrate(postgres.url)
    const parts: Record<PartName, Part> = { postgres, temporal, kafka }
    const keys = makeDevelopmentKeys()
    const key = () => randomBytes(32).toString('base64')
    const env: Record<string, string> = {
      PATH: process.env['PATH']!,
      DATABASE_URL: postgres.url,
      TEMPORAL_ADDRESS: temporal.address,
      KAFKA_BROKERS: kafka.broker,
      PORT: String(apiPort),
      OTP_API_KEYS: keys.apiCallers,
      OTP_IP_HASH_KEY: key(),
      OTP_PROOF_KEYS: `test-proof:${key()}`,
      OTP_CODEC_SERVER_PORT: String(codecPort),
      OTP_CODEC_SERVER_ORIGINS: 'http://127.0.0.1:8233',
      OTP_CODEC_KEYS: `test-codec:${key()}`,
      OTP_MASTER_KEYS: `test-master:${key()}`,
      ...LIMITS_LIFTED,
      ...simulators.env,
      ...overrides,
    }
    const config = loadConfig(['policy', 'codes', 'temporal'], env)
    const sql = connect(postgres.url, { poolSize: 20, name: 'test' })
    const client = connectTemporal(config.temporal.codecKeys, {
      connectionOptions: { address: temporal.address },
      namespace: 'default',
    })
    return {
      folder,
      env,
      config,
      sql,
      temporal: client,
      kafka: new Kafka({ clientId: 'test', brokers: [kafka.broker], logLevel: logLevel.NOTHING }),
      judge: { sql, policy: config.policy, codes: config.codes },
      simulators,
      apiKey: keys.apiKey,
      run: (name, more = {}) => startOwnProcess(name, { folder, guard, env: { ...env, ...more } }),
      part: (name) => parts[name],
      async kill(name) {
        process.kill(-parts[name].pid, 'SIGKILL')
        await parts[name].ended
      },
      async revive(name) {
        // Postgres refuses to start until the last session of the killed one has noticed.
        const start: () => Promise<Part> = starts[name]
        parts[name] = await until(() => start().catch(() => undefined), 30_000)
      },
      async stop() {
        await sql.end({ timeout: 1 })
        await client.connection.close()
        await Promise.all([simulators.stop(), guard.close()])
      },
    }
  } catch (error) {
    await Promise.all([simulators.stop(), guard.close()])
    throw error
  }
}
