/**
 * A caller that starts one challenge, as a process: with the system's environment, and whatever a test puts into it.
 */
import { pino } from 'pino'
import { startChallenge, type StartRequest } from '../../client/start-challenge.ts'
import { loadConfig } from '../../config.ts'
import { connect } from '../../postgres/connect.ts'
import { connectTemporal } from '../../temporal/connect.ts'

const { env, temporalAddress, request } = JSON.parse(process.argv[2]!) as {
  env: Record<string, string>
  temporalAddress: string
  request: StartRequest
}
const { postgres, temporal, policy } = loadConfig(['postgres', 'temporal', 'policy'], env)
const client = connectTemporal(temporal.codecKeys, {
  connectionOptions: { address: temporalAddress },
  namespace: env['TEMPORAL_NAMESPACE']!,
})
const start = await startChallenge(
  { sql: connect(postgres.url, { name: 'caller' }), temporal: client, policy },
  request,
)
pino().info('ready')
if ('started' in start) await start.started
