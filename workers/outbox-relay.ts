/**
 * The process that publishes what happened: from the outbox in Postgres to Kafka.
 */
import type { Registry } from 'prom-client'
import { loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connectKafka } from '../kafka/connect.ts'
import { createOutboxRelay } from '../kafka/outbox-relay.ts'
import { OTP_EVENTS } from '../kafka/topics.ts'
import { countOutcomes, type ClosedChallenge } from '../metrics/challenges.ts'
import { registerLookedUp } from '../metrics/looked-up.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { outboxBacklog } from '../postgres/outbox.ts'
import { kafkaPart } from '../process/kafka.ts'
import { postgresParts } from '../process/postgres.ts'
import { runProcess } from '../process/run.ts'

const NAME = 'outbox-relay'
/** How the type of an event about a challenge's outcome begins. */
const CHALLENGE_EVENT = 'otp.challenge.'

await runProcess(
  { name: NAME, configure: () => loadConfig(PROCESS_SECTIONS[NAME]), healthAt: ({ metrics }) => metrics },
  async ({ config, log, registry, parts, closing }) => {
    const sql = connect(config.postgres.url, { poolSize: 1, name: NAME })
    closing.defer(() => sql.end({ timeout: 1 }))
    // Apart, so that looking never stands before the relay.
    const figures = connect(config.postgres.url, { poolSize: 1, name: `${NAME}-figures`, statementTimeoutMs: 2_000 })
    closing.defer(() => figures.end({ timeout: 1 }))
    registerBacklog(registry, figures)

    parts.report({ ...postgresParts(figures), kafka: kafkaPart(config.kafka, [OTP_EVENTS]) })
    await parts.waitForAll()

    const countOutcome = countOutcomes(registry)
    const relay = createOutboxRelay({
      kafka: connectKafka(config.kafka, { clientId: NAME, log }),
      sql,
      log,
      onRelayed: (rows) => {
        for (const { type, data } of rows) if (type.startsWith(CHALLENGE_EVENT)) countOutcome(data as ClosedChallenge)
      },
    })
    closing.defer(() => relay.stop())
    return { ended: relay.run() }
  },
)

function registerBacklog(registry: Registry, sql: Sql): void {
  registerLookedUp(
    registry,
    [
      { name: 'otp_outbox_rows', help: 'Events that wait to be published, up to 100,000' },
      { name: 'otp_outbox_age_seconds', help: 'For how long the oldest of them has waited; 0 where none waits' },
    ],
    async () => {
      const { rows, oldestSeconds } = await outboxBacklog(sql)
      return [[[{}, rows]], [[{}, oldestSeconds]]]
    },
  )
}
