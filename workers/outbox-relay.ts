/**
 * The process that publishes what happened: from the outbox in Postgres to Kafka.
 */
import { ConfigError, loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connectKafka } from '../kafka/connect.ts'
import { createOutboxRelay } from '../kafka/outbox-relay.ts'
import { createLog } from '../logging/create-log.ts'
import { countOutcomes, type ClosedChallenge } from '../metrics/challenges.ts'
import { registerLookedUp } from '../metrics/looked-up.ts'
import { serveMetrics } from '../metrics/serve.ts'
import { connect } from '../postgres/connect.ts'
import { outboxBacklog } from '../postgres/outbox.ts'

const NAME = 'outbox-relay'
/** How the type of an event about a challenge's outcome begins. */
const CHALLENGE_EVENT = 'otp.challenge.'
const STOP_WITHIN_MS = 4_500

async function main() {
  const config = loadConfig(PROCESS_SECTIONS[NAME])
  const log = createLog({ name: NAME, level: config.log.level })
  const sql = connect(config.postgres.url, { poolSize: 1, name: NAME })
  // Apart, so that looking never stands before the relay.
  const figures = connect(config.postgres.url, { poolSize: 1, name: `${NAME}-figures`, statementTimeoutMs: 2_000 })
  const kafka = connectKafka(config.kafka, { clientId: NAME, log })
  const metrics = await serveMetrics(config.metrics)
  const countOutcome = countOutcomes(metrics.registry)
  const relay = createOutboxRelay({
    kafka,
    sql,
    log,
    onRelayed: (rows) => {
      for (const { type, data } of rows) if (type.startsWith(CHALLENGE_EVENT)) countOutcome(data as ClosedChallenge)
    },
  })
  registerLookedUp(
    metrics.registry,
    [
      { name: 'otp_outbox_rows', help: 'Events that wait to be published, up to 100,000' },
      { name: 'otp_outbox_age_seconds', help: 'For how long the oldest of them has waited; 0 where none waits' },
    ],
    async () => {
      const { rows, oldestSeconds } = await outboxBacklog(figures)
      return [[[{}, rows]], [[{}, oldestSeconds]]]
    },
  )

  const stop = async () => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    await relay.stop()
    await Promise.all([sql.end({ timeout: 1 }), figures.end({ timeout: 1 }), metrics.close()])
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
