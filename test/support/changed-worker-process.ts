/**
 * A challenge worker of a later build, whose workflow issues its commands in another order.
 */
import { createChallengeActivities } from '../../activities/challenge.ts'
import { loadConfig } from '../../config.ts'
import { createLog } from '../../logging/create-log.ts'
import { connect } from '../../postgres/connect.ts'
import { createSenders } from '../../providers/senders.ts'
import { connectWorker, installRuntime } from '../../temporal/worker.ts'

const config = loadConfig(['postgres', 'temporal', 'codes', 'policy', 'providers', 'metrics'])
const log = createLog({ level: 'info' })
installRuntime(log, config.metrics)
const sql = connect(config.postgres.url, { poolSize: 5, name: 'changed-worker' })
const { policy, codes, providers } = config
const worker = await connectWorker(config.temporal, log, {
  taskQueue: 'otp-challenge',
  deployment: { name: 'challenge-worker', behavior: 'PINNED' },
  workflowsPath: new URL('./changed-workflows.ts', import.meta.url).pathname,
  activities: createChallengeActivities({
    sql,
    policy,
    codes,
    delivery: providers,
    providers: createSenders(providers),
    onRefusal: () => {},
  }),
})
const running = worker.run()
log.info('ready')
await running
await sql.end({ timeout: 1 })
