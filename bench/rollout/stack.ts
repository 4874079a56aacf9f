/**
 * What intake and decisions run on: Postgres and Kafka as `npm start` runs them, in a folder of their own.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openGuard } from '../../local/stack/guarded.ts'
import { startKafka } from '../../local/stack/kafka.ts'
import type { PartOptions } from '../../local/stack/part.ts'
import { freePort } from '../../local/stack/ports.ts'
import { startPostgres } from '../../local/stack/postgres.ts'
import { startProgram, whenReady, tail, type Program } from '../../local/stack/program.ts'
import { migrate } from '../../postgres/migrate.ts'

const ROOT = join(import.meta.dirname, '..', '..')

export interface RolloutBenchStack {
  readonly databaseUrl: string
  readonly broker: string
  /** For the CPU meter. */
  readonly pids: Readonly<Record<'postgres' | 'kafka', number>>
  /** Starts an entrance as a process, and waits until it says `ready`. */
  start(entrance: string): Promise<Program>
  stop(): Promise<void>
}

/** @throws when something cannot be started; what had started is ended then */
export async function startRolloutBenchStack(report: (line: string) => void): Promise<RolloutBenchStack> {
  const folder = await mkdtemp(join(tmpdir(), 'one-time-password-bench-'))
  const guard = await openGuard({ remove: folder })
  const options = async (name: string): Promise<PartOptions> => ({
    folder: join(folder, name),
    port: await freePort(),
    guard,
    env: process.env,
    report: (line) => report(`${name}: ${line}`),
  })
  try {
    const [postgres, kafka] = await Promise.all([
      options('postgres').then(startPostgres),
      options('kafka').then(startKafka),
    ])
    await migrate(postgres.url)
    let started = 0
    return {
      databaseUrl: postgres.url,
      broker: kafka.broker,
      pids: { postgres: postgres.pid, kafka: kafka.pid },
      async start(entrance) {
        const name = `process-${++started}`
        const logFile = join(folder, 'logs', `${name}.log`)
        const program = await startProgram({
          name,
          command: process.execPath,
          args: [join(ROOT, entrance)],
          env: {
            PATH: process.env['PATH'],
            DATABASE_URL: postgres.url,
            KAFKA_BROKERS: kafka.broker,
            // Nobody is there: a campaign that cannot be woken looks by itself.
            TEMPORAL_ADDRESS: '127.0.0.1:1',
          },
          logFile,
          pidFile: join(folder, name, 'pid'),
          endsFirst: true,
          guard,
        })
        const attempt = async () => {
          if (!(await tail(logFile, 100)).includes('"ready"')) throw new Error('it has not said that it is ready')
        }
        await whenReady(program, { name, logFile, attempt })
        return program
      },
      stop: () => guard.close(),
    }
  } catch (error) {
    await guard.close()
    throw error
  }
}
