/**
 * The campaign worker: the workflow and activities of the task queue `sms-campaign`. Holds no master key.
 */
import { createCampaignActivities } from '../activities/campaign.ts'
import { ConfigError, loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { createLog } from '../logging/create-log.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { connect } from '../postgres/connect.ts'
import { paceOf } from '../postgres/provider-pace.ts'
import { createSenders } from '../providers/senders.ts'
import { connectWorker, installRuntime } from '../temporal/worker.ts'
import { CAMPAIGN_TASK_QUEUE } from '../workflows/ids.ts'
import { registerCampaignFigures } from './campaign-figures.ts'
import { observeSenders } from './observe-senders.ts'

const NAME = 'campaign-worker'
/** Counting the members of a campaign of ten millions takes seconds; a gate's figures, longer. */
const STATEMENT_TIMEOUT_MS = 120_000

async function runCampaignWorker(): Promise<void> {
  const config = loadConfig(PROCESS_SECTIONS[NAME])
  const { policy, campaign, providers } = config
  const log = createLog({ name: NAME, level: config.log.level })
  installRuntime(log, config.metrics)
  const metrics = await serveMetrics(config.metrics)

  const sql = connect(config.postgres.url, { poolSize: 4, name: NAME, statementTimeoutMs: STATEMENT_TIMEOUT_MS })
  const senders = observeSenders(createSenders(providers), metrics.registry)
  const worker = await connectWorker(config.temporal, log, {
    taskQueue: CAMPAIGN_TASK_QUEUE,
    // A campaign runs for months, over many builds: its workflow changes by patches.
    deployment: { name: NAME, behavior: 'AUTO_UPGRADE' },
    workflowsPath: new URL('../workflows/campaign-queue.ts', import.meta.url).pathname,
    activities: createCampaignActivities({
      sql,
      rules: {
        adultAge: policy.adultAge,
        smsCountries: policy.smsCountries,
        smsRefusedPrefixes: policy.smsRefusedPrefixes,
        enforceAfterSeconds: campaign.enforceAfterSeconds,
        leaseSeconds: campaign.leaseSeconds,
        pace: paceOf(providers, senders),
      },
      delivery: providers,
      providers: senders,
      noticesAtOnce: campaign.noticesAtOnce,
    }),
  })
  registerCampaignFigures(metrics.registry, sql)
  const running = worker.run()
  log.info('ready')
  await running
  await Promise.all([sql.end({ timeout: 2 }), metrics.close()])
}

try {
  await runCampaignWorker()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exitCode = error instanceof ConfigError ? 2 : 1
}
