/**
 * The process that brings member events from Kafka into Postgres.
 */
import type { Registry } from 'prom-client'
import { createCampaignAlarm } from '../client/campaign-alarm.ts'
import { loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { connectKafka } from '../kafka/connect.ts'
import { createLagReader, type LagReader } from '../kafka/lag.ts'
import { createMemberConsumer } from '../kafka/member-consumer.ts'
import { MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS } from '../kafka/topics.ts'
import { registerLookedUp, type Figure } from '../metrics/looked-up.ts'
import { connect } from '../postgres/connect.ts'
import { kafkaPart } from '../process/kafka.ts'
import { NotUsable } from '../process/parts.ts'
import { postgresParts } from '../process/postgres.ts'
import { runProcess } from '../process/run.ts'
import { temporalPart } from '../process/temporal.ts'

const NAME = 'member-consumer'

await runProcess(
  { name: NAME, configure: () => loadConfig(PROCESS_SECTIONS[NAME]), healthAt: ({ metrics }) => metrics },
  async ({ config, log, registry, parts, closing }) => {
    const sql = connect(config.postgres.url, { poolSize: config.postgres.poolSize, name: NAME })
    closing.defer(() => sql.end({ timeout: 1 }))
    const kafka = connectKafka(config.kafka, { clientId: NAME, log })
    const lag = createLagReader(kafka)
    closing.defer(() => lag.stop())
    registerLag(registry, lag)
    const alarm = createCampaignAlarm({ sql, log })
    closing.defer(() => alarm.stop())

    parts.report({
      ...postgresParts(sql),
      kafka: kafkaPart(config.kafka, [MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS]),
      temporal: { ...temporalPart(alarm.temporal), needed: false },
    })
    await parts.waitForAll()

    const consumer = createMemberConsumer({ kafka, sql, log, registry, onChanged: () => alarm.ring() })
    closing.defer(() => consumer.stop())
    await consumer.start()
    parts.report({ group: { look: async () => consumer.isJoined() || Promise.reject(new NotUsable('not_joined')) } })
    return { ended: consumer.crashed.then((error) => Promise.reject(error)) }
  },
)

function registerLag(registry: Registry, lag: LagReader): void {
  const help = 'Member events that stand in the topic and are not applied yet'
  registerLookedUp(registry, [{ name: 'otp_member_events_lag', help, labelNames: ['partition'] }], async () => [
    (await lag.look()).map(({ partition, events }): Figure => [{ partition: String(partition) }, events]),
  ])
}
