/**
 * U4: what is in the outbox goes to Kafka at least once, in order per member, and is never lost, whoever dies.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { connect } from '../postgres/connect.ts'
import type { Sql } from '../postgres/connect.ts'
import { askReplay, outboxBacklog, readReplay, takeOutbox, type ReplayRequest } from '../postgres/outbox.ts'
import { forgetABatch } from './support/forget.ts'
import { asAdministrator, createDatabase } from './support/database.ts'
import type { TestDatabase } from './support/database.ts'
import { createTopic, readTopic, startProcess } from './support/kafka.ts'
import type { TestProcess } from './support/kafka.ts'
import { patience } from './support/speed.ts'
import { kafkaBrokers } from './support/stack.ts'

const RELAY = 'test/support/outbox-relay-process.ts'
const PATIENTLY = { timeout: patience(45), interval: 20 }
const MEMBERS = 50

let database: TestDatabase
let sql: Sql
let topic: string
let running: TestProcess[] = []
beforeAll(async () => {
  database = await createDatabase()
  sql = connect(database.url, { name: 'test' })
})
beforeEach(async () => {
  await sql`truncate outbox, outbox_sent, outbox_replays restart identity`
  topic = await createTopic('otp-events', 6)
})
afterEach(async () => {
  await Promise.all(running.map((relay) => relay.end('SIGKILL')))
  running = []
})
afterAll(async () => {
  await sql.end()
  await database.drop()
})

const startRelay = async () => {
  const relay = await startProcess(RELAY, { url: database.url, brokers: kafkaBrokers(), topic })
  running.push(relay)
  return relay
}
/** Writes `count` events, numbered from `first`, for the members in turn. */
const write = async (first: number, count: number) => {
  await sql`
    insert into outbox (type, subject, data, occurred_at)
    select 'otp.challenge.verified', 'm' || n % ${MEMBERS}, jsonb_build_object('number', n), now()
    from generate_series(${first}::int, ${first + count - 1}::int) as n order by n`
  await sql`select pg_notify('outbox', '')`
}
const left = async () => {
  const [row] = await sql<{ count: number }[]>`select count(*) from outbox`
  return row!.count
}
const untilSent = () => vi.waitFor(async () => expect(await left()).toBe(0), PATIENTLY)

interface Published {
  readonly id: string
  readonly subject: string
  readonly data: { readonly number: number }
}
const published = async () => (await readTopic(topic)).map(({ value }) => JSON.parse(String(value)) as Published)

/** Of each event its first appearance, by member, in the order of the topic. */
const firstAppearances = (events: readonly Published[]) => {
  const seen = new Set<string>()
  const fresh = events.filter(({ id }) => !seen.has(id) && seen.add(id))
  return new Map(
    [...Map.groupBy(fresh, ({ subject }) => subject)].map(([subject, own]) => [
      subject,
      own.map(({ data }) => data.number),
    ]),
  )
}
const inOrder = (count: number) =>
  new Map(
    Array.from({ length: MEMBERS }, (_, member) => [
      `m${member}`,
      Array.from({ length: count }, (__, index) => index).filter((number) => number % MEMBERS === member),
    ]),
  )

test('an event is CloudEvents JSON, keyed by its member', async () => {
  await startRelay()
  await write(7, 1)
  const [row] = await vi.waitFor(async () => {
    const records = await readTopic(topic)
    expect(records).toHaveLength(1)
    return records
  }, PATIENTLY)
  expect(String(row!.key)).toBe('m7')
  expect(String(row!.headers!['content-type'])).toBe('application/cloudevents+json')
  expect(JSON.parse(String(row!.value))).toEqual({
    specversion: '1.0',
    id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    source: '/otp',
    type: 'otp.challenge.verified',
    subject: 'm7',
    time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/) as string,
    datacontenttype: 'application/json',
    data: { number: 7 },
  })
})

test('the relay killed three times in the middle loses nothing and keeps the order of each member', async () => {
  const count = 15_000
  await write(0, count)
  for (let kill = 1; kill <= 3; kill++) {
    const before = await left()
    const relay = await startRelay()
    await vi.waitFor(async () => expect(await left()).toBeLessThan(before), { ...PATIENTLY, interval: 1 })
    await relay.end('SIGKILL')
    expect(await left(), 'the kill came in the middle').toBeGreaterThan(0)
  }
  await startRelay()
  await untilSent()
  expect(firstAppearances(await published())).toEqual(inOrder(count))
})

test('what waits is told of in time however much it is: counted up to a bound, as old as what goes out next', async () => {
  expect(await outboxBacklog(sql)).toEqual({ rows: 0, oldestSeconds: 0 })
  const wait = (age: string) => sql`
    insert into outbox (type, subject, data, occurred_at) values ('x', 'm', '{}', now() - ${age}::interval)`
  await wait('5 minutes')
  await wait('1 hour')
  const { rows, oldestSeconds } = await outboxBacklog(sql)
  expect([rows, Math.round(oldestSeconds / 60)]).toEqual([2, 5])
  await write(0, 100_000)
  expect(await outboxBacklog(sql)).toMatchObject({ rows: 100_000 })
})

test('a second relay stands by, and takes over when the first is killed', async () => {
  const first = await startRelay()
  const second = await startRelay()
  await write(0, 2_000)
  await untilSent()
  const [lock] = await sql`
    select count(*) from pg_locks join pg_database d on d.oid = database
    where locktype = 'advisory' and granted and datname = current_database()`
  expect(lock).toEqual({ count: 1 })
  await first.end('SIGKILL')
  await write(2_000, 1_000)
  await untilSent()
  expect(await second.end('SIGTERM')).toBe(0)
  const events = await published()
  expect(events).toHaveLength(3_000)
  expect(firstAppearances(events)).toEqual(inOrder(3_000))
})

test('the relay outlives Postgres going away, and sends what was written meanwhile', async () => {
  const relay = await startRelay()
  await write(0, 100)
  await untilSent()
  await asAdministrator(async (administrator) => {
    const name = new URL(database.url).pathname.slice(1)
    await administrator`alter database ${administrator(name)} with allow_connections false`
    await administrator`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name} and application_name = 'test'`
    await vi.waitFor(() => expect(relay.output.join('')).toContain('the outbox waits'), PATIENTLY)
    await administrator`alter database ${administrator(name)} with allow_connections true`
  })
  await write(100, 100)
  await untilSent()
  expect(await relay.end('SIGTERM')).toBe(0)
  expect(firstAppearances(await published())).toEqual(inOrder(200))
})

test('a rolled back change is never told, and one that commits late is told all the same', async () => {
  await startRelay()
  const late = await sql.reserve()
  await late`begin`
  await late`insert into outbox (type, subject, data, occurred_at) values ('late', 'm1', '{"number": 1}', now())`
  await sql
    .begin(async (transaction) => {
      await transaction`insert into outbox (type, subject, data, occurred_at) values ('never', 'm2', '{"number": 2}', now())`
      throw new Error('rolled back')
    })
    .catch(() => {})
  await write(3, 1)
  await vi.waitFor(async () => expect(await published()).toHaveLength(1), PATIENTLY)
  await late`commit`
  late.release()
  await untilSent()
  expect((await published()).map(({ data }) => data.number).toSorted((a, b) => a - b)).toEqual([1, 3])
})

describe('a replay', () => {
  const ask = (request: Partial<ReplayRequest> = {}) =>
    askReplay(sql, { replayId: randomUUID(), from: '2026-01-01T00:00:00Z', askedBy: 'tester', ...request })
  const untilDone = (replayId: string) =>
    vi.waitFor(async () => {
      const replay = await readReplay(sql, replayId)
      expect(replay?.doneAt).not.toBeNull()
      return replay!
    }, PATIENTLY)
  /** How often each event went out, by its number. */
  const timesSent = async () => {
    const times = new Map<number, number>()
    for (const { data } of await published()) times.set(data.number, (times.get(data.number) ?? 0) + 1)
    return times
  }

  it('sends again what occurred in the time and of the member, under the same ids, and nothing else', async () => {
    await startRelay()
    await write(0, 200)
    await untilSent()
    await sql`update outbox_sent set occurred_at = '2026-03-01' where id <= 100`
    const replay = await ask({ to: '2026-04-01T00:00:00Z', memberId: 'm7' })
    expect(await untilDone(replay!.replayId)).toMatchObject({ memberId: 'm7', events: 2 })
    await untilSent()
    const times = await timesSent()
    expect([...times].filter(([, count]) => count > 1).map(([number]) => number)).toEqual([7, 57])
    expect(times.size).toBe(200)
    const events = await published()
    expect(new Set(events.map(({ id }) => id)).size).toBe(200)
    expect(events).toHaveLength(202)
  })

  it('of everything, while members go on, tells each story in its order from the first event on', async () => {
    await startRelay()
    await write(0, 3_000)
    await untilSent()
    const before = (await published()).length
    await write(3_000, 1_000)
    const [replay] = await Promise.all([ask(), write(4_000, 1_000)])
    await untilDone(replay!.replayId)
    await write(5_000, 1_000)
    await untilSent()
    // Whoever lost everything, and reads what came since: the same as who has it all.
    const since = Map.groupBy(await published(), ({ subject }) => subject)
    expect((await published()).length).toBeGreaterThanOrEqual(before + 6_000)
    for (const [subject, whole] of inOrder(6_000)) {
      const numbers = since.get(subject)!.map(({ data }) => data.number)
      expect(numbers.slice(numbers.lastIndexOf(whole[0]!)), subject).toEqual(whole)
    }
    expect(firstAppearances(await published())).toEqual(inOrder(6_000))
  })

  it('survives the death of the relay in the middle, and is asked for once under one id', async () => {
    const replayId = randomUUID()
    const relay = await startRelay()
    await write(0, 5_000)
    await untilSent()
    await ask({ replayId })
    await vi.waitFor(async () => expect(await left()).toBeGreaterThan(0), { ...PATIENTLY, interval: 1 })
    await relay.end('SIGKILL')
    expect(await ask({ replayId })).toMatchObject({ events: 5_000 })
    await startRelay()
    await untilSent()
    const times = await timesSent()
    expect(Math.min(...times.values())).toBe(2)
    expect(await sql`select from outbox_replays`).toHaveLength(1)
  })

  it('takes longer than a statement may: it is carried out all the same', async () => {
    await write(0, 60_000)
    await sql`with gone as (delete from outbox returning *)
      insert into outbox_sent (id, event_id, type, subject, data, occurred_at)
      select id, event_id, type, subject, data, occurred_at from gone`
    const impatient = connect(database.url, { poolSize: 1, name: 'test', statementTimeoutMs: 150 })
    try {
      const { replayId } = (await ask())!
      expect(await takeOutbox(impatient, 10)).toHaveLength(10)
      expect(await readReplay(sql, replayId)).toMatchObject({ events: 60_000 })
      expect(await impatient`show statement_timeout`).toEqual([{ statement_timeout: '150ms' }])
    } finally {
      await impatient.end()
    }
  })

  it('is refused under an id that was used for another one', async () => {
    const replayId = randomUUID()
    expect(await ask({ replayId })).toMatchObject({ doneAt: null })
    expect(await ask({ replayId, memberId: 'm1' })).toBeUndefined()
    expect(await ask({ replayId, askedBy: 'another' })).toBeUndefined()
  })
})

test('what was sent is kept for the configured days, and not a day longer', async () => {
  await startRelay()
  await write(0, 30)
  await untilSent()
  await sql`update outbox_sent set occurred_at = now() - interval '7 days' + interval '1 minute' * (id - 10) + interval '30 seconds'`
  expect(await forgetABatch(sql, { outboxDays: 7 }, 4)).toBe(true)
  expect(await forgetABatch(sql, { outboxDays: 7 }, 100)).toBe(false)
  const [kept] = await sql`select min(id), count(*)::int from outbox_sent`
  expect(kept).toEqual({ min: 10, count: 21 })
})

test('a stop ends the relay in less than 5 s', async () => {
  const relay = await startRelay()
  await write(0, 5_000)
  const began = performance.now()
  expect(await relay.end('SIGTERM')).toBe(0)
  expect(performance.now() - began).toBeLessThan(patience(5))
})
