/**
 * The campaign worker: the workflow and activities of the task queue `sms-campaign`. Holds no master key.
 */
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { pino } from 'pino'
import { createCampaignActivities } from '../activities/campaign.ts'
import { ConfigError, loadConfig } from '../config.ts'
import { connect } from '../postgres/connect.ts'
import { createSendGrid } from '../providers/sendgrid.ts'
import { createVonage } from '../providers/vonage.ts'
import { temporalAddress, workerDataConverter } from '../temporal/connect.ts'
import { CAMPAIGN_TASK_QUEUE } from '../workflows/ids.ts'

const NAME = 'campaign-worker'
const LOG_LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const
/** Counting the members of a campaign of ten millions takes seconds; a gate's figures, longer. */
const STATEMENT_TIMEOUT_MS = 120_000

async function runCampaignWorker(): Promise<void> {
  const config = loadConfig(['postgres', 'temporal', 'policy', 'campaign', 'providers', 'log'])
  const { policy, campaign, providers } = config
  const log = pino({ name: NAME, level: config.log.level })
  Runtime.install({
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => log[LOG_LEVELS[level]](meta ?? {}, message)),
  })

  const sql = connect(config.postgres.url, { poolSize: 4, name: NAME, statementTimeoutMs: STATEMENT_TIMEOUT_MS })
  const { connectionOptions, namespace = 'default' } = temporalAddress()
  const connection = await NativeConnection.connect(connectionOptions)
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: CAMPAIGN_TASK_QUEUE,
    workflowsPath: new URL('../workflows/campaign-queue.ts', import.meta.url).pathname,
    dataConverter: workerDataConverter(config.temporal.codecKeys, () => log.warn('a payload could not be decrypted')),
    activities: createCampaignActivities({
      sql,
      rules: {
        adultAge: policy.adultAge,
        smsCountries: policy.smsCountries,
        enforceAfterSeconds: campaign.enforceAfterSeconds,
        leaseSeconds: campaign.leaseSeconds,
      },
      delivery: providers,
      providers: {
        email: createSendGrid({ ...providers.sendgrid, timeoutMs: providers.timeoutMs }),
        sms: createVonage({ ...providers.vonage, timeoutMs: providers.timeoutMs }),
      },
      noticesAtOnce: campaign.noticesAtOnce,
    }),
    stickyQueueScheduleToStartTimeout: '1s',
    shutdownGraceTime: '3s',
  })
  const running = worker.run()
  log.info('ready')
  await running
  await Promise.all([connection.close(), sql.end({ timeout: 2 })])
}

try {
  await runCampaignWorker()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exitCode = error instanceof ConfigError ? 2 : 1
}
