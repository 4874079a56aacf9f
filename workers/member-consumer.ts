/**
 * The process that brings member events from Kafka into Postgres.
 */
import { pino } from 'pino'
import { ConfigError, loadConfig } from '../config.ts'
import { connectKafka } from '../kafka/connect.ts'
import { createMemberConsumer } from '../kafka/member-consumer.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { connect } from '../postgres/connect.ts'
import { createCampaignAlarm } from '../client/campaign-alarm.ts'

const NAME = 'member-consumer'
const STOP_WITHIN_MS = 4_500

async function main() {
  const config = loadConfig(['postgres', 'kafka', 'metrics', 'log'])
  const log = pino({ name: NAME, level: config.log.level })
  const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
  const kafka = connectKafka(config.kafka, { clientId: NAME, log })
  const alarm = createCampaignAlarm({ sql, log })
  const metrics = await serveMetrics(config.metrics)
  const consumer = createMemberConsumer({ kafka, sql, log, onChanged: () => alarm.ring() })

  const stop = async () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    await consumer.stop()
    await alarm.stop()
    await Promise.all([sql.end({ timeout: 1 }), metrics.close()])
    process.exit(0)
  }
  process.once('SIGTERM', () => void stop())
  process.once('SIGINT', () => void stop())

  await consumer.start()
  log.info('ready')
  const error = await consumer.crashed
  log.fatal({ err: { name: error.name, message: error.message } }, 'the consumer gave up')
  process.exit(1)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(error instanceof ConfigError ? 2 : 1)
}
