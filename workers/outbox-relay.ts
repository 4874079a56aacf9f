/**
 * The process that publishes what happened: from the outbox in Postgres to Kafka.
 */
import { pino } from 'pino'
import { ConfigError, loadConfig } from '../config.ts'
import { connectKafka } from '../kafka/connect.ts'
import { createOutboxRelay } from '../kafka/outbox-relay.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { connect } from '../postgres/connect.ts'

const NAME = 'outbox-relay'
const STOP_WITHIN_MS = 4_500

async function main() {
  const config = loadConfig(['postgres', 'kafka', 'metrics', 'log'])
  const log = pino({ name: NAME, level: config.log.level })
  const sql = connect(config.postgres.url, { poolSize: 1, name: NAME })
  const kafka = connectKafka(config.kafka, { clientId: NAME, log })
  const metrics = await serveMetrics(config.metrics)
  const relay = createOutboxRelay({ kafka, sql, log })

  const stop = async () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    await relay.stop()
    await Promise.all([sql.end({ timeout: 1 }), metrics.close()])
    process.exit(0)
  }
  process.once('SIGTERM', () => void stop())
  process.once('SIGINT', () => void stop())

  await relay.start()
  log.info('ready')
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(error instanceof ConfigError ? 2 : 1)
}
