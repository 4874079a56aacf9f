/**
 * The challenge worker: the workflows and activities of the task queue `otp-challenge`, and beside it, on a queue and slots of
 * their own, the notices to single members. Holds the master keys.
 */
import { ScheduleAlreadyRunning, type Client } from '@temporalio/client'
import { createChallengeActivities } from '../activities/challenge.ts'
import { createCleanupActivities } from '../activities/cleanup.ts'
import { createMemberNoticeActivities } from '../activities/member-notice.ts'
import { createSweepActivities } from '../activities/sweep.ts'
import { sendNotices } from '../client/send-notices.ts'
import { ConfigError, loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { measureSending } from '../metrics/challenges.ts'
import { createRefusalCounter } from '../metrics/refusals.ts'
import { createLog } from '../logging/create-log.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { createOtpService } from '../nexus/handlers.ts'
import { connect } from '../postgres/connect.ts'
import { createSenders } from '../providers/senders.ts'
import { startTracing } from '../tracing/start.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { connectWorker, installRuntime } from '../temporal/worker.ts'
import { CHALLENGE_TASK_QUEUE, NOTICE_TASK_QUEUE } from '../workflows/ids.ts'
import { observeSenders } from './observe-senders.ts'

const NAME = 'challenge-worker'
/** A challenge is over in minutes: it ends on the build that it began with. */
const DEPLOYMENT = { name: NAME, behavior: 'PINNED' } as const
/** Schedules, by id. */
const SWEEP = 'otp-challenge-sweep'
const CLEANUP = 'otp-challenge-cleanup'
const CLEANUP_EVERY_SECONDS = 3_600

async function runChallengeWorker(): Promise<void> {
  const config = loadConfig(PROCESS_SECTIONS[NAME])
  const { policy, codes, providers, retention } = config
  const log = createLog({ name: NAME, level: config.log.level })
  installRuntime(log, config.metrics)
  const tracing = await startTracing(config.tracing, NAME, log)
  const metrics = await serveMetrics(config.metrics)
  const refusals = createRefusalCounter(metrics.registry)

  const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
  const temporal = connectTemporal(config.temporal.codecKeys)
  const delivery = { delivery: providers, providers: observeSenders(createSenders(providers), metrics.registry) }
  const onRefusal = (at: string, reason: string) => refusals.inc({ at, reason })
  const worker = await connectWorker(config.temporal, log, {
    taskQueue: CHALLENGE_TASK_QUEUE,
    deployment: DEPLOYMENT,
    workflowsPath: new URL('../workflows/challenge-queue.ts', import.meta.url).pathname,
    activities: {
      ...createChallengeActivities({
        sql,
        policy,
        codes,
        ...delivery,
        onRefusal,
        onSent: measureSending(metrics.registry),
      }),
      ...createSweepActivities({ sql, temporal, policy, sendNotices: (ids) => sendNotices(temporal, ids) }),
      ...createCleanupActivities({ sql, retention }),
    },
    nexusServices: [createOtpService({ sql, temporal, policy, codes, onRefusal })],
    // A task that was taken should be worked on soon, since its time-out runs; one thread does them all.
    maxConcurrentWorkflowTaskExecutions: 16,
    // Sends wait for slots and for slow providers, at no cost to this process; checks shall not wait for them.
    maxConcurrentActivityTaskExecutions: 500,
    ...(tracing.isOn && (await import('../tracing/temporal-worker.ts')).traceWorker()),
  })
  const noticeWorker = await connectWorker(config.temporal, log, {
    taskQueue: NOTICE_TASK_QUEUE,
    // A notice tries for a day, longer than two builds run side by side.
    deployment: { name: NAME, behavior: 'AUTO_UPGRADE' },
    workflowsPath: new URL('../workflows/notice-queue.ts', import.meta.url).pathname,
    activities: createMemberNoticeActivities({ sql, ...delivery }),
    // Few, so that a provider that hangs is not called by more.
    maxConcurrentWorkflowTaskExecutions: 4,
    maxConcurrentActivityTaskExecutions: 10,
    maxCachedWorkflows: 100,
  })
  await Promise.all([
    keepSchedule(temporal, SWEEP, 'challengeSweep', config.temporal.sweepIntervalSeconds),
    keepSchedule(temporal, CLEANUP, 'challengeCleanup', CLEANUP_EVERY_SECONDS),
  ])
  const running = Promise.all([worker.run(), noticeWorker.run()])
  log.info('ready')
  await running
  await Promise.all([temporal.connection.close(), sql.end({ timeout: 2 }), metrics.close(), tracing.stop()])
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
