/**
 * The API as a process. Holds the master keys, to judge submitted codes.
 */
import { createSentWaiter } from '../client/sent-waiter.ts'
import { loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connect } from '../postgres/connect.ts'
import { runProcess } from '../process/run.ts'
import { connectTemporal, temporalAddress } from '../temporal/connect.ts'
import { startTracing } from '../tracing/start.ts'
import { traceWorkflowClient } from '../tracing/temporal-client.ts'
import { CHALLENGE_WORKFLOW } from '../workflows/ids.ts'
import { bounded, POSTGRES_DEADLINE_MS } from './deadline.ts'
import { apiParts } from './operations-routes.ts'
import { buildServer } from './server.ts'

const NAME = 'api'
/** Few, so that reports leave Postgres to the challenges. */
const REPORT_CONNECTIONS = 3
/** A dry run over 10 million members; less than a connection to the API lives. */
const REPORT_TIMEOUT_MS = 45_000

await runProcess(
  { name: NAME, configure: () => loadConfig(PROCESS_SECTIONS[NAME]) },
  async ({ config, log, registry, parts, health, closing }) => {
    const { http, postgres } = config
    const tracing = await startTracing(config.tracing, NAME, log)
    closing.defer(() => tracing.stop())
    const sql = connect(postgres.url, {
      poolSize: postgres.poolSize,
      name: NAME,
      statementTimeoutMs: POSTGRES_DEADLINE_MS,
    })
    closing.defer(() => sql.end({ timeout: 1 }))
    const reports = connect(postgres.url, {
      poolSize: REPORT_CONNECTIONS,
      name: `${NAME}-reports`,
      statementTimeoutMs: REPORT_TIMEOUT_MS,
    })
    closing.defer(() => reports.end({ timeout: 1 }))
    const interceptors = tracing.isOn ? [traceWorkflowClient([CHALLENGE_WORKFLOW])] : []
    const temporal = connectTemporal(config.temporal.codecKeys, bounded(temporalAddress()), interceptors)
    closing.defer(() => temporal.connection.close())
    const app = buildServer({ ...config, sql, reports, temporal, waiter: createSentWaiter(sql), registry, health, log })
    closing.defer(() => app.close())

    const url = await app.listen({ host: http.host, port: http.port, listenTextResolver: () => 'listening' })
    log.info({ url }, 'listening')
    // Asked already: what cannot be done yet is answered with 503.
    parts.report(apiParts({ sql, temporal }))
    await parts.waitForAll()
    return { url }
  },
)
