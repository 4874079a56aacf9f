/**
 * U1, C7: support looks a member up and unlocks them; nobody else learns by it who is a member, and nobody at all a number,
 * an address or a code.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { saidBy, startApi, type Api } from './support/api.ts'
import { wrongCode, type MemberFields } from './support/system.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const look = (memberId: string) => api.call('GET', `/v1/members/${memberId}`, { as: 'support' })
const lookAt = async (memberId: string) => (await look(memberId)).json<Record<string, unknown>>()
const unlock = (memberId: string, why: unknown, key?: string) =>
  api.call('POST', `/v1/members/${memberId}/unlock`, { as: 'support', body: { why }, ...(key && { key }) })
const events = (memberId: string) =>
  api.system.sql`select type, data from outbox where subject = ${memberId} and type = 'otp.member.unlocked'`

/** Ten wrong codes in a row, by way of the count: then the member is locked. */
async function lock(memberId: string, failures = 9) {
  const started = await api.call('POST', '/v1/challenges', { body: { memberId, purpose: 'view_membership' } })
  await api.system.sql`update challenge_heads set failures = ${failures} where member_id = ${memberId}`
  const { challengeId } = started.json<{ challengeId: string }>()
  const codes = await api.system.codes(memberId)
  await api.call('POST', `/v1/challenges/${challengeId}/verify`, { body: { code: wrongCode(...codes) } })
  return challengeId
}

describe('whoever may not look', () => {
  it.each(['web', 'other', 'operator', 'nobody'] as const)(
    'as %s gets the same for a member and for nobody',
    async (as) => {
      const memberId = await api.system.addMember()
      for (const method of ['GET', 'POST'] as const) {
        const path = method === 'GET' ? '' : '/unlock'
        const body = method === 'GET' ? {} : { body: { why: 'they called' } }
        const [known, unknown] = await Promise.all(
          [memberId, 'nobody-has-this'].map((id) => api.call(method, `/v1/members/${id}${path}`, { as, ...body })),
        )
        expect([known!.statusCode, known!.json()]).toMatchObject([403, { code: 'forbidden' }])
        expect(saidBy(unknown!)).toBe(saidBy(known!))
      }
    },
  )

  it('with no key gets 401 for every member and for nobody', async () => {
    const memberId = await api.system.addMember()
    for (const id of [memberId, 'nobody-has-this']) {
      const answer = await api.call('GET', `/v1/members/${id}`, { headers: { authorization: '' } })
      expect(answer.statusCode).toBe(401)
    }
  })

  it('and may look, but not unlock, is refused before it is looked whether there is such a member', async () => {
    const memberId = await api.system.addMember()
    expect((await api.call('GET', `/v1/members/${memberId}`, { as: 'reader' })).statusCode).toBe(200)
    for (const id of [memberId, 'nobody-has-this']) {
      const answer = await api.call('POST', `/v1/members/${id}/unlock`, { as: 'reader', body: { why: 'they called' } })
      expect([answer.statusCode, answer.json()]).toMatchObject([403, { code: 'forbidden' }])
    }
  })
})

describe('a look at a member', () => {
  it.each(['nobody-has-this', 'a b', '.', 'x'.repeat(100), '%00', "'; drop table members; --"])(
    'of the id %j is 404',
    async (id) => {
      const answer = await look(encodeURIComponent(id))
      expect([answer.statusCode, answer.json()]).toMatchObject([404, { code: 'unknown_member' }])
    },
  )

  it('shows no whole number, address or code, of the member or of any challenge', async () => {
    const email = `secret-${randomUUID()}@example.jp`
    const phone = '+819087654321'
    const memberId = await api.system.addMember({ email, phone })
    await api.call('POST', '/v1/challenges', { body: { memberId, purpose: 'view_membership' } })
    const [code] = await api.system.codes(memberId)
    const answer = await look(memberId)
    expect(answer.headers['cache-control']).toBe('no-store')
    for (const secret of [email, email.split('@')[0]!, phone, phone.slice(3), code!, 'nonce']) {
      expect(answer.body).not.toContain(secret)
    }
    expect(answer.json()).toMatchObject({
      destinations: [
        { channel: 'sms', destination: '***-****-4321', isUsable: true },
        { channel: 'email', destination: 's***@e***.jp', isUsable: true },
      ],
      challenges: [{ destination: '***-****-4321' }],
    })
  })

  it('says why starts were refused, the newest first, and not whereto they were', async () => {
    const memberId = await api.system.addMember({ phone: null, email: 'a..b@example.jp' })
    await api.call('POST', '/v1/challenges', { body: { memberId, purpose: 'view_membership' } })
    await api.call('POST', '/v1/challenges', { as: 'other', body: { memberId, purpose: 'redeem_benefit' } })
    const answer = await look(memberId)
    const at = expect.any(String) as string
    expect(answer.json()).toMatchObject({
      refusedStarts: [
        { purpose: 'redeem_benefit', reason: 'undeliverable_email', startedBy: 'other', at },
        { purpose: 'view_membership', reason: 'undeliverable_email', startedBy: 'web', at },
      ],
      challenges: [],
    })
    expect(answer.body).not.toContain('a..b')
  })

  it('says where the next code would go and why', async () => {
    const { sql } = api.system
    const addMember = (fields: MemberFields) => api.system.addMember(fields)
    const mandatory = await addMember({ channel: 'email' })
    await sql`insert into enrollments (member_id, mandatory_since) values (${mandatory}, '2026-01-02T03:04:05Z')`
    const exempt = await addMember({ channel: 'email' })
    await sql`insert into enrollments (member_id, mandatory_since) values (${exempt}, '2026-01-02T03:04:05Z')`
    await sql`insert into exemptions (member_id, until, by_whom, why, created_at)
      values (${exempt}, '2100-01-01', 'operator', 'in hospital', now())`
    expect(await lookAt(mandatory)).toMatchObject({
      isSmsMandatory: true,
      mandatorySince: '2026-01-02T03:04:05.000Z',
      channel: 'sms',
      because: 'sms_mandatory',
      notificationPreference: 'email',
    })
    expect(await lookAt(exempt)).toMatchObject({
      isSmsMandatory: false,
      mandatorySince: '2026-01-02T03:04:05.000Z',
      exemption: { until: '2100-01-01T00:00:00.000Z', by: 'operator', why: 'in hospital', claimed: false },
      channel: 'email',
      because: 'preference',
    })
    expect(await lookAt(await addMember({ channel: 'email', email: '.a@example.jp' }))).toMatchObject({
      channel: 'sms',
      because: 'other_unusable',
      destinations: [{ isUsable: true }, { isUsable: false, reason: 'undeliverable_email' }],
    })
    const nowhere = await lookAt(await addMember({ email: '.a@example.jp', phone: '+12025550123' }))
    expect(nowhere).toMatchObject({
      reason: 'undeliverable_email',
      advice: 'update_email',
      destinations: [{ isUsable: false, reason: 'phone_country_not_allowed' }, { isUsable: false }],
    })
    expect(nowhere).not.toHaveProperty('channel')
  })

  it('shows what the member has set on our pages since, not what the member events said before', async () => {
    const memberId = await api.system.addMember({ channel: 'email', phone: '+819011110000' })
    await api.system.sql`
      insert into destinations (member_id, version, phone, phone_country, phone_since, choice, choice_since)
      values (${memberId}, 1, '+819022229999', 'JP', now(), 'sms', now())`
    expect(await lookAt(memberId)).toMatchObject({
      channel: 'sms',
      because: 'preference',
      notificationPreference: 'sms',
      destinations: [{ destination: '***-****-9999' }, { channel: 'email' }],
    })
  })

  it('shows the newest ten challenges of every caller, the newest first', async () => {
    const memberId = await api.system.addMember()
    const ids: unknown[] = []
    for (let n = 0; n < 11; n++) {
      const as = n % 2 === 0 ? 'web' : 'other'
      const started = await api.call('POST', '/v1/challenges', { as, body: { memberId, purpose: 'view_membership' } })
      ids.unshift(started.json<{ challengeId: string }>().challengeId)
    }
    const { challenges } = await lookAt(memberId)
    expect(challenges).toMatchObject(
      ids.slice(0, 10).map((challengeId, n) => ({
        challengeId,
        startedBy: n % 2 === 0 ? 'web' : 'other',
        status: n === 0 ? 'open' : 'superseded',
      })),
    )
  })

  it('of who withdrew shows no destination, and who was erased is not known', async () => {
    const memberId = await api.system.addMember()
    await api.system.sql`update members set status = 'withdrawn' where member_id = ${memberId}`
    const withdrawn = await lookAt(memberId)
    expect(withdrawn).toMatchObject({ status: 'withdrawn', isLocked: false })
    for (const field of ['destinations', 'channel', 'country']) expect(withdrawn).not.toHaveProperty(field)
    await api.system.sql`update members set status = 'erased' where member_id = ${memberId}`
    expect((await look(memberId)).statusCode).toBe(404)
  })
})

describe('an unlock', () => {
  it.each([undefined, '', '   ', 'x'.repeat(501), 'two\nlines', 'a\u0000b', 7])(
    'without a reason (%j) is refused',
    async (why) => {
      const memberId = await api.system.addMember()
      await lock(memberId)
      expect((await unlock(memberId, why)).statusCode).toBe(400)
      expect(await lookAt(memberId)).toMatchObject({ isLocked: true })
    },
  )

  it('that says who asks is refused: that is the caller', async () => {
    const body = { why: 'they called', by: 'somebody else' }
    const memberId = await api.system.addMember()
    const answer = await api.call('POST', `/v1/members/${memberId}/unlock`, { as: 'support', body })
    expect(answer.statusCode).toBe(400)
  })

  it('gives the attempts back, and is recorded with who and why; the event keeps the reason to itself', async () => {
    const memberId = await api.system.addMember()
    await lock(memberId)
    const locked = await lookAt(memberId)
    expect(locked).toMatchObject({ isLocked: true, failures: 10, lockedUntil: expect.any(String) })
    const start = () => api.call('POST', '/v1/challenges', { body: { memberId, purpose: 'view_membership' } })
    expect((await start()).statusCode).toBe(423)

    const answer = await unlock(memberId, 'they called, and we knew them')
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { memberId, isUnlocked: true }])
    const after = await lookAt(memberId)
    expect(after).toMatchObject({
      isLocked: false,
      failures: 0,
      unlocked: { by: 'support', why: 'they called, and we knew them' },
    })
    expect(after).not.toHaveProperty('lockedUntil')
    expect((await start()).statusCode).toBe(201)
    expect(await events(memberId)).toEqual([
      { type: 'otp.member.unlocked', data: { memberId, by: 'support', unlockedAt: expect.any(String) } },
    ])
  })

  it('of a member who is locked for good says that there was no end to it', async () => {
    const memberId = await api.system.addMember()
    await lock(memberId, 99)
    const locked = await lookAt(memberId)
    expect(locked).toMatchObject({ isLocked: true, failures: 100 })
    expect(locked).not.toHaveProperty('lockedUntil')
    await unlock(memberId, 'they came with a passport')
    expect(await lookAt(memberId)).toMatchObject({ isLocked: false, failures: 0 })
  })

  it('of nothing changes nothing, and tells nobody', async () => {
    const memberId = await api.system.addMember()
    expect((await unlock(memberId, 'they called')).json()).toMatchObject({ isUnlocked: false })
    expect(await lookAt(memberId)).not.toHaveProperty('unlocked')
    expect(await events(memberId)).toEqual([])
    expect((await unlock('nobody-has-this', 'they called')).statusCode).toBe(404)
  })

  it('under one key is done once, twenty at a time; the same key for another request is 422', async () => {
    const memberId = await api.system.addMember()
    await lock(memberId)
    const key = randomUUID()
    const answers = await Promise.all(Array.from({ length: 20 }, () => unlock(memberId, 'they called', key)))
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`)).size).toBe(1)
    expect(answers[0]!.json()).toMatchObject({ isUnlocked: true })
    expect(await events(memberId)).toHaveLength(1)

    // Locked anew: a repeated request does not unlock that.
    await lock(memberId)
    expect((await unlock(memberId, 'they called', key)).body).toBe(answers[0]!.body)
    expect(await lookAt(memberId)).toMatchObject({ isLocked: true })

    const reused = [
      await unlock(memberId, 'for another reason', key),
      await unlock('nobody-has-this', 'they called', key),
    ]
    for (const answer of reused) {
      expect([answer.statusCode, answer.json()]).toMatchObject([422, { code: 'idempotency_key_reused' }])
    }
  })

  it('twenty at a time, each with a key of its own, is recorded once', async () => {
    const memberId = await api.system.addMember()
    await lock(memberId)
    const answers = await Promise.all(Array.from({ length: 20 }, () => unlock(memberId, 'they called', randomUUID())))
    expect(answers.filter((answer) => answer.json<{ isUnlocked: boolean }>().isUnlocked)).toHaveLength(1)
    expect(await events(memberId)).toHaveLength(1)
  })

  it('leaves no reason behind when the member is erased', async () => {
    const memberId = await api.system.addMember()
    await lock(memberId)
    await unlock(memberId, 'they called')
    await api.system.sql`update members set status = 'erased' where member_id = ${memberId}`
    await api.system.sql`select close_withdrawn(array[${memberId}])`
    const [row] = await api.system.sql`select by_whom, why from member_unlocks where member_id = ${memberId}`
    expect(row).toEqual({ by_whom: 'support', why: null })
  })
})
