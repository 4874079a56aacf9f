/**
 * The least that brings member events into a table: kafkajs, and one versioned upsert a batch. Nothing is checked, no
 * number is normalised, a bad event would stop it. The partitions are consumed three at a time, as by ours.
 */
import { Kafka, logLevel } from 'kafkajs'
import { pino } from 'pino'
import { loadConfig } from '../../config.ts'
import type { MemberEvent } from '../../kafka/member-event.ts'
import { MEMBER_EVENTS } from '../../kafka/topics.ts'
import { connect } from '../../postgres/connect.ts'

const config = loadConfig(['postgres', 'kafka'])
const sql = connect(config.postgres.url, { name: 'bare-intake' })
const kafka = new Kafka({ clientId: 'bare-intake', brokers: config.kafka.brokers, logLevel: logLevel.ERROR })
const consumer = kafka.consumer({ groupId: 'bare-intake', maxWaitTimeInMs: 500 })

process.once('SIGTERM', () => void consumer.disconnect().then(() => process.exit()))
await consumer.connect()
await consumer.subscribe({ topics: [MEMBER_EVENTS], fromBeginning: true })
await consumer.run({
  partitionsConsumedConcurrently: 3,
  eachBatch: async (payload) => {
    const { batch } = payload
    const events = batch.messages.map(({ value }) => JSON.parse(value!.toString()) as MemberEvent)
    const column = (of: (event: MemberEvent) => unknown) => events.map(of) as string[]
    await sql`
      insert into members as stands (member_id, version, status, email, phone, phone_country, mobile_carrier, birth_date,
        family_card, country, language, notification_preference, notification_preference_since, event_time,
        kafka_partition, kafka_offset)
      select id, version, 'active', email, phone, country, carrier, birth_date, family_card::boolean, country, language,
        preference, at, at, ${batch.partition}, kafka_offset
      from unnest(
        ${column(({ subject }) => subject)}::text[], ${column(({ data }) => data.version)}::bigint[],
        ${column(({ data }) => data.email)}::text[], ${column(({ data }) => data.mobilePhone)}::text[],
        ${column(({ data }) => data.country)}::text[], ${column(({ data }) => data.mobileCarrier)}::text[],
        ${column(({ data }) => data.birthDate)}::date[], ${column(({ data }) => String(data.familyCard))}::text[],
        ${column(({ data }) => data.language)}::text[], ${column(({ data }) => data.notificationPreference)}::text[],
        ${column(({ time }) => time)}::timestamptz[], ${batch.messages.map(({ offset }) => offset)}::bigint[]
      ) as e (id, version, email, phone, country, carrier, birth_date, family_card, language, preference, at, kafka_offset)
      on conflict (member_id) do update set
        version = excluded.version, status = excluded.status, email = excluded.email, phone = excluded.phone,
        phone_country = excluded.phone_country, mobile_carrier = excluded.mobile_carrier,
        birth_date = excluded.birth_date, family_card = excluded.family_card, country = excluded.country,
        language = excluded.language, notification_preference = excluded.notification_preference,
        notification_preference_since = excluded.notification_preference_since, event_time = excluded.event_time,
        kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset
      where excluded.version > stands.version`
    payload.resolveOffset(batch.messages.at(-1)!.offset)
  },
})
pino().info('ready')
