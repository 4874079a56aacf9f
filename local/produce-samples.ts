/**
 * The sample members' way into the system: through the real topic, as the membership system would send them.
 */
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { MemberData, MemberEvent } from '../kafka/member-event.ts'
import { MEMBER_EVENTS } from '../kafka/topics.ts'
import { SAMPLE_MEMBERS } from './sample-members.ts'

/** A broker that is busy or only just there is asked again, for as long as it takes. */
const PATIENCE = { connectionTimeout: 10_000, retry: { retries: Number.MAX_SAFE_INTEGER, maxRetryTime: 2_000 } }

/**
 * Produces the sample members.
 *
 * @returns the member id of each sample, by its name
 */
export async function produceSampleMembers(brokers: string[]): Promise<Record<string, string>> {
  const kafka = new Kafka({ clientId: 'sample-members', brokers, logLevel: logLevel.NOTHING, ...PATIENCE })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  const events = Object.values(SAMPLE_MEMBERS).map(toEvent)
  await producer.connect()
  try {
    const messages = events.map((event) => ({ key: event.subject, value: JSON.stringify(event) }))
    await producer.send({ topic: MEMBER_EVENTS, acks: -1, messages })
  } finally {
    await producer.disconnect()
  }
  return Object.fromEntries(Object.entries(SAMPLE_MEMBERS).map(([name, { memberId }]) => [name, memberId]))
}

const toEvent = (data: MemberData): MemberEvent => ({
  specversion: '1.0',
  id: `sample-${data.memberId}-${data.version}`,
  source: '/membership',
  type: 'member.registered',
  subject: data.memberId,
  time: '2026-11-01T00:00:00Z',
  datacontenttype: 'application/json',
  data,
})
