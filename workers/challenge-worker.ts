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
import { loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { measureSending } from '../metrics/challenges.ts'
import { createRefusalCounter } from '../metrics/refusals.ts'
import { createOtpService } from '../nexus/handlers.ts'
import { connect } from '../postgres/connect.ts'
import { postgresParts } from '../process/postgres.ts'
import { runProcess } from '../process/run.ts'
import { temporalPart } from '../process/temporal.ts'
import { createSenders } from '../providers/senders.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { connectWorker, installRuntime } from '../temporal/worker.ts'
import { startTracing } from '../tracing/start.ts'
import { CHALLENGE_TASK_QUEUE, NOTICE_TASK_QUEUE } from '../workflows/ids.ts'
import { observeSenders } from './observe-senders.ts'

const NAME = 'challenge-worker'
/** A challenge is over in minutes: it ends on the build that it began with. */
const DEPLOYMENT = { name: NAME, behavior: 'PINNED' } as const
/** Schedules, by id. */
const SWEEP = 'otp-challenge-sweep'
const CLEANUP = 'otp-challenge-cleanup'
const CLEANUP_EVERY_SECONDS = 3_600

await runProcess(
  { name: NAME, configure: () => loadConfig(PROCESS_SECTIONS[NAME]), healthAt: ({ metrics }) => metrics },
  async ({ config, log, registry, parts, closing }) => {
    const { policy, codes, providers, retention } = config
    installRuntime(log, config.metrics)
    const tracing = await startTracing(config.tracing, NAME, log)
    closing.defer(() => tracing.stop())
    const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
    closing.defer(() => sql.end({ timeout: 2 }))
    const temporal = connectTemporal(config.temporal.codecKeys)
    closing.defer(() => temporal.connection.close())

    parts.report({ ...postgresParts(sql), temporal: temporalPart(temporal) })

    const refusals = createRefusalCounter(registry)
    const onRefusal = (at: string, reason: string) => refusals.inc({ at, reason })
    const delivery = { delivery: providers, providers: observeSenders(createSenders(providers), registry, log) }
    const challenges = connectWorker(config.temporal, log, parts, {
      taskQueue: CHALLENGE_TASK_QUEUE,
      deployment: DEPLOYMENT,
      workflowsPath: new URL('../workflows/challenge-queue.ts', import.meta.url).pathname,
      activities: {
        ...createChallengeActivities({
          sql,
          temporal,
          policy,
          codes,
          ...delivery,
          onRefusal,
          onSent: measureSending(registry),
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
    const notices = connectWorker(config.temporal, log, parts, {
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
    const [worker, noticeWorker] = await Promise.all([challenges, notices, parts.waitForAll()])
    await parts.wait('temporal', async () => {
      await keepSchedule(temporal, SWEEP, 'challengeSweep', config.temporal.sweepIntervalSeconds)
      await keepSchedule(temporal, CLEANUP, 'challengeCleanup', CLEANUP_EVERY_SECONDS)
    })
    const ended = Promise.race([worker.run(), noticeWorker.run()])
    closing.defer(async () => void (await Promise.all([worker.stop(), noticeWorker.stop()])))
    return { ended }
  },
)

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
