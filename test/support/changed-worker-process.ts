/**
 * A challenge worker of a later build, whose workflow issues its commands in another order.
 */
import { createChallengeActivities } from '../../activities/challenge.ts'
import { loadConfig } from '../../config.ts'
import { connect } from '../../postgres/connect.ts'
import { runProcess } from '../../process/run.ts'
import { createSenders } from '../../providers/senders.ts'
import { connectTemporal } from '../../temporal/connect.ts'
import { connectWorker, installRuntime } from '../../temporal/worker.ts'

const configure = () => loadConfig(['postgres', 'temporal', 'codes', 'policy', 'providers', 'metrics', 'log'])

await runProcess({ name: 'changed-worker', configure }, async ({ config, log, parts, closing }) => {
  const { policy, codes, providers } = config
  installRuntime(log, config.metrics)
  const sql = connect(config.postgres.url, { poolSize: 5, name: 'changed-worker' })
  closing.defer(() => sql.end({ timeout: 1 }))
  const temporal = connectTemporal(config.temporal.codecKeys)
  closing.defer(() => temporal.connection.close())
  const worker = await connectWorker(config.temporal, log, parts, {
    taskQueue: 'otp-challenge',
    deployment: { name: 'challenge-worker', behavior: 'PINNED' },
    workflowsPath: new URL('./changed-workflows.ts', import.meta.url).pathname,
    activities: createChallengeActivities({
      sql,
      temporal,
      policy,
      codes,
      delivery: providers,
      providers: createSenders(providers),
      onRefusal: () => {},
    }),
  })
  const ended = worker.run()
  closing.defer(() => worker.stop())
  return { ended }
})
