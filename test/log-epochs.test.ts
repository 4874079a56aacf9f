/**
 * M1, F02: positions are compared within one log only. A topic that was made anew, another cluster and added partitions are
 * noticed, and what stands there counts; the same log read again leaves what one pass over it gives (I9).
 */
import { Kafka, logLevel } from 'kafkajs'
import type { Admin, Message } from 'kafkajs'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type Sql } from '../postgres/connect.ts'
import { applyMemberChanges, type MemberChange } from '../postgres/members.ts'
import { patience } from './support/speed.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { produce } from './support/kafka.ts'
import {
  makeTopics,
  memberEvent,
  PATIENTLY,
  startConsumer,
  untilRead,
  type MemberTopics,
} from './support/member-consumer.ts'
import { kafkaBrokers } from './support/stack.ts'

let database: TestDatabase
let sql: Sql
let admin: Admin
beforeAll(async () => {
  database = await createDatabase()
  sql = connect(database.url, { name: 'test' })
  admin = new Kafka({ clientId: 'test', brokers: kafkaBrokers(), logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
})
beforeEach(async () => {
  await sql`truncate members, member_epochs`
})
afterAll(async () => {
  await admin.disconnect()
  await sql.end()
  await database.drop()
})

const standing = async () =>
  Object.fromEntries(
    (
      await sql<{ member: string; status: string; version: number }[]>`
        select member_id as member, status, version::int as version from members order by member_id`
    ).map(({ member, status, version }) => [member, `${status} ${version}`]),
  )
const erasure = (memberId: string): Message => ({ key: memberId, value: null })
const noise = (count: number) => Array.from({ length: count }, (_, index) => memberEvent(`noise${index}`, 1))
const readAll = async (names: MemberTopics) => {
  const consumer = await startConsumer(database.url, names)
  try {
    await untilRead(names)
  } finally {
    await consumer.end('SIGTERM')
  }
}
const makeAnew = async ({ topic }: MemberTopics, partitions = 1) => {
  await admin.deleteTopics({ topics: [topic] })
  await vi.waitFor(() => admin.createTopics({ topics: [{ topic, numPartitions: partitions }] }), PATIENTLY)
}

describe('a topic that was made anew', () => {
  test(
    'erases whom it has a tombstone of, and knows again who is registered in it',
    { timeout: patience(120) },
    async () => {
      const names = await makeTopics(1)
      await produce(names.topic, [
        memberEvent('returning', 1),
        memberEvent('returning', 2),
        erasure('returning'),
        ...noise(5),
        memberEvent('leaving', 1),
      ])
      await readAll(names)
      expect(await standing()).toMatchObject({ returning: 'erased 2', leaving: 'active 1' })
      await makeAnew(names)
      await produce(names.topic, [erasure('leaving'), memberEvent('returning', 3)])
      await readAll(names)
      expect(await standing()).toMatchObject({ returning: 'active 3', leaving: 'erased 1' })
    },
  )

  test(
    'while the consumer runs is read from its beginning, also where it has more events than the old one',
    { timeout: patience(120) },
    async () => {
      const names = await makeTopics(1)
      await produce(names.topic, [...noise(3), memberEvent('leaving', 1)])
      const consumer = await startConsumer(database.url, names, { lookEveryMs: 200 })
      await untilRead(names)
      await makeAnew(names)
      await produce(names.topic, [erasure('leaving'), memberEvent('early', 1), ...noise(20), memberEvent('late', 1)])
      await vi.waitFor(
        async () =>
          expect(await standing()).toMatchObject({ leaving: 'erased 1', early: 'active 1', late: 'active 1' }),
        PATIENTLY,
      )
      await untilRead(names)
      expect(await consumer.end('SIGTERM')).toBe(0)
    },
  )

  test('after a while in which there was none is read too', { timeout: patience(120) }, async () => {
    const names = await makeTopics(1)
    await produce(names.topic, [memberEvent('leaving', 1)])
    const consumer = await startConsumer(database.url, names, { lookEveryMs: 200 })
    await untilRead(names)
    await admin.deleteTopics({ topics: [names.topic] })
    await vi.waitFor(() => expect(consumer.output.join()).toContain('member events cannot be read yet'), PATIENTLY)
    await vi.waitFor(() => admin.createTopics({ topics: [{ topic: names.topic, numPartitions: 1 }] }), PATIENTLY)
    await produce(names.topic, [erasure('leaving')])
    await vi.waitFor(async () => expect(await standing()).toEqual({ leaving: 'erased 1' }), PATIENTLY)
    expect(await consumer.end('SIGTERM')).toBe(0)
  })

  test.each([
    { place: 'before its last events', offset: '4' },
    { place: 'at its end, and nothing more comes', offset: '6' },
  ])(
    'is read from its beginning although the group has committed a place $place',
    { timeout: patience(120) },
    async ({ offset }) => {
      const names = await makeTopics(1)
      await produce(names.topic, noise(3))
      await readAll(names)
      await makeAnew(names)
      await produce(names.topic, [memberEvent('early', 1), ...noise(5)])
      // As a consumer that has not noticed yet leaves it behind.
      await admin.setOffsets({ groupId: names.groupId, topic: names.topic, partitions: [{ partition: 0, offset }] })
      const consumer = await startConsumer(database.url, names)
      await vi.waitFor(async () => expect(await standing()).toMatchObject({ early: 'active 1' }), PATIENTLY)
      await consumer.end('SIGTERM')
    },
  )
})

describe('the same log', () => {
  test('read again from its beginning leaves what one pass over it gives', { timeout: patience(120) }, async () => {
    const names = await makeTopics(1)
    await produce(names.topic, [
      memberEvent('m1', 1),
      erasure('m1'),
      memberEvent('m1', 2),
      memberEvent('m2', 4),
      erasure('m2'),
      memberEvent('m2', 3),
    ])
    await readAll(names)
    const before = await sql`select * from members order by member_id`
    expect(await standing()).toEqual({ m1: 'active 2', m2: 'erased 4' })
    await admin.resetOffsets({ groupId: names.groupId, topic: names.topic, earliest: true })
    await readAll(names)
    expect(await sql`select * from members order by member_id`).toEqual(before)
    expect(await sql`select distinct epoch from member_epochs`).toEqual([{ epoch: 1 }])
  })

  test(
    'with partitions added, read again in any order, erases nobody who registered in a new one',
    { timeout: patience(180) },
    async () => {
      const names = await makeTopics(1)
      const member = await memberOfNewPartition()
      await produce(names.topic, [memberEvent(member, 1), erasure(member)])
      const consumer = await startConsumer(database.url, names, { lookEveryMs: 200 })
      await untilRead(names)
      await admin.createPartitions({ topicPartitions: [{ topic: names.topic, count: 2 }] })
      await produce(names.topic, [memberEvent(member, 2)])
      await vi.waitFor(async () => expect(await standing()).toEqual({ [member]: 'active 2' }), PATIENTLY)
      await consumer.end('SIGTERM')
      for (const first of [0, 1]) {
        // One partition after the other: the rest is already read.
        for (const partition of [first, 1 - first]) {
          await admin.setOffsets({
            groupId: names.groupId,
            topic: names.topic,
            partitions: [{ partition, offset: '0' }],
          })
          await readAll(names)
        }
        expect(await standing()).toEqual({ [member]: 'active 2' })
      }
    },
  )

  /** A member whose events go to the second of two partitions. */
  const memberOfNewPartition = async () => {
    const names = await makeTopics(2)
    const ids = Array.from({ length: 20 }, (_, index) => `moved${index}`)
    for (const id of ids) {
      await produce(names.topic, [erasure(id)])
      const [, second] = (await admin.fetchTopicOffsets(names.topic)).toSorted((a, b) => a.partition - b.partition)
      if (second!.high !== '0') return id
    }
    throw new Error('all went to the first partition')
  }
})

describe('another log that holds the same events again', () => {
  const erased = (memberId: string, offset: number): MemberChange => ({
    memberId,
    offset: String(offset),
    version: null,
    status: 'erased',
  })
  const state = (memberId: string, version: number, offset: number): MemberChange => ({
    ...BLANK,
    memberId,
    version,
    offset: String(offset),
  })
  const apply = (epoch: number, changes: readonly MemberChange[]) => applyMemberChanges(sql, 0, changes, () => epoch)
  const row = async () => (await standing())['m1']

  test('brings back whom it registers after the tombstone, as one pass over it does', async () => {
    const events = (shift: number) => [state('m1', 1, shift), erased('m1', shift + 1), state('m1', 2, shift + 2)]
    await apply(1, events(10))
    await apply(2, events(0))
    expect(await row()).toBe('active 2')
    expect(await apply(2, events(0))).toBe(0)
  })
  test('leaves who is erased in it erased, with the last version that is known', async () => {
    await apply(1, [state('m1', 8, 3)])
    await apply(2, [erased('m1', 0), state('m1', 8, 1), state('m1', 3, 2)])
    expect(await row()).toBe('erased 8')
    await apply(2, [state('m1', 9, 3)])
    expect(await row()).toBe('active 9')
  })
  test('is not undone by what comes late of the earlier one', async () => {
    await apply(2, [state('m1', 3, 0)])
    expect(await apply(1, [erased('m1', 100), state('m1', 9, 101)])).toBe(0)
    expect(await row()).toBe('active 3')
  })
})

const BLANK = {
  status: 'active',
  email: 'hanako@example.jp',
  phone: null,
  phoneCountry: null,
  mobileCarrier: null,
  birthDate: null,
  familyCard: false,
  country: 'JP',
  language: 'ja',
  notificationPreference: 'email',
  eventTime: '2026-11-01T00:00:00Z',
} as const
