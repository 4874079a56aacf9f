/**
 * What tests of the member consumer share: topics of their own, the consumer as a process, and events.
 */
import { expect, vi } from 'vitest'
import { patience } from './speed.ts'
import { createTopic, lagOf, startProcess, uniqueName } from './kafka.ts'
import type { TestProcess } from './kafka.ts'
import { kafkaBrokers } from './stack.ts'

const CONSUMER = 'test/support/member-consumer-process.ts'
/** As the local stack has it (M3): a value near the broker's limit plus headers still fits. */
const DEAD_LETTER_TOPIC = { 'max.message.bytes': '1114112' }
export const PATIENTLY = { timeout: patience(45), interval: 20 }

/** The topics of a test, and the group that its consumers make. */
export interface MemberTopics {
  readonly topic: string
  readonly deadLetterTopic: string
  readonly groupId: string
}

export const makeTopics = async (partitions: number): Promise<MemberTopics> => ({
  topic: await createTopic('member-events', partitions),
  deadLetterTopic: await createTopic('member-events.dlq', 1, DEAD_LETTER_TOPIC),
  groupId: uniqueName('member-events'),
})

export const startConsumer = (databaseUrl: string, names: MemberTopics, more: object = {}): Promise<TestProcess> =>
  startProcess(CONSUMER, { url: databaseUrl, brokers: kafkaBrokers(), sessionTimeoutMs: 2_000, ...names, ...more })

/** Resolves once the group has nothing more to read. */
export const untilRead = ({ groupId, topic }: MemberTopics) =>
  vi.waitFor(async () => expect(await lagOf(groupId, topic)).toBe(0), PATIENTLY)

/** An event with a member's state, as a producer writes it. */
export const memberEvent = (memberId: string, version: number, fields: object = {}) => ({
  key: memberId,
  value: JSON.stringify({
    specversion: '1.0',
    id: `${memberId}/${version}`,
    source: '/membership',
    type: 'member.updated',
    subject: memberId,
    time: '2026-11-01T00:00:00Z',
    data: {
      memberId,
      version,
      email: 'hanako@example.jp',
      familyCard: false,
      country: 'JP',
      language: 'ja',
      notificationPreference: 'email',
      ...fields,
    },
  }),
})
