/**
 * The campaign worker: the workflow and activities of the task queue `sms-campaign`. Holds no master key.
 */
import { createCampaignActivities } from '../activities/campaign.ts'
import { loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connect } from '../postgres/connect.ts'
import { paceOf } from '../postgres/provider-pace.ts'
import { postgresParts } from '../process/postgres.ts'
import { runProcess } from '../process/run.ts'
import { temporalPart } from '../process/temporal.ts'
import { createSenders } from '../providers/senders.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { connectWorker, installRuntime } from '../temporal/worker.ts'
import { CAMPAIGN_TASK_QUEUE } from '../workflows/ids.ts'
import { registerCampaignFigures } from './campaign-figures.ts'
import { observeSenders } from './observe-senders.ts'

const NAME = 'campaign-worker'
/** Counting the members of a campaign of ten millions takes seconds; a gate's figures, longer. */
const STATEMENT_TIMEOUT_MS = 120_000

await runProcess(
  { name: NAME, configure: () => loadConfig(PROCESS_SECTIONS[NAME]), healthAt: ({ metrics }) => metrics },
  async ({ config, log, registry, parts, closing }) => {
    const { policy, campaign, providers } = config
    installRuntime(log, config.metrics)
    const sql = connect(config.postgres.url, { poolSize: 4, name: NAME, statementTimeoutMs: STATEMENT_TIMEOUT_MS })
    closing.defer(() => sql.end({ timeout: 2 }))
    const temporal = connectTemporal(config.temporal.codecKeys)
    closing.defer(() => temporal.connection.close())

    parts.report({ ...postgresParts(sql), temporal: temporalPart(temporal) })

    const senders = observeSenders(createSenders(providers), registry, log)
    registerCampaignFigures(registry, sql)
    const connecting = connectWorker(config.temporal, log, parts, {
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
    const [worker] = await Promise.all([connecting, parts.waitForAll()])
    const ended = worker.run()
    closing.defer(() => worker.stop())
    return { ended }
  },
)
