/**
 * C2, C4, D2, D6, F18: a provider that asks to be left alone for an hour is asked again after half a minute. Until then whoever
 * may have the other channel gets it at once, and the others are told when to come back: no limit is spent, and no code that a
 * member holds is lost.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { admitChallenge, type AdmissionRequest } from '../postgres/admission.ts'
import { startApi, type Api } from './support/api.ts'
import { startByClient, startSystem, wrongCode, type MemberFields, type System } from './support/system.ts'

const WORKER = 'workers/challenge-worker.ts'

describe('an admission while the SMS provider is paused', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem()
  })
  afterEach(async () => {
    await system.sql`delete from provider_pace`
    await system.shiftClock(0)
  })
  afterAll(() => system?.stop())

  /** For an hour, with a probe in so many seconds. */
  const pause = (provider: 'vonage' | 'sendgrid', probeInSeconds: number) => system.sql`
    insert into provider_pace (provider, limited_until, limited_since, next_probe_at)
    values (${provider}, challenge_now() + interval '1 hour', challenge_now(),
      challenge_now() + make_interval(secs => ${probeInSeconds}))`
  const admit = async (fields: MemberFields, request: Partial<AdmissionRequest> = {}) => {
    const memberId = request.memberId ?? (await system.addMember(fields))
    return admitChallenge(system.sql, system.config.policy, {
      challengeId: uuidv7(),
      purpose: 'view_membership',
      caller: 'test',
      ...request,
      memberId,
    })
  }
  const unavailable = (retryAfter: number) => ({ kind: 'refused', reason: 'delivery_unavailable', retryAfter })
  const by = (channel: string) => ({ kind: 'admitted', challenge: { channel } })
  const aNumber = () => ({ e164: `+8180${randomInt(10_000_000, 99_999_999)}`, country: 'JP' })

  it('goes by e-mail where policy allows that, and is refused with the time of the next probe where not', async () => {
    await pause('vonage', 20)
    expect(await admit({ email: null })).toEqual(unavailable(20))
    expect(await admit({ channel: 'sms' })).toMatchObject(by('email'))
    expect(await admit({ channel: 'email' })).toMatchObject(by('email'))
    expect(await admit({ channel: 'sms' }, { channel: 'sms' })).toEqual(unavailable(20))
    const registering = { purpose: 'register_phone', registering: aNumber() }
    expect(await admit({ channel: 'email' }, registering)).toEqual(unavailable(20))
    const mandatory = await system.addMember({ channel: 'email' })
    await system.sql`
      update members set family_card = false, birth_date = '1990-01-01' where member_id = ${mandatory}`
    await system.sql`insert into enrollments values (${mandatory}, challenge_now() - interval '1 day')`
    expect(await admit({}, { memberId: mandatory })).toEqual(unavailable(20))
  })

  it('goes by SMS where the e-mail provider is the one that is paused', async () => {
    await pause('sendgrid', 20)
    expect(await admit({ channel: 'email' })).toMatchObject(by('sms'))
    expect(await admit({ channel: 'email', phone: null })).toEqual(unavailable(20))
  })

  it('is refused where both are, until the first of both may be asked again', async () => {
    await pause('vonage', 25)
    await pause('sendgrid', 10)
    expect(await admit({})).toEqual(unavailable(10))
  })

  it('is refused while the provider seems dead', async () => {
    await system.sql`
      insert into provider_pace (provider, failures, next_probe_at) values ('vonage', 10, challenge_now() + interval '0.9 seconds')`
    expect(await admit({ email: null })).toEqual(unavailable(1))
    expect(await admit({ channel: 'sms' })).toMatchObject(by('email'))
  })

  it('waits for a pause that is over within a second', async () => {
    await system.sql`
      insert into provider_pace (provider, limited_until) values ('vonage', challenge_now() + interval '0.9 seconds')`
    expect(await admit({ channel: 'sms' })).toMatchObject(by('sms'))
  })

  it('when the probe is due lets one of many be it, and refuses the others', async () => {
    await pause('vonage', -1)
    const all = await Promise.all(Array.from({ length: 20 }, () => admit({ email: null })))
    expect(all.filter(({ kind }) => kind === 'admitted')).toHaveLength(1)
    expect(all.filter(({ kind }) => kind === 'refused')).toEqual(Array.from({ length: 19 }, () => unavailable(30)))
  })

  it('lets those who would lose something be the probe only where nobody else has been', async () => {
    await pause('vonage', 0)
    const memberId = await system.addMember({ email: null })
    await system.sql`
      with held as (
        insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, channel, destination, admitted_at,
          send_began_at, asked_at, sent_at, expires_at)
        select id, ${memberId}, 1, 'view_membership', 'test', id, 'sms', '+819000000000', at, at, at, at, at + interval '10 minutes'
        from (select ${uuidv7()}::uuid as id, challenge_now() - interval '1 minute' as at) one
        returning challenge_id)
      insert into challenge_heads (member_id, last_seq, newest_challenge_id) select ${memberId}, 1, challenge_id from held`
    expect(await admit({}, { memberId })).toEqual(unavailable(5))
    expect(await admit({ channel: 'sms' })).toMatchObject(by('email'))
    await system.shiftClock(6_000)
    expect(await admit({}, { memberId })).toMatchObject(by('sms'))
  })

  it('leaves no row that a repeat with the same key would get, and is kept for support', async () => {
    await pause('vonage', 20)
    const idempotency = { key: randomUUID(), requestHash: '01' }
    const memberId = await system.addMember({ email: null })
    expect(await admit({}, { memberId, idempotency })).toEqual(unavailable(20))
    await system.sql`delete from provider_pace`
    expect(await admit({}, { memberId, idempotency })).toMatchObject({ kind: 'admitted' })
    const kept = await system.sql`
      select purpose, caller, reason from refused_starts where member_id = ${memberId}`
    expect(kept).toEqual([{ purpose: 'view_membership', caller: 'test', reason: 'delivery_unavailable' }])
  })

  it('a challenge that waits goes by e-mail where that is allowed, once its provider is paused', async () => {
    const waiting = async (fields: MemberFields, request: Partial<AdmissionRequest> = {}) => {
      const admission = await admit(fields, request)
      if (!('challenge' in admission)) throw new Error(admission.kind)
      return admission.challenge
    }
    const [both, forced, only] = [
      await waiting({ channel: 'sms' }),
      await waiting({ channel: 'sms' }, { channel: 'sms' }),
      await waiting({ email: null }),
    ]
    await pause('vonage', 600)
    await system.process(WORKER)
    for (const { memberId, challengeId, purpose } of [both, forced, only]) {
      await startByClient(system, { memberId, challengeId, purpose })
    }
    await system.until(async () => {
      const [row] =
        await system.sql`select from challenges where challenge_id = ${both.challengeId} and sent_at is not null`
      return row
    })
    const rows = await system.sql`
      select challenge_id as "challengeId", channel, sent_at is not null as "isSent" from challenges
      where challenge_id = any(${[both, forced, only].map(({ challengeId }) => challengeId)}::uuid[])`
    expect(rows).toHaveLength(3)
    expect(rows).toEqual(
      expect.arrayContaining([
        { challengeId: both.challengeId, channel: 'email', isSent: true },
        { challengeId: forced.challengeId, channel: 'sms', isSent: false },
        { challengeId: only.challengeId, channel: 'sms', isSent: false },
      ]),
    )
  })

  it('by a plain Temporal client ends as refused, with the same word', async () => {
    await pause('vonage', 600)
    const [memberId, challengeId] = [await system.addMember({ email: null }), uuidv7()]
    const handle = await startByClient(system, { memberId, challengeId, purpose: 'redeem_benefit' })
    expect(await handle.result()).toMatchObject({ outcome: 'refused', reason: 'delivery_unavailable' })
  })
})

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

describe('100 members of every kind, while the SMS provider asks for an hour', () => {
  let api: Api
  let live: { memberId: string; challengeId: string; code: string }
  let resend: Answer
  let first: { memberId: string; challengeId: string }
  let guess: Answer
  let status: Answer
  let answers: ReadonlyMap<string, readonly Answer[]>
  let repeated: { memberId: string; key: string }
  let pausedAt: number
  let backAt: number
  let firstSmsAt: number

  const post = async (path: string, body: object, key: string = randomUUID()): Promise<Answer> => {
    const answer = await api.call('POST', path, { body, key })
    return { status: answer.statusCode, body: answer.json() }
  }
  const start = (memberId: string, more: object = {}, key?: string) =>
    post('/v1/challenges', { memberId, purpose: 'redeem_benefit', ...more }, key)

  /** How many of each kind ask, and what they are. */
  const KINDS: Record<string, { count: number; fields: MemberFields; more?: () => object; isMandatory?: boolean }> = {
    'SMS only': { count: 20, fields: { email: null } },
    'both, SMS preferred': { count: 20, fields: { channel: 'sms' } },
    'both, e-mail preferred': { count: 20, fields: { channel: 'email' } },
    'mandatory SMS': { count: 15, fields: { channel: 'email' }, isMandatory: true },
    'registering a phone': {
      count: 10,
      fields: { channel: 'email' },
      more: () => ({ purpose: 'register_phone', phone: `0801${randomInt(1_000_000, 9_999_999)}` }),
    },
    'forced SMS': { count: 15, fields: { channel: 'sms' }, more: () => ({ channel: 'sms' }) },
  }

  beforeAll(async () => {
    api = await startApi({ OTP_LIMIT_PER_10_MINUTES: '2', OTP_LIMIT_PER_24_HOURS: '2' })
    const { system } = api
    const memberId = await system.addMember({ email: null })
    const started = await start(memberId)
    live = {
      memberId,
      challengeId: String(started.body['challengeId']),
      code: await system.until(async () => (await system.codes(memberId))[0]),
    }

    await system.simulators.faults({ provider: 'vonage', status: 429, retryAfterSeconds: 3_600 })
    const firstMember = await system.addMember({ email: null })
    const meeting = start(firstMember)
    await system.until(async () => {
      const [row] =
        await system.sql`select from provider_pace where limited_until > challenge_now() + interval '50 minutes'`
      return row
    })
    pausedAt = Date.now()
    first = { memberId: firstMember, challengeId: String((await meeting).body['challengeId']) }

    const asking: { kind: string; memberId: string; more: object }[] = []
    for (const [kind, { count, fields, more, isMandatory }] of Object.entries(KINDS)) {
      for (let n = 0; n < count; n++) {
        const id = await system.addMember(fields)
        if (isMandatory) {
          await system.sql`update members set family_card = false, birth_date = '1990-01-01' where member_id = ${id}`
          await system.sql`insert into enrollments values (${id}, challenge_now() - interval '1 day')`
        }
        asking.push({ kind, memberId: id, more: more?.() ?? {} })
      }
    }
    resend = await post(`/v1/challenges/${live.challengeId}/resend`, {})
    repeated = { memberId: await system.addMember({ email: null }), key: randomUUID() }
    await start(repeated.memberId, {}, repeated.key)
    guess = await post(`/v1/challenges/${first.challengeId}/verify`, { code: wrongCode() })
    const read = await api.call('GET', `/v1/challenges/${first.challengeId}`)
    status = { status: read.statusCode, body: read.json() }
    const answered: { kind: string; answer: Answer }[] = []
    for (let from = 0; from < asking.length; from += 4) {
      const some = asking.slice(from, from + 4)
      const starts = some.map(async ({ kind, memberId: id, more }) => ({ kind, answer: await start(id, more) }))
      answered.push(...(await Promise.all(starts)))
    }
    const byKind = Map.groupBy(answered, ({ kind }) => kind)
    answers = new Map([...byKind].map(([kind, all]) => [kind, all.map(({ answer }) => answer)]))

    await fetch(`${system.simulators.url}/faults`, { method: 'DELETE' })
    backAt = Date.now()
    const sms = await system.until(async () => {
      const messages = await system.simulators.messages()
      return messages.filter(({ channel, at }) => channel === 'sms' && Date.parse(at) > pausedAt).at(-1)
    }, 45_000)
    firstSmsAt = Date.parse(sms.at)
  }, 120_000)
  afterAll(() => api?.stop())

  it.each(['both, SMS preferred', 'both, e-mail preferred'])('%s: have it by e-mail within 2 s', async (kind) => {
    const all = answers.get(kind)!
    expect(all).toHaveLength(20)
    expect(all.map(({ status: code, body }) => [code, body['channel'], body['status']])).toEqual(
      all.map(() => [201, 'email', 'open']),
    )
    const rows = await api.system.sql<{ ms: number }[]>`
      select extract(epoch from sent_at - admitted_at)::float8 * 1000 as ms from challenges
      where challenge_id = any(${all.map(({ body }) => String(body['challengeId']))}::uuid[])`
    // 2 s, and what a busy machine takes.
    expect(Math.max(...rows.map(({ ms }) => ms))).toBeLessThan(3_000)
  })

  it.each(['SMS only', 'mandatory SMS', 'registering a phone', 'forced SMS'])(
    '%s: are told when to come back',
    (kind) => {
      const all = answers.get(kind)!
      expect(all).toHaveLength(KINDS[kind]!.count)
      for (const { status: code, body } of all) {
        expect([code, body['code']]).toEqual([503, 'delivery_unavailable'])
        expect(body['retryAfter']).toBeGreaterThan(0)
        expect(body['retryAfter']).toBeLessThanOrEqual(30)
      }
    },
  )

  it('a refused start spends no limit and leaves nothing behind but its reason', async () => {
    const refused = [...answers.values()].flat().filter(({ status: code }) => code === 503)
    const [row] = await api.system.sql<[{ challenges: number; kept: number }]>`
      select
        (select count(*)::int from challenges c where not exists (
          select from challenge_heads h where h.member_id = c.member_id and h.last_seq > 0)) as challenges,
        (select count(*)::int from refused_starts where reason = 'delivery_unavailable') as kept`
    // The resend, and the one that is repeated, are refused too.
    expect(row).toEqual({ challenges: 0, kept: refused.length + 2 })
    const [heads] = await api.system.sql<[{ spent: number }]>`
      select count(*)::int as spent from refused_starts r join challenges c using (member_id)
      where r.member_id not in (${live.memberId}, ${repeated.memberId})`
    expect(heads.spent).toBe(0)
  })

  it('a resend is refused, and the code that the member holds goes on counting', async () => {
    expect([resend.status, resend.body['code']]).toEqual([503, 'delivery_unavailable'])
    expect(resend.body['retryAfter']).toBeLessThanOrEqual(35)
    const verdict = await post(`/v1/challenges/${live.challengeId}/verify`, { code: live.code })
    expect(verdict.body).toMatchObject({ result: 'verified' })
  })

  it('a code that is submitted while it only waits to be sent costs no attempt, and no clock is shown', () => {
    expect([guess.status, guess.body]).toEqual([200, { result: 'not_sent_yet', attemptsLeft: 5 }])
    expect(status.body).toMatchObject({ status: 'sending', attemptsLeft: 5 })
    expect(status.body).not.toHaveProperty('expiresAt')
  })

  it('the first SMS goes out within 31 s of the provider being back, without being asked for again', async () => {
    expect(firstSmsAt - backAt).toBeLessThan(31_000)
    expect(firstSmsAt - pausedAt).toBeGreaterThan(25_000)
    const [code] = await api.system.codes(first.memberId)
    const verdict = await post(`/v1/challenges/${first.challengeId}/verify`, { code })
    expect(verdict.body).toMatchObject({ result: 'verified' })
  })

  it('and then a repeat with the key of a refused start is carried out', async () => {
    expect(await start(repeated.memberId, {}, repeated.key)).toMatchObject({ status: 201, body: { channel: 'sms' } })
  })
})
