/**
 * The process that brings member events from Kafka into Postgres.
 */
import { ConfigError, loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connectKafka } from '../kafka/connect.ts'
import { createLagReader } from '../kafka/lag.ts'
import { createMemberConsumer } from '../kafka/member-consumer.ts'
import { createLog } from '../logging/create-log.ts'
import { registerLookedUp, type Figure } from '../metrics/looked-up.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { connect } from '../postgres/connect.ts'
import { createCampaignAlarm } from '../client/campaign-alarm.ts'

const NAME = 'member-consumer'
const STOP_WITHIN_MS = 4_500

async function main() {
  const config = loadConfig(PROCESS_SECTIONS[NAME])
  const log = createLog({ name: NAME, level: config.log.level })
  const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
  const kafka = connectKafka(config.kafka, { clientId: NAME, log })
  const alarm = createCampaignAlarm({ sql, log })
  const metrics = await serveMetrics(config.metrics)
  const lag = createLagReader(kafka)
  registerLookedUp(
    metrics.registry,
    [
      {
        name: 'otp_member_events_lag',
        help: 'Member events that stand in the topic and are not applied yet',
        labelNames: ['partition'],
      },
    ],
    async () => [(await lag.look()).map(({ partition, events }): Figure => [{ partition: String(partition) }, events])],
  )
  const consumer = createMemberConsumer({
    kafka,
    sql,
    log,
    registry: metrics.registry,
    onChanged: () => alarm.ring(),
  })

  const stop = async () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    await consumer.stop()
    await alarm.stop()
    await lag.stop()
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
