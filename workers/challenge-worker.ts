/**
 * The challenge worker: the workflows and activities of the task queue `otp-challenge`. Holds the master keys.
 */
import { ScheduleAlreadyRunning, type Client } from '@temporalio/client'
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { pino } from 'pino'
import { createChallengeActivities } from '../activities/challenge.ts'
import { createCleanupActivities } from '../activities/cleanup.ts'
import { createSweepActivities } from '../activities/sweep.ts'
import { ConfigError, loadConfig, type Config } from '../config.ts'
import { createRefusalCounter } from '../metrics/refusals.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { connect } from '../postgres/connect.ts'
import { createSendGrid } from '../providers/sendgrid.ts'
import { createVonage } from '../providers/vonage.ts'
import { connectTemporal, temporalAddress, workerDataConverter } from '../temporal/connect.ts'
import { CHALLENGE_TASK_QUEUE } from '../workflows/ids.ts'

const NAME = 'challenge-worker'
const LOG_LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const
/** Schedules, by id. */
const SWEEP = 'otp-challenge-sweep'
const CLEANUP = 'otp-challenge-cleanup'
const CLEANUP_EVERY_SECONDS = 3_600

async function runChallengeWorker(): Promise<void> {
  const config = loadConfig(['postgres', 'temporal', 'codes', 'policy', 'providers', 'retention', 'metrics', 'log'])
  const { policy, codes, providers, retention } = config
  const log = pino({ name: NAME, level: config.log.level })
  Runtime.install({
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => log[LOG_LEVELS[level]](meta ?? {}, message)),
    ...temporalMetrics(config.metrics),
  })
  const metrics = await serveMetrics(config.metrics)
  const refusals = createRefusalCounter(metrics.registry)

  const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
  const temporal = connectTemporal(config.temporal.codecKeys)
  const { connectionOptions, namespace = 'default' } = temporalAddress()
  const connection = await NativeConnection.connect(connectionOptions)
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: CHALLENGE_TASK_QUEUE,
    workflowsPath: new URL('../workflows/challenge-queue.ts', import.meta.url).pathname,
    dataConverter: workerDataConverter(config.temporal.codecKeys, () => log.warn('a payload could not be decrypted')),
    activities: {
      ...createChallengeActivities({
        sql,
        policy,
        codes,
        delivery: providers,
        onRefusal: (at, reason) => refusals.inc({ at, reason }),
        providers: {
          email: createSendGrid({ ...providers.sendgrid, timeoutMs: providers.timeoutMs }),
          sms: createVonage({ ...providers.vonage, timeoutMs: providers.timeoutMs }),
        },
      }),
      ...createSweepActivities({ sql, temporal, policy }),
      ...createCleanupActivities({ sql, retention }),
    },
    // Short: the first task after a worker was killed waits this long for it.
    stickyQueueScheduleToStartTimeout: '1s',
    // A task that was taken should be worked on soon, since its time-out runs; one thread does them all.
    maxConcurrentWorkflowTaskExecutions: 16,
    // Sends wait for slots and for slow providers, at no cost to this process; checks shall not wait for them.
    maxConcurrentActivityTaskExecutions: 500,
    shutdownGraceTime: '3s',
  })
  await Promise.all([
    keepSchedule(temporal, SWEEP, 'challengeSweep', config.temporal.sweepIntervalSeconds),
    keepSchedule(temporal, CLEANUP, 'challengeCleanup', CLEANUP_EVERY_SECONDS),
  ])
  const running = worker.run()
  log.info('ready')
  await running
  await Promise.all([connection.close(), temporal.connection.close(), sql.end({ timeout: 2 }), metrics.close()])
}

/** Temporal's SDK shows its own metrics itself, on a port of its own. */
function temporalMetrics({ host, temporalPort }: Config<'metrics'>['metrics']) {
  if (temporalPort === undefined) return {}
  const bindAddress = `${host.includes(':') ? `[${host}]` : host}:${temporalPort}`
  const prometheus = { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true }
  return { telemetryOptions: { metrics: { prometheus } } }
}

/** What runs at intervals is a Temporal Schedule: operators see it, and one runs whatever the number of workers. */
async function keepSchedule(temporal: Client, id: string, workflowType: string, everySeconds: number): Promise<void> {
  const spec = { intervals: [{ every: everySeconds * 1000 }] }
  try {
    await temporal.schedule.create({
      scheduleId: id,
      spec,
      policies: { overlap: 'SKIP', catchupWindow: '1m' },
      action: {
        type: 'startWorkflow',
        workflowType,
        workflowId: id,
        taskQueue: CHALLENGE_TASK_QUEUE,
        workflowExecutionTimeout: '1h',
      },
    })
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    await temporal.schedule.getHandle(id).update((schedule) => ({ ...schedule, spec }))
  }
}

try {
  await runChallengeWorker()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exitCode = error instanceof ConfigError ? 2 : 1
}
