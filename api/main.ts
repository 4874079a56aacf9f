/**
 * The API as a process. Holds the master keys, to judge submitted codes.
 */
import { createSentWaiter } from '../client/sent-waiter.ts'
import { ConfigError, loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connect } from '../postgres/connect.ts'
import { connectTemporal, temporalAddress } from '../temporal/connect.ts'
import { createLog } from '../logging/create-log.ts'
import { startTracing } from '../tracing/start.ts'
import { traceWorkflowClient } from '../tracing/temporal-client.ts'
import { CHALLENGE_WORKFLOW } from '../workflows/ids.ts'
import { bounded } from './deadline.ts'
import { buildServer } from './server.ts'

const NAME = 'api'
const STOP_WITHIN_MS = 4_500
/** Few, so that reports leave Postgres to the challenges. */
const REPORT_CONNECTIONS = 3
/** A dry run over 10 million members; less than a connection to the API lives. */
const REPORT_TIMEOUT_MS = 45_000

async function main() {
  const config = loadConfig(PROCESS_SECTIONS[NAME])
  const { http, callers, pages, webhooks, codes, policy, campaign } = config
  const log = createLog({ name: NAME, level: config.log.level })

  const tracing = await startTracing(config.tracing, NAME, log)
  const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
  const reports = connect(config.postgres.url, {
    poolSize: REPORT_CONNECTIONS,
    name: `${NAME}-reports`,
    statementTimeoutMs: REPORT_TIMEOUT_MS,
  })
  const interceptors = tracing.isOn ? [traceWorkflowClient([CHALLENGE_WORKFLOW])] : []
  const temporal = connectTemporal(config.temporal.codecKeys, bounded(temporalAddress()), interceptors)
  const waiter = await createSentWaiter(sql)
  const app = buildServer({
    sql,
    reports,
    temporal,
    waiter,
    http,
    callers,
    pages,
    webhooks,
    codes,
    policy,
    campaign,
    log,
  })

  const stop = async () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    await app.close()
    await Promise.all([
      temporal.connection.close(),
      sql.end({ timeout: 1 }),
      reports.end({ timeout: 1 }),
      tracing.stop(),
    ])
    process.exit(0)
  }
  process.once('SIGTERM', () => void stop())
  process.once('SIGINT', () => void stop())

  const url = await app.listen({ host: http.host, port: http.port, listenTextResolver: () => 'listening' })
  log.info({ url }, 'ready')
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(error instanceof ConfigError ? 2 : 1)
}
