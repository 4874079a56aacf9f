/**
 * D8, D6: the configured number a second holds for all workers together; what one worker learns of a provider (a 429 with
 * its Retry-After, that it is dead, that it is back) holds for all; and nobody new waits behind those who wait already.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startChallenge, type Start, type StartRequest } from '../client/start-challenge.ts'
import type { Fault } from '../local/simulators/faults.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { begin, endedOnceAs, endingOf } from './support/endings.ts'
import { mostInASecond } from './support/most-in-a-second.ts'
import { lengthened, patience } from './support/speed.ts'
import { startSystem, type System } from './support/system.ts'

const WORKER = 'workers/challenge-worker.ts'
const RULES = { failuresBeforePause: 3, probeMs: 1_000, pauseMostMs: 30_000 }

describe('slots', () => {
  let database: TestDatabase
  let sql: Sql
  const stopClockAt = (seconds: number) =>
    sql.unsafe(`create or replace function challenge_now() returns timestamptz language sql volatile
      as $$ select timestamptz '2026-11-25T00:00:00Z' + interval '${seconds} seconds' $$`)
  beforeAll(async () => {
    database = await createDatabase()
    sql = connect(database.url, { poolSize: 10, name: 'test' })
    await stopClockAt(0)
  })
  afterEach(async () => {
    await sql`delete from provider_pace`
    await stopClockAt(0)
  })
  afterAll(async () => {
    await sql?.end()
    await database?.drop()
  })

  /** When to come again; null to go ahead, as the probe where the provider is paused. */
  const take = async ({
    perSecond = 20,
    withinMs = 60_000,
    failuresBeforePause = 3,
    holder = null as string | null,
  } = {}) => {
    const sms = { provider: 'vonage', perSecond }
    const pace = { ...RULES, sms, email: sms, withinMs, holdsSlot: false, failuresBeforePause }
    const [row] = await sql<[{ turn: { why: string; inMs: number; isReserved: boolean } | { isProbe: true } | null }]>`
      select take_slot('sms', ${sql.json(pace)}, ${holder}) as turn`
    return row.turn !== null && 'why' in row.turn ? row.turn : null
  }
  const fail = async (kind: 'limited' | 'temporary' | 'permanent', { pauseMs = 0, tookMs = 0 } = {}) => {
    const [row] = await sql<[{ stopped: boolean }]>`
      select note_send_error('vonage', ${kind}, ${pauseMs}, ${tookMs},
        ${sql.json(RULES)}) as stopped`
    return row.stopped
  }

  it.each([1, 2, 7, 20, 30, 100, 1_000])('no second has more than %i, and few are given away', async (perSecond) => {
    const count = Math.min(perSecond * 3, 500)
    const waits = await Promise.all(Array.from({ length: count }, () => take({ perSecond })))
    const moments = waits.map((wait) => wait?.inMs ?? 0)
    expect(waits.filter((wait) => wait?.isReserved === false)).toEqual([])
    expect(mostInASecond(moments)).toBeLessThanOrEqual(perSecond)
    expect(Math.max(...moments)).toBeLessThanOrEqual((count / perSecond) * 1_000 * 1.12)
  })

  it('a first try finds room where a repeated one does not, so that a newcomer passes a backlog', async () => {
    const backlog = await Promise.all(Array.from({ length: 200 }, () => take({ withinMs: 1_000 })))
    expect(backlog.filter((wait) => wait?.isReserved === false).length).toBeGreaterThan(150)
    const [repeated, first] = [await take({ withinMs: 1_000 }), await take({ withinMs: 2_000 })]
    expect(repeated).toMatchObject({ why: 'busy', isReserved: false })
    expect(first).toMatchObject({ why: 'busy', isReserved: true })
    expect(first!.inMs).toBeLessThan(1_200)
  })

  const spare = async (perSecond: number) => {
    const [row] = await sql<[{ slots: number | null }]>`select spare_slots('vonage', ${perSecond}) as slots`
    return row.slots
  }
  const use = (perSecond: number, used: number) => sql`select use_slots('vonage', ${perSecond}, ${used})`

  it.each([1, 2, 7, 20, 30, 100, 1_000])(
    'of %i a second, others than codes have so many that a code waits for a gap or a burst',
    async (perSecond) => {
      const slots = (await spare(perSecond))!
      expect(slots).toBe(Math.max(Math.floor(perSecond / 10), 1))
      await use(perSecond, slots)
      expect(await spare(perSecond)).toBe(0)
      const code = await take({ perSecond })
      expect(code === null || (code.isReserved && code.inMs <= 1_000 / (perSecond * 0.9) + 1)).toBe(true)
    },
  )

  it('that codes have taken are not there for others', async () => {
    await Promise.all(Array.from({ length: 10 }, () => take()))
    expect(await spare(20)).toBe(0)
  })

  it('others have none while a 429 holds, and as many as they like where there is no rate', async () => {
    expect(await spare(0)).toBeNull()
    await use(0, 50)
    expect(await sql`select from provider_pace`).toHaveLength(0)
    await fail('limited', { pauseMs: 3_000 })
    expect(await spare(20)).toBe(0)
    expect(await spare(0)).toBe(0)
  })

  it('without a rate and without trouble cost no write', async () => {
    expect(await take({ perSecond: 0 })).toBeNull()
    await sql`select note_answer('vonage')`
    expect(await sql`select from provider_pace`).toHaveLength(0)
  })

  it('a 429 stops all until its end, and a shorter one does not shorten it', async () => {
    expect(await fail('limited', { pauseMs: 3_000 })).toBe(true)
    expect(await fail('limited', { pauseMs: 1_000 })).toBe(false)
    expect(await take()).toEqual({ why: 'limited', inMs: 3_000, isReserved: false })
    await sql`select note_answer('vonage')`
    expect(await take()).toMatchObject({ why: 'limited' })
  })

  it('a 429 that asks for an hour lets one ask again after 30 s, and its answer ends the pause for all', async () => {
    await fail('limited', { pauseMs: 3_600_000 })
    expect(await take()).toEqual({ why: 'limited', inMs: 30_000, isReserved: false })
    await stopClockAt(29)
    expect(await take()).toMatchObject({ why: 'limited', inMs: 1_000 })
    await stopClockAt(30)
    const turns = await Promise.all(Array.from({ length: 20 }, () => take()))
    expect(turns.filter((wait) => wait === null)).toHaveLength(1)
    // One that was on its way when the pause began says nothing of what is now.
    await sql`select note_answer('vonage', 30000)`
    expect(await take()).toMatchObject({ why: 'limited', inMs: 30_000 })
    await sql`select note_answer('vonage', 200)`
    expect(await take()).toBeNull()
  })

  it('a probe that is refused renews the pause, by what it was told', async () => {
    await fail('limited', { pauseMs: 3_600_000 })
    await stopClockAt(30)
    expect(await take()).toBeNull()
    await fail('limited', { pauseMs: 10_000, tookMs: 100 })
    expect(await take()).toMatchObject({ why: 'limited', inMs: 10_000 })
    await stopClockAt(40)
    expect(await take()).toBeNull()
  })

  it('whoever was admitted as the probe asks, and nobody else', async () => {
    const [admitted, other] = [randomUUID(), randomUUID()]
    await fail('limited', { pauseMs: 3_600_000 })
    await stopClockAt(30)
    const [row] = await sql<[{ isTaken: boolean }]>`
      select take_probe('vonage', ${admitted}, '0', ${sql.json(RULES)}) as "isTaken"`
    expect(row.isTaken).toBe(true)
    expect(await take({ holder: other })).toMatchObject({ why: 'limited', inMs: 30_000 })
    expect(await take({ holder: admitted })).toBeNull()
    expect(await take({ holder: admitted })).toMatchObject({ why: 'limited', inMs: 30_000 })
  })

  it('too many failures in a row stop all but one each second; the first answer ends it', async () => {
    expect([await fail('temporary'), await fail('temporary')]).toEqual([false, false])
    expect(await take()).toBeNull()
    expect([await fail('temporary'), await fail('temporary')]).toEqual([true, false])
    expect(await take()).toMatchObject({ why: 'dead', isReserved: false })
    await sql`update provider_pace set next_probe_at = challenge_now()`
    const [probes, others] = (await Promise.all(Array.from({ length: 20 }, () => take()))).reduce(
      ([gone, waiting], wait) => (wait ? [gone, waiting + 1] : [gone + 1, waiting]),
      [0, 0],
    )
    expect({ probes, others }).toEqual({ probes: 1, others: 19 })
    await sql`select note_answer('vonage')`
    expect(await take()).toBeNull()
  })

  it('a refusal for good is an answer', async () => {
    for (let count = 0; count < 3; count++) await fail('temporary')
    await fail('permanent')
    expect(await take()).toBeNull()
  })

  it('requests that began before a recovery tell nothing of what is now', async () => {
    await fail('temporary')
    await sql`select note_answer('vonage')`
    for (let count = 0; count < 5; count++) expect(await fail('temporary', { tookMs: 8_000 })).toBe(false)
    expect(await take()).toBeNull()
  })
})

/** A system of its own for each: what is learned of a provider concerns all. */
async function startWith(overrides: Record<string, string>, workers = 2): Promise<System> {
  const system = await startSystem(overrides)
  await Promise.all(Array.from({ length: workers }, () => system.process(WORKER)))
  return system
}

interface Started {
  readonly memberId: string
  readonly challengeId: string
  readonly at: number
}

async function startMany(
  system: Pick<System, 'sql' | 'temporal' | 'config' | 'addMember'>,
  count: number,
): Promise<Started[]> {
  const members = await Promise.all(Array.from({ length: count }, () => system.addMember({ email: null })))
  return Promise.all(
    members.map(async (memberId) => {
      const at = Date.now()
      return { memberId, challengeId: await begin(system, { memberId }), at }
    }),
  )
}

/** The times at which each was sent, once all are. */
async function sentTimes({ sql, until }: System, started: readonly Started[], withinMs = 30_000): Promise<number[]> {
  const ids = started.map(({ challengeId }) => challengeId)
  const rows = await until(async () => {
    const sent = await sql<{ challengeId: string; sentAt: Date }[]>`
      select challenge_id as "challengeId", sent_at as "sentAt" from challenges
      where challenge_id = any(${ids}::uuid[]) and sent_at is not null`
    return sent.length === ids.length ? sent : undefined
  }, withinMs)
  const times = new Map(rows.map(({ challengeId, sentAt }) => [challengeId, sentAt.getTime()]))
  return ids.map((id) => times.get(id)!)
}

const startOf = (system: System, memberId: string, more: Partial<StartRequest> = {}) =>
  startChallenge(
    { ...system, policy: system.config.policy },
    { memberId, purpose: 'redeem_benefit', caller: 'test', ...more },
  )

/** How many requests a fault of many `times` has met. */
async function requestsMet(system: System, times: number): Promise<number> {
  const answer = await fetch(`${system.simulators.url}/faults`)
  const { faults } = (await answer.json()) as { faults: Fault[] }
  return times - (faults[0]?.times ?? 0)
}

describe('a rate of 20 a second, two workers, 100 challenges at once', () => {
  let system: System
  beforeAll(async () => {
    system = await startWith({ OTP_SMS_PER_SECOND: '20' })
  })
  afterAll(() => system?.stop())

  it('all are sent, at that rate, and each still has its ten minutes from its own request', async () => {
    const began = Date.now()
    const started = await startMany(system, 100)
    await sentTimes(system, started)
    const arrivals = (await system.simulators.messages()).map(({ at }) => Date.parse(at))
    expect(arrivals).toHaveLength(100)
    // A slot is exact; a busy machine may be late for one, and on time for the next.
    expect(mostInASecond(arrivals)).toBeLessThanOrEqual(30)
    expect(Math.max(...arrivals) - began).toBeGreaterThan(4_500)
    const [late] = await system.sql`
      select count(*)::int as count from challenges where extract(epoch from sent_at - send_began_at) > ${patience(1) / 1_000}::float8`
    expect(late).toEqual({ count: 0 })
  })
})

describe('a 429 with Retry-After 3, told to one of two workers', () => {
  let system: System
  beforeAll(async () => {
    system = await startWith({})
  })
  afterAll(() => system?.stop())

  it('nobody calls the provider before it is over, and then all are sent', async () => {
    await system.simulators.faults({ provider: 'vonage', status: 429, retryAfterSeconds: 3, times: 1 })
    const first = await startMany(system, 1)
    const limitedUntil = await system.until(async () => {
      const [row] = await system.sql<[{ limitedUntil: Date }?]>`
        select limited_until as "limitedUntil" from provider_pace where provider = 'vonage'`
      return row?.limitedUntil
    })
    const refused = await Promise.all(
      Array.from({ length: 30 }, async () => startOf(system, await system.addMember({ email: null }))),
    )
    expect(refused).toEqual(
      refused.map(() => ({
        kind: 'refused',
        reason: 'delivery_unavailable',
        retryAfter: expect.any(Number) as number,
      })),
    )
    await sentTimes(system, first)
    await sentTimes(system, await startMany(system, 30))
    // Any request but the first would have been accepted.
    const arrivals = (await system.simulators.messages()).map(({ at }) => Date.parse(at))
    expect(arrivals).toHaveLength(31)
    expect(Math.min(...arrivals)).toBeGreaterThanOrEqual(limitedUntil.getTime())
  })

  it('the other provider is called meanwhile', async () => {
    await system.simulators.faults({ provider: 'vonage', status: 429, retryAfterSeconds: 30, times: 1 })
    await startMany(system, 1)
    await system.until(async () => (await requestsMet(system, 1)) === 1)
    const memberId = await system.addMember({ channel: 'email' })
    await begin(system, { memberId })
    expect(await system.until(async () => (await system.codes(memberId))[0], 5_000)).toMatch(/^\d{6}$/)
  })
})

describe('a worker killed', () => {
  let [waiting, refused]: System[] = []
  beforeAll(async () => {
    ;[waiting, refused] = await Promise.all([startSystem({ OTP_SMS_PER_SECOND: '1' }), startSystem()])
  })
  afterAll(() => Promise.all([waiting?.stop(), refused?.stop()]))

  it.concurrent('while it waits for its slot leaves a slot unused, and a challenge that loses no life', async () => {
    const system = waiting!
    const worker = await system.process(WORKER)
    const started = await startMany(system, 3)
    const { killedAt } = await system.until(async () => {
      const [row] = await system.sql<[{ killedAt: string }?]>`
        select challenge_now()::text as "killedAt" from provider_pace
        where next_slot_at > challenge_now() + interval '1.5 seconds'`
      return row
    })
    await worker.kill()
    await system.process(WORKER)
    await sentTimes(system, started)
    const lives = await system.sql`
      select extract(epoch from expires_at - send_began_at)::int as life,
        admitted_at < send_began_at - interval '10 seconds' as "waited", sent_at < send_began_at + interval '5 seconds' as soon
      from challenges where send_began_at > ${killedAt}::timestamptz + interval '5 seconds'`
    expect(lives.length).toBeGreaterThan(0)
    expect(lives).toEqual(lives.map(() => ({ life: 600, waited: true, soon: true })))
  })

  it.concurrent('before it could tell of a 429 leaves the others to meet it themselves', async () => {
    const system = refused!
    const worker = await system.process(WORKER)
    await system.sql`insert into provider_pace (provider) values ('vonage')`
    await system.simulators.faults({ status: 429, retryAfterSeconds: 300, times: 1 })
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holding = system.sql.begin(async (transaction) => {
      await transaction`select from provider_pace for update`
      locked.resolve()
      await release.promise
    })
    await locked.promise
    const started = await startMany(system, 1)
    const [{ pid }] = await system.until(async () => {
      const rows = await system.sql<[{ pid: number }]>`
        select pid from pg_stat_activity
        where wait_event_type = 'Lock' and query like '%note_send_error%' and datname = current_database()`
      return rows.length > 0 ? rows : undefined
    })
    await worker.kill()
    await system.sql`select pg_terminate_backend(${pid}::int)`
    release.resolve()
    await holding
    await system.process(WORKER)
    await sentTimes(system, started)
    expect(await system.sql`select from provider_pace where limited_until is not null`).toHaveLength(0)
  })
})

/**
 * A code lives 18 s, of which the member must have 8: for 10 s after its first request, or its start, it may be sent. All of
 * it is longer on a slower machine, which takes longer for what is to happen within it.
 */
describe('a provider dead for longer than a code may wait, then back', () => {
  const [MAY_WAIT, MIN_LIFE] = [Number(lengthened(10)), Number(lengthened(8))]
  const MAY_WAIT_MS = MAY_WAIT * 1_000
  const DEAD_TIMES = 100_000
  let system: System
  let early: Started[]
  let waiting: Started[]
  let newcomers: Started[]
  let requests: { whileDead: number; overMs: number }
  let refused: Start[]
  let probes: string[]
  beforeAll(async () => {
    system = await startWith({
      OTP_CODE_TTL_SECONDS: String(MAY_WAIT + MIN_LIFE),
      OTP_CODE_MIN_LIFE_SECONDS: String(MIN_LIFE),
      OTP_SMS_PER_SECOND: '20',
      OTP_SWEEP_INTERVAL_SECONDS: '3600',
    })
    // As a start that was admitted just before its provider was found dead.
    const unaware = {
      ...system,
      config: { ...system.config, policy: { ...system.config.policy, failuresBeforePause: 0 } },
    }
    await system.simulators.faults({ provider: 'vonage', status: 503, times: DEAD_TIMES })
    early = await startMany(unaware, 30)
    const isDead = async () => {
      const [row] = await system.sql<[{ failures: number }?]>`select failures from provider_pace`
      return row !== undefined && row.failures >= 10
    }
    await system.until(isDead)
    const [met, from] = [await requestsMet(system, DEAD_TIMES), Date.now()]
    const isAfter = (ms: number) => system.until(async () => Date.now() > from + ms, 2 * MAY_WAIT_MS)
    const asked = Array.from({ length: 20 }, async () => startOf(system, await system.addMember({ email: null })))
    const answers = await Promise.all(asked)
    refused = answers.filter(({ kind }) => kind === 'refused')
    probes = answers.flatMap((start) => ('challenge' in start ? [start.challenge.challengeId] : []))
    // They have waited for a while when it is back, and can wait on.
    await isAfter(0.6 * MAY_WAIT_MS)
    waiting = await startMany(unaware, 40)
    await isAfter(MAY_WAIT_MS + patience(1.5))
    requests = { whileDead: (await requestsMet(system, DEAD_TIMES)) - met, overMs: Date.now() - from }
    await fetch(`${system.simulators.url}/faults`, { method: 'DELETE' })
    newcomers = await startMany(unaware, 5)
  })
  afterAll(() => system?.stop())

  it('is called about once a second meanwhile, however many wait', () => {
    // What was under way when the tenth failure was counted comes on top.
    expect(requests.whileDead).toBeLessThan((requests.overMs / 1_000) * 1.4 + 20)
  })

  it('starts are refused meanwhile but for some that probe, and told to come again soon', () => {
    expect(refused.length).toBeGreaterThan(15)
    for (const start of refused) {
      expect(start).toMatchObject({ reason: 'delivery_unavailable' })
      expect('retryAfter' in start ? start.retryAfter : undefined).toBeLessThanOrEqual(2)
    }
  })

  // 2 s, and what a busy machine takes.
  it('the first challenges after it is back are sent within 2 s, and do not wait behind the others', async () => {
    const times = await sentTimes(system, newcomers)
    expect(Math.max(...times.map((sentAt, index) => sentAt - newcomers[index]!.at))).toBeLessThan(2_000 + patience(1))
  })

  it('those with enough life left are sent, and none with less than its minimum', async () => {
    await sentTimes(system, waiting)
    const rows = await system.sql<{ to: string; sendableUntil: Date; waitedMs: number }[]>`
      select destination as "to", expires_at - ${`${MIN_LIFE} seconds`}::interval as "sendableUntil",
        extract(epoch from send_began_at - admitted_at)::float8 * 1000 as "waitedMs"
      from challenges where sent_at is not null`
    // The last try is planned half a second before; its life begins with it, so one that a busy machine delays is not late.
    expect(Math.max(...rows.map(({ waitedMs }) => waitedMs))).toBeLessThan(MAY_WAIT_MS + patience(1))
    const until = new Map(rows.map(({ to, sendableUntil }) => [to, sendableUntil.getTime()]))
    const messages = await system.simulators.messages()
    expect(messages.length).toBeGreaterThanOrEqual(waiting.length + newcomers.length)
    expect(messages.filter(({ to, at }) => !(Date.parse(at) <= until.get(to)!))).toEqual([])
  })

  it('those that it was dead for too long for end undeliverable, as soon as that is certain', async () => {
    // All but those that were the one that tried it, late: their life began then, and they are sent now.
    await system.until(async () => {
      const [row] = await system.sql`select from challenges where sent_at is null and outcome is null limit 1`
      return row === undefined
    })
    const ended = await system.sql<{ challengeId: string; outcome: string; reason: string; afterMs: number }[]>`
      select challenge_id as "challengeId", outcome, reason,
        extract(epoch from closed_at - coalesce(send_began_at, admitted_at))::float8 * 1000 as "afterMs"
      from challenges where sent_at is null`
    const ids = new Set([...early.map(({ challengeId }) => challengeId), ...probes])
    expect(ended.every(({ challengeId }) => ids.has(challengeId))).toBe(true)
    expect(ended.length).toBeGreaterThan(early.length * 0.6)
    expect(new Set(ended.map(({ outcome, reason }) => `${outcome}, ${reason}`))).toEqual(
      new Set(['undeliverable, too_late']),
    )
    expect(await Promise.all(ended.map(({ challengeId }) => endingOf(system, challengeId)))).toEqual(
      ended.map(() => endedOnceAs('undeliverable')),
    )
    expect(Math.max(...ended.map(({ afterMs }) => afterMs))).toBeLessThan(MAY_WAIT_MS + patience(1))
    expect(Math.min(...ended.map(({ afterMs }) => afterMs))).toBeGreaterThan(MAY_WAIT_MS - 1_000)
  })
})
