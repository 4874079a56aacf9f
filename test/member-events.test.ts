/**
 * M1–M3: whatever comes, twice, late, broken or in the middle of a crash, the members table equals one pass over the
 * newest valid versions (I9), every bad event is in the dead-letter topic with its reason, and lag reaches zero.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect } from '../postgres/connect.ts'
import type { Sql } from '../postgres/connect.ts'
import { applyMemberChanges } from '../postgres/members.ts'
import type { MemberChange } from '../postgres/members.ts'
import { asAdministrator, createDatabase } from './support/database.ts'
import type { TestDatabase } from './support/database.ts'
import { createTopic, lagOf, produce, readTopic } from './support/kafka.ts'
import {
  makeTopics,
  memberEvent,
  PATIENTLY,
  startConsumer as start,
  untilRead,
  type MemberTopics,
} from './support/member-consumer.ts'
import { foldStream, labelOf, makeStream, seeded } from './support/member-stream.ts'
import { patience } from './support/speed.ts'

let database: TestDatabase
let sql: Sql
beforeAll(async () => {
  database = await createDatabase()
  sql = connect(database.url, { name: 'test' })
})
beforeEach(async () => {
  await sql`truncate members, member_epochs`
})
afterAll(async () => {
  await sql.end()
  await database.drop()
})

const rowsByMember = async () => {
  const rows = await sql`
    select *, birth_date::text, to_json(event_time at time zone 'UTC')#>>'{}' || 'Z' as event_time,
      to_json(phone_since at time zone 'UTC')#>>'{}' || 'Z' as phone_since,
      to_json(notification_preference_since at time zone 'UTC')#>>'{}' || 'Z' as notification_preference_since
    from members`
  return new Map(rows.map((row) => [row['member_id'] as string, withMilliseconds(row)]))
}
/** Postgres leaves out zeros at the end of a fraction, JavaScript does not. */
const withMilliseconds = (row: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      /_(time|since)$/.test(name) && typeof value === 'string' ? new Date(value).toISOString() : value,
    ]),
  )

const startConsumer = (names: MemberTopics) => start(database.url, names)

describe('10,000 events of every kind, the consumer killed three times in the middle', () => {
  test('leave what one pass over the newest valid versions gives', { timeout: patience(180) }, async () => {
    const names = await makeTopics(6)
    const stream = makeStream(10_000, 400, seeded(20_261_123))
    const lagsAtKill: number[] = []
    for (const [from, to] of [
      [0, 3_000],
      [3_000, 6_000],
      [6_000, 10_000],
    ] as const) {
      await produce(names.topic, stream.slice(from, to))
      const before = await progress()
      const consumer = await startConsumer(names)
      await vi.waitFor(async () => expect(await progress()).not.toEqual(before), { ...PATIENTLY, interval: 1 })
      await consumer.end('SIGKILL')
      lagsAtKill.push(await lagOf(names.groupId, names.topic))
    }
    expect(Math.min(...lagsAtKill), 'each kill came in the middle').toBeGreaterThan(0)

    const consumer = await startConsumer(names)
    await untilRead(names)
    expect(await consumer.end('SIGTERM')).toBe(0)

    const records = await readTopic(names.topic)
    expect(records).toHaveLength(10_000)
    expect(await rowsByMember()).toEqual(foldStream(records))

    const letters = await readTopic(names.deadLetterTopic)
    const place = (partition: unknown, offset: unknown) => `${String(partition)}/${String(offset)}`
    const bad = records.filter((record) => !/^(good:|erased$)/.test(labelOf(record)))
    // A letter may stand twice where a kill came before the commit, and never differs then.
    const found = new Map(
      letters.map(({ key, value, headers }) => [
        place(headers!['original-partition'], headers!['original-offset']),
        {
          key: String(key),
          value: String(value),
          reason: String(headers!['reason']),
          topic: String(headers!['original-topic']),
        },
      ]),
    )
    expect(found.size).toBe(bad.length)
    for (const { key, value, partition, offset, ...record } of bad) {
      expect(found.get(place(partition, offset))).toEqual({
        key: String(key),
        value: String(value),
        reason: labelOf({ ...record, key, value, partition, offset }),
        topic: names.topic,
      })
    }
    expect(new Set(bad.map(labelOf))).toEqual(
      new Set(['not_json', 'wrong_shape', 'impossible_date', 'unknown_type', 'wrong_key']),
    )
    const output = consumer.output.join('\n')
    expect(output).not.toMatch(/example\.jp|1234|1000000\d\d/)
  })

  const progress = async () => {
    const [row] =
      await sql`select count(*) as members, sum(version) as versions, sum(kafka_offset) as offsets from members`
    return row
  }
})

describe('trouble on the way', () => {
  test('an event that Postgres refuses goes to the dead letters alone', async () => {
    await sql`alter table members add constraint no_klingon check (language <> 'tlh')`
    const names = await makeTopics(1)
    await produce(
      names.topic,
      Array.from({ length: 50 }, (_, index) =>
        memberEvent(`m${index}`, 1, index % 20 === 13 ? { language: 'tlh' } : {}),
      ),
    )
    const consumer = await startConsumer(names)
    await untilRead(names)
    await consumer.end('SIGTERM')
    await sql`alter table members drop constraint no_klingon`
    expect((await rowsByMember()).size).toBe(48)
    const letters = await readTopic(names.deadLetterTopic)
    expect(letters.map(({ key, headers }) => [String(key), String(headers!['reason'])])).toEqual([
      ['m13', 'rejected_by_database'],
      ['m33', 'rejected_by_database'],
    ])
  })

  /** No connection to the database for as long as `work` runs, as if it were down. */
  const whilePostgresIsAway = (work: () => Promise<void>) =>
    asAdministrator(async (administrator) => {
      const name = new URL(database.url).pathname.slice(1)
      await administrator`alter database ${administrator(name)} with allow_connections false`
      try {
        await administrator`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`
        await work()
      } finally {
        await administrator`alter database ${administrator(name)} with allow_connections true`
      }
    })

  test('while Postgres is away nothing is skipped, and what came meanwhile is there once it is back', async () => {
    const names = await makeTopics(2)
    const consumer = await startConsumer(names)
    await whilePostgresIsAway(async () => {
      await produce(
        names.topic,
        Array.from({ length: 500 }, (_, index) => memberEvent(`m${index}`, 1)),
      )
      await vi.waitFor(() => expect(consumer.output.join('')).toContain('wait for Postgres'), PATIENTLY)
      expect(await lagOf(names.groupId, names.topic)).toBe(500)
    })
    await untilRead(names)
    expect(await consumer.end('SIGTERM')).toBe(0)
    expect((await rowsByMember()).size).toBe(500)
    expect(await readTopic(names.deadLetterTopic)).toEqual([])
  })

  test('a stop while Postgres is away takes less than 5 s and loses nothing', async () => {
    const names = await makeTopics(1)
    const first = await startConsumer(names)
    await whilePostgresIsAway(async () => {
      await produce(names.topic, [memberEvent('m1', 1)])
      await vi.waitFor(() => expect(first.output.join('')).toContain('wait for Postgres'), PATIENTLY)
      const began = performance.now()
      expect(await first.end('SIGTERM')).toBe(0)
      expect(performance.now() - began).toBeLessThan(patience(5))
    })
    const second = await startConsumer(names)
    await untilRead(names)
    await second.end('SIGTERM')
    expect((await rowsByMember()).get('m1')).toMatchObject({ version: 1 })
  })

  test('a value too large even for the dead-letter topic is left out, and its place is still told', async () => {
    const names = {
      ...(await makeTopics(1)),
      deadLetterTopic: await createTopic('small.dlq', 1, { 'max.message.bytes': '2000' }),
    }
    await produce(names.topic, [{ key: 'm1', value: 'x'.repeat(500_000) }, memberEvent('m2', 1)])
    const consumer = await startConsumer(names)
    await untilRead(names)
    await consumer.end('SIGTERM')
    const [letter] = await readTopic(names.deadLetterTopic)
    expect(letter).toMatchObject({ key: Buffer.from('m1'), value: Buffer.alloc(0) })
    expect(Object.entries(letter!.headers!).map(([name, value]) => [name, String(value)])).toEqual(
      expect.arrayContaining([
        ['reason', 'not_json'],
        ['original-offset', '0'],
        ['omitted-value-bytes', '500000'],
      ]),
    )
    expect((await rowsByMember()).has('m2')).toBe(true)
  })

  test.for(['member.withdrawn', null])('%s closes the open challenge of the member', async (type) => {
    const challengeId = crypto.randomUUID()
    await applyMemberChanges(sql, 0, [state('m1', 1, '0')])
    await sql`
      insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, admitted_at, send_began_at, expires_at, channel, destination)
      values (${challengeId}, 'm1', ${type ? 1 : 2}, 'view_membership', 'test', ${challengeId}, now(), now(), now() + interval '10 minutes', 'email', 'hanako@example.jp')`
    const gone = type ? { ...state('m1', 2, '1'), status: 'withdrawn' as const } : tombstone('m1', '1')
    await applyMemberChanges(sql, 0, [gone])
    const [challenge] =
      await sql`select outcome, reason, destination from challenges where challenge_id = ${challengeId}`
    expect(challenge).toEqual({
      outcome: 'cancelled',
      reason: 'member_withdrawn',
      destination: type ? 'hanako@example.jp' : null,
    })
    expect(await sql`select type from outbox where data->>'challengeId' = ${challengeId}`).toHaveLength(1)
  })
})

const tombstone = (memberId: string, offset: string): MemberChange => ({
  memberId,
  offset,
  version: null,
  status: 'erased',
})
const state = (memberId: string, version: number, offset: string, preference: 'sms' | 'email' = 'email') => ({
  memberId,
  offset,
  version,
  status: 'active' as const,
  email: `v${version}@example.jp`,
  phone: null,
  phoneCountry: null,
  mobileCarrier: null,
  birthDate: null,
  familyCard: false,
  country: 'JP',
  language: 'ja',
  notificationPreference: preference,
  eventTime: new Date(Date.UTC(2026, 0, 1) + Number(offset) * 1_000).toISOString(),
})

describe('a batch', () => {
  const step = fc.record({
    member: fc.constantFrom('1', '2', '3'),
    version: fc.option(fc.integer({ min: 1, max: 6 }), { freq: 4 }),
    preference: fc.constantFrom('sms' as const, 'email' as const),
  })
  // Batches start at any offset, so that some are redelivered and some never came.
  const batch = fc.record({
    partition: fc.constantFrom(0, 0, 0, 1),
    first: fc.integer({ min: 0, max: 20 }),
    steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  })
  interface Batch {
    readonly first: number
    readonly steps: readonly { member: string; version: number | null; preference: 'sms' | 'email' }[]
  }
  const toChanges = (prefix: string, { first, steps }: Batch) =>
    steps.map(({ member, version, preference }, index) => {
      const offset = String(first + index)
      return version === null ? tombstone(prefix + member, offset) : state(prefix + member, version, offset, preference)
    })
  const rowsOf = async (prefix: string) =>
    [...(await rowsByMember()).values()]
      .filter((row) => String(row['member_id']).startsWith(prefix))
      .map((row) => ({ ...row, member_id: String(row['member_id']).slice(prefix.length) }))
      .toSorted((a, b) => a.member_id.localeCompare(b.member_id))

  test('leaves what its events would one by one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 4 }), async (batches) => {
        await sql`truncate members`
        for (const one of batches) {
          await applyMemberChanges(sql, one.partition, toChanges('whole-', one))
          for (const change of toChanges('single-', one)) await applyMemberChanges(sql, one.partition, [change])
        }
        expect(await rowsOf('whole-')).toEqual(await rowsOf('single-'))
      }),
      { numRuns: 150 },
    )
  })

  test('that comes again from any point on changes nothing', async () => {
    const stream = fc.record({
      partition: fc.constant(0),
      first: fc.constant(0),
      steps: fc.array(step, { minLength: 1, maxLength: 20 }),
    })
    await fc.assert(
      fc.asyncProperty(stream, fc.nat({ max: 20 }), async (one, from) => {
        await sql`truncate members`
        const changes = toChanges('m', one)
        await applyMemberChanges(sql, 0, changes)
        const before = await rowsByMember()
        expect(await applyMemberChanges(sql, 0, changes.slice(from % changes.length))).toBe(0)
        expect(await rowsByMember()).toEqual(before)
      }),
      { numRuns: 150 },
    )
  })

  test('of nothing but older versions brings no erased member back', async () => {
    await applyMemberChanges(sql, 0, [state('m1', 5, '10'), tombstone('m1', '11')])
    await applyMemberChanges(sql, 0, [state('m1', 5, '12'), state('m1', 4, '13')])
    await applyMemberChanges(sql, 0, [state('m1', 9, '9')])
    expect((await rowsByMember()).get('m1')).toMatchObject({
      status: 'erased',
      version: 5,
      email: null,
      kafka_offset: 11,
    })
    await applyMemberChanges(sql, 0, [state('m1', 6, '14')])
    expect((await rowsByMember()).get('m1')).toMatchObject({ status: 'active', version: 6, email: 'v6@example.jp' })
    await applyMemberChanges(sql, 0, [tombstone('m1', '11')])
    expect((await rowsByMember()).get('m1')).toMatchObject({ status: 'active', version: 6 })
  })

  test('that erases a member nobody knew keeps the place, so that an older event does not make one', async () => {
    await applyMemberChanges(sql, 3, [tombstone('m1', '7')])
    await applyMemberChanges(sql, 3, [state('m1', 1, '6')])
    expect((await rowsByMember()).get('m1')).toMatchObject({
      status: 'erased',
      version: 0,
      kafka_partition: 3,
      kafka_offset: 7,
    })
    await applyMemberChanges(sql, 3, [state('m1', 1, '8')])
    expect((await rowsByMember()).get('m1')).toMatchObject({ status: 'active', version: 1 })
  })

  test('keeps every character of a text', async () => {
    const odd = `\t\n\u007f"\\{}',;null\u2028あ😀\\"\\\\`
    await applyMemberChanges(sql, 0, [
      { ...state('m1', 1, '1'), email: odd },
      { ...state('m2', 1, '2'), email: 'null' },
      { ...state('m3', 1, '3'), email: '' },
    ])
    expect([...(await rowsByMember()).values()].map((row) => row['email'])).toEqual([odd, 'null', ''])
  })

  test('of a source whose clock is ahead does not outrank a later choice of the member', async () => {
    await applyMemberChanges(sql, 0, [{ ...state('m1', 1, '1'), eventTime: '9999-12-31T23:59:59Z' }])
    const [row] =
      await sql`select notification_preference_since <= now() as preference, phone_since <= now() as phone from members`
    expect(row).toEqual({ preference: true, phone: true })
  })
})
