/**
 * I, U1, C5, C6, C13, C14: the HTTP API of challenges and deliverability, each call and each answer it can give.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashIp } from '../api/ip-hash.ts'
import { UnknownKeyError } from '../codes/code.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { saidBy, startApi, type Api, type ApiCall } from './support/api.ts'
import { patience } from './support/speed.ts'
import { wrongCode } from './support/system.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const start = (body: object, options: ApiCall = {}) => api.call('POST', '/v1/challenges', { body, ...options })
const verify = (challengeId: string, code: unknown, options: ApiCall = {}) =>
  api.call('POST', `/v1/challenges/${challengeId}/verify`, { body: { code }, ...options })
const resend = (challengeId: string, options: ApiCall = {}) =>
  api.call('POST', `/v1/challenges/${challengeId}/resend`, options)
const status = (challengeId: string, options: ApiCall = {}) => api.call('GET', `/v1/challenges/${challengeId}`, options)
const cancel = (challengeId: string, options: ApiCall = {}) =>
  api.call('DELETE', `/v1/challenges/${challengeId}`, options)

function expectProblem(answer: Awaited<ReturnType<Api['call']>>, expectedStatus: number, code: string) {
  expect({ status: answer.statusCode, body: answer.json() }).toMatchObject({
    status: expectedStatus,
    body: { code, status: expectedStatus, type: expect.any(String), title: expect.any(String) },
  })
  expect(answer.headers['content-type']).toContain('application/problem+json')
}

describe('who may call', () => {
  it('nobody without a key that is known, and it is not said which are', async () => {
    const answers = await Promise.all(
      ['', 'Bearer ', 'Bearer wrong', `Basic ${api.keys.web}`, `Bearer ${api.keys.web}x`, api.keys.web].map(
        (authorization) => start({ memberId: '1', purpose: 'view_membership' }, { headers: { authorization } }),
      ),
    )
    for (const answer of answers) {
      expectProblem(answer, 401, 'unauthorized')
      expect(answer.headers['www-authenticate']).toBe('Bearer')
      expect(saidBy(answer)).toBe(saidBy(answers[0]!))
    }
  })

  it('is asked before the scope, the scope before the shape, and the shape before what exists', async () => {
    const path = `/v1/challenges/${randomUUID()}/verify`
    const answers = [
      await api.call('POST', path, { headers: { authorization: 'Bearer wrong' }, body: 'x' }),
      await api.call('POST', path, { as: 'nobody', body: 'x' }),
      await api.call('POST', path, { body: {} }),
      await api.call('POST', path, { body: { code: '123456' } }),
    ]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([401, 403, 400, 404])
  })

  it('nobody without the scope, whichever call it is', async () => {
    const id = randomUUID()
    const answers = await Promise.all([
      start({ memberId: '1', purpose: 'view_membership' }, { as: 'nobody' }),
      status(id, { as: 'nobody' }),
      verify(id, '123456', { as: 'nobody' }),
      resend(id, { as: 'nobody' }),
      cancel(id, { as: 'nobody' }),
      api.call('POST', '/v1/deliverability', { as: 'other', body: { email: 'a@example.jp' } }),
    ])
    for (const answer of answers) expectProblem(answer, 403, 'forbidden')
  })

  it('another caller knows nothing of a challenge, and changes nothing about it', async () => {
    const { challengeId, code } = await api.challenge({ as: 'web' })
    const answers = [
      await status(challengeId, { as: 'other' }),
      await verify(challengeId, wrongCode(code), { as: 'other' }),
      await verify(challengeId, code, { as: 'other' }),
      await resend(challengeId, { as: 'other' }),
      await cancel(challengeId, { as: 'other' }),
    ]
    const unknown = await status(randomUUID(), { as: 'other' })
    for (const answer of answers) {
      expectProblem(answer, 404, 'unknown_challenge')
      expect(saidBy(answer)).toBe(saidBy(unknown))
    }
    expect((await status(challengeId)).json()).toMatchObject({ status: 'open', attemptsLeft: 5 })
  })

  it('one with challenges:any sees, verifies, resends and cancels what others started', async () => {
    const { challengeId } = await api.challenge({ as: 'web' })
    expect((await status(challengeId, { as: 'support' })).statusCode).toBe(200)
    const again = await resend(challengeId, { as: 'support' })
    expect(again.statusCode).toBe(201)
    const { challengeId: newer } = again.json<{ challengeId: string }>()
    // It stays the challenge of the caller who started the first.
    expect((await status(newer, { as: 'web' })).statusCode).toBe(200)
    expect((await verify(newer, '000000', { as: 'support' })).statusCode).toBe(200)
    expect((await cancel(newer, { as: 'support' })).statusCode).toBe(204)
  })
})

describe('POST /v1/challenges', () => {
  it('answers 201 when the code is handed over', async () => {
    const memberId = await api.system.addMember()
    const answer = await start({ memberId, purpose: 'redeem_benefit', locale: 'ja', endUserIp: '2001:db8::1' })
    expect(answer.statusCode).toBe(201)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
    const body = answer.json<Record<string, string>>()
    expect(answer.headers['location']).toBe(`/v1/challenges/${body['challengeId']}`)
    expect(body).toEqual({
      challengeId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      memberId,
      purpose: 'redeem_benefit',
      status: 'open',
      channel: 'sms',
      destination: expect.stringMatching(/^\*{3}-\*{4}-\d{4}$/),
      sentAt: expect.stringMatching(ISO),
      expiresAt: expect.stringMatching(ISO),
      attemptsLeft: 5,
      delivery: 'accepted',
    })
    expect(await api.system.codes(memberId)).toHaveLength(1)
  })

  it('sends to the number being registered, and shows it masked', async () => {
    const memberId = await api.system.addMember({ channel: 'email' })
    const answer = await start({ memberId, purpose: 'register_phone', phone: '０９０−８７６５−４３２１' })
    expect(answer.json()).toMatchObject({ status: 'open', channel: 'sms', destination: '***-****-4321' })
    expect(await api.system.simulators.messages('+819087654321')).toHaveLength(1)
  })

  it('takes the channel that the caller asks for', async () => {
    const memberId = await api.system.addMember({ channel: 'sms' })
    const answer = await start({ memberId, purpose: 'view_membership', channel: 'email' })
    expect(answer.json()).toMatchObject({ channel: 'email', destination: expect.stringMatching(/^m\*{3}@e\*{3}\.jp$/) })
  })

  it('answers 202 when the hand-over takes longer, and the code still arrives', async () => {
    await api.system.simulators.faults({ latencyMs: 1_000 + patience(1.5) })
    const app = api.server({}, { OTP_SEND_WAIT_SECONDS: '1' })
    const memberId = await api.system.addMember()
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/challenges',
      headers: { authorization: `Bearer ${api.keys.web}` },
      payload: { memberId, purpose: 'view_membership' },
    })
    await api.system.simulators.clear()
    expect(answer.statusCode).toBe(202)
    const { challengeId, ...body } = answer.json<{ challengeId: string }>()
    expect(body).toMatchObject({ status: 'sending' })
    expect(body).not.toHaveProperty('sentAt')
    expect(body).not.toHaveProperty('delivery')
    await api.system.until(async () => (await status(challengeId)).json<{ status: string }>().status === 'open')
  })

  it('refuses a member who is not known or has withdrawn', async () => {
    expectProblem(await start({ memberId: 'nobody', purpose: 'view_membership' }), 404, 'unknown_member')
    const memberId = await api.system.addMember()
    await api.system.sql`update members set status = 'withdrawn' where member_id = ${memberId}`
    expectProblem(await start({ memberId, purpose: 'view_membership' }), 404, 'unknown_member')
  })

  it('says why a member cannot be reached, and what they should do', async () => {
    const unreachable = await api.system.addMember({ email: 'a..b@example.jp', phone: null, channel: 'email' })
    const answer = await start({ memberId: unreachable, purpose: 'view_membership' })
    expectProblem(answer, 422, 'undeliverable')
    expect(answer.json()).toMatchObject({ reason: 'undeliverable_email', advice: 'update_email' })
    expect(answer.body).not.toContain('example.jp')
  })

  it('says the same when the provider refuses for good', async () => {
    const memberId = await api.system.addMember()
    await api.system.simulators.faults({ status: 422 })
    const answer = await start({ memberId, purpose: 'view_membership' })
    await api.system.simulators.clear()
    expectProblem(answer, 422, 'undeliverable')
    expect(answer.json()).toMatchObject({ reason: expect.any(String), advice: expect.any(String) })
  })

  it('refuses a locked member with 423, and says for how long', async () => {
    const memberId = await api.system.addMember()
    await api.system.sql`insert into challenge_heads (member_id, locked_until)
      values (${memberId}, challenge_now() + interval '30 minutes')`
    const answer = await start({ memberId, purpose: 'view_membership' })
    expectProblem(answer, 423, 'locked')
    expect(answer.json<{ retryAfter: number }>().retryAfter).toBeGreaterThan(1_700)
    expect(answer.headers['retry-after']).toBe(String(answer.json<{ retryAfter: number }>().retryAfter))
    await api.system.sql`update challenge_heads set locked_until = 'infinity' where member_id = ${memberId}`
    expect((await start({ memberId, purpose: 'view_membership' })).json()).not.toHaveProperty('retryAfter')
  })

  it('refuses too many with 429, leaves the open challenge as it was, and says when to try again', async () => {
    const app = api.server({}, { OTP_COOLDOWN_SECONDS: '30' })
    const memberId = await api.system.addMember()
    const ask = () =>
      app.inject({
        method: 'POST',
        url: '/v1/challenges',
        headers: { authorization: `Bearer ${api.keys.web}` },
        payload: { memberId, purpose: 'view_membership' },
      })
    const first = await ask()
    const second = await ask()
    expectProblem(second, 429, 'too_many_challenges')
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(20)
    const { challengeId } = first.json<{ challengeId: string }>()
    expect((await status(challengeId)).json()).toMatchObject({ status: 'open' })
    expect(await api.system.codes(memberId)).toHaveLength(1)
  })

  it.each([
    ['a purpose that is not configured', { purpose: 'take_over_account' }],
    ['register_phone without a number', { purpose: 'register_phone' }],
    ['a number with another purpose', { phone: '090-1234-5678' }],
    ['a landline to register', { purpose: 'register_phone', phone: '03-1234-5678' }],
    ['two numbers to register', { purpose: 'register_phone', phone: '090-1234-5678;080-1234-5678' }],
    ['a channel that is none', { channel: 'fax' }],
    ['a language tag that is none', { locale: 'ja_JP; drop' }],
    ['an address that is none', { endUserIp: '1.2.3' }],
    ['an address with a zone', { endUserIp: 'fe80::1%eth0' }],
    ['a field that is not known', { admin: true }],
    ['a null', { channel: null }],
    ['a member id with other characters', { memberId: "1'; --" }],
    ['no member id', { memberId: undefined }],
  ])('refuses %s with 400, and does not repeat it', async (_what, fields) => {
    const memberId = await api.system.addMember()
    const answer = await start({ memberId, purpose: 'view_membership', ...fields })
    expectProblem(answer, 400, 'invalid_request')
    expect(answer.body).not.toMatch(/1234|take_over|fax|drop|eth0|admin/)
    expect(await api.system.codes(memberId)).toEqual([])
  })
})

describe('an end user’s address (C9)', () => {
  const key = new Uint8Array(32)
  it.each([
    ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:db8::', '2001:db8:0:0:1:2:3:4'],
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['192.0.2.1', '::FFFF:c000:0201'],
    ['::', '::1'],
    // As proxies write them (F06): the port is another one for each connection.
    ['203.0.113.7', '203.0.113.7:41001'],
    ['203.0.113.7:41001', '203.0.113.7:41002'],
    ['203.0.113.7', '[::ffff:203.0.113.7]:41001'],
    ['[2001:db8::1]:443', '[2001:db8::1]:444'],
    ['[2001:db8::1]', '2001:db8::2'],
    ['[fe80::1%eth0]:443', 'fe80::1'],
  ])('%s and %s count as one', (a, b) => {
    expect(hashIp(key, a)).toBe(hashIp(key, b))
  })
  it.each([
    ['192.0.2.1', '192.0.2.2'],
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['::', '1::'],
    ['203.0.113.7:41001', '203.0.113.8:41001'],
    ['[2001:db8:1:2::1]:443', '[2001:db8:1:3::1]:443'],
    ['no address:1', 'no address:2'],
  ])('%s and %s count as two', (a, b) => {
    expect(hashIp(key, a)).not.toBe(hashIp(key, b))
  })

  it('is limited over all members, but not in networks that are exempted, and kept as a hash alone', async () => {
    const app = api.server({}, { OTP_IP_LIMIT_PER_10_MINUTES: '1', OTP_IP_LIMIT_EXEMPT: '198.51.100.128/25' })
    const ask = async (endUserIp: string) => {
      const memberId = await api.system.addMember()
      const headers = { authorization: `Bearer ${api.keys.web}` }
      const payload = { memberId, purpose: 'view_membership', endUserIp }
      return app.inject({ method: 'POST', url: '/v1/challenges', headers, payload })
    }
    expect((await ask('198.51.100.7')).statusCode).toBe(201)
    expectProblem(await ask('::ffff:198.51.100.7'), 429, 'too_many_challenges')
    expectProblem(await ask('198.51.100.7:41001'), 429, 'too_many_challenges')
    expectProblem(await ask('[::ffff:198.51.100.7]:41002'), 429, 'too_many_challenges')
    for (const none of [
      '198.51.100.7:',
      '198.51.100.7:1234567',
      '[198.51.100.7]:1',
      '[2001:db8::1',
      'example.jp:443',
    ]) {
      expectProblem(await ask(none), 400, 'invalid_request')
    }
    expect((await ask('198.51.100.8')).statusCode).toBe(201)
    for (const _ of [1, 2]) expect((await ask('198.51.100.200')).statusCode).toBe(201)
    const [row] = await api.system.sql<[{ kept: number }]>`
      select count(*) as kept from challenges c where row_to_json(c)::text like '%198.51.100%'`
    expect(row.kept).toBe(0)
  })
})

it('a start whose code went over to the other channel says where it went', async () => {
  const memberId = await api.system.addMember({ phone: '+819011112222', email: 'hanako@example.jp' })
  await api.system.simulators.faults({ status: 422, to: '+819011112222', times: 1 })
  const answer = await start({ memberId, purpose: 'view_membership' })
  expect([answer.statusCode, answer.json()]).toMatchObject([
    201,
    { status: 'open', channel: 'email', destination: 'h***@e***.jp' },
  ])
})

describe('an Idempotency-Key', () => {
  it('makes parallel starts one challenge and one message', async () => {
    const memberId = await api.system.addMember()
    const key = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => start({ memberId, purpose: 'view_membership' }, { key })),
    )
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([201]))
    expect(new Set(answers.map((answer) => answer.json<{ challengeId: string }>().challengeId)).size).toBe(1)
    expect(await api.system.codes(memberId)).toHaveLength(1)
  })

  it('means the same request whatever the order of its fields, and none other', async () => {
    const memberId = await api.system.addMember()
    const key = randomUUID()
    const first = await start({ memberId, purpose: 'view_membership', locale: 'ja' }, { key })
    const again = await start({ locale: 'ja', purpose: 'view_membership', memberId }, { key })
    expect(again.json()).toEqual(first.json())
    expectProblem(await start({ memberId, purpose: 'view_membership' }, { key }), 422, 'idempotency_key_reused')
    expect(await api.system.codes(memberId)).toHaveLength(1)
  })

  it('gives the answer of the first time, whatever has become of the member', async () => {
    const memberId = await api.system.addMember({ channel: 'email', phone: null })
    const key = randomUUID()
    const body = { memberId, purpose: 'view_membership' }
    const { challengeId } = (await start(body, { key })).json<{ challengeId: string }>()
    for (const change of ["email = '.a@example.jp'", "status = 'withdrawn'"]) {
      await api.system.sql.unsafe(`update members set ${change} where member_id = '${memberId}'`)
      const again = await start(body, { key })
      expect([again.statusCode, again.json<{ challengeId: string }>().challengeId]).toEqual([201, challengeId])
    }
    expectProblem(await start({ ...body, memberId: 'nobody' }, { key }), 422, 'idempotency_key_reused')
    expectProblem(await start({ ...body, memberId: 'nobody' }, { key: randomUUID() }), 404, 'unknown_member')
  })

  it('is its caller’s own, and apart for each operation', async () => {
    const memberId = await api.system.addMember()
    const key = randomUUID()
    const first = (await start({ memberId, purpose: 'view_membership' }, { key })).json<{ challengeId: string }>()
    const sent = await resend(first.challengeId, { key })
    expect(sent.statusCode).toBe(201)
    const others = await start({ memberId, purpose: 'view_membership' }, { key, as: 'other' })
    expect(others.statusCode).toBe(201)
    const ids = [
      first.challengeId,
      ...[sent, others].map((answer) => answer.json<{ challengeId: string }>().challengeId),
    ]
    expect(new Set(ids).size).toBe(3)
  })

  it('makes a repeated resend one challenge', async () => {
    const { challengeId, memberId } = await api.challenge()
    const key = randomUUID()
    const answers = [await resend(challengeId, { key }), await resend(challengeId, { key })]
    expect(answers[1]!.json()).toEqual(answers[0]!.json())
    expectProblem(await resend(challengeId, { key, body: { channel: 'email' } }), 422, 'idempotency_key_reused')
    expect(await api.system.codes(memberId)).toHaveLength(2)
  })

  it('makes a repeated attempt count once', async () => {
    const { challengeId, code } = await api.challenge()
    const key = randomUUID()
    const wrong = wrongCode(code)
    const answers = await Promise.all(Array.from({ length: 5 }, () => verify(challengeId, wrong, { key })))
    for (const answer of answers) expect(answer.json()).toEqual({ result: 'wrong_code', attemptsLeft: 4 })
    const once = await verify(challengeId, code, { key: randomUUID() })
    expect(once.json()).toMatchObject({ result: 'verified' })
  })

  it('gets the verdict that was written, also after a success', async () => {
    const { challengeId, code } = await api.challenge()
    const key = randomUUID()
    const first = await verify(challengeId, code, { key })
    expect(first.json()).toMatchObject({ result: 'verified', verifiedAt: expect.stringMatching(ISO) })
    expect((await verify(challengeId, code, { key })).json()).toEqual(first.json())
    expect((await verify(challengeId, code)).json()).toEqual({ result: 'already_used' })
  })

  it.each(['', 'a b', 'ü', 'x'.repeat(256)])(
    'is refused where it is not 1 to 255 visible ASCII characters: %j',
    async (key) => {
      const memberId = await api.system.addMember()
      const answer = await start({ memberId, purpose: 'view_membership' }, { headers: { 'idempotency-key': key } })
      expectProblem(answer, 400, 'invalid_request')
    },
  )
})

describe('GET /v1/challenges/{challengeId}', () => {
  it('shows a challenge from open to its outcome', async () => {
    const { challengeId, code } = await api.challenge()
    expect((await status(challengeId)).json()).toMatchObject({ status: 'open', delivery: 'accepted', attemptsLeft: 5 })
    await verify(challengeId, wrongCode(code))
    expect((await status(challengeId)).json()).toMatchObject({ status: 'open', attemptsLeft: 4 })
    await verify(challengeId, code)
    const closed = (await status(challengeId.toUpperCase())).json()
    expect(closed).toMatchObject({ challengeId, status: 'verified', closedAt: expect.stringMatching(ISO) })
  })

  it.each(['x', '1', randomUUID().slice(1), `${randomUUID()}%00`, "'", 'null', '0'.repeat(150)])(
    'knows no challenge %s',
    async (id) => {
      for (const answer of [await status(id), await verify(id, '123456'), await resend(id), await cancel(id)]) {
        expectProblem(answer, 404, 'unknown_challenge')
      }
    },
  )
})

describe('POST /v1/challenges/{challengeId}/verify', () => {
  it('verifies the right code as a person types it, and tells the workflow', async () => {
    const { challengeId, memberId, code } = await api.challenge()
    const typed = ` ${Array.from(code, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join('-')} `
    expect((await verify(challengeId, typed)).json()).toMatchObject({ result: 'verified' })
    const result = await api.system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).result()
    expect(result).toMatchObject({ challengeId, outcome: 'verified' })
  })

  it('spends attempts on wrong codes until none is left', async () => {
    const { challengeId, code } = await api.challenge()
    const left: unknown[] = []
    for (let attempt = 0; attempt < 4; attempt++) left.push((await verify(challengeId, wrongCode(code))).json())
    expect(left).toEqual([4, 3, 2, 1].map((attemptsLeft) => ({ result: 'wrong_code', attemptsLeft })))
    await verify(challengeId, wrongCode(code))
    expect((await verify(challengeId, code)).json()).toEqual({ result: 'attempts_exhausted' })
  })

  it('tells an older code, when the one that counts was sent, and who continues', async () => {
    const first = await api.challenge()
    const newer = (await resend(first.challengeId)).json<{ challengeId: string; sentAt: string }>()
    const older = await verify(newer.challengeId, first.code)
    expect(older.json()).toEqual({ result: 'older_code', newestSentAt: newer.sentAt, attemptsLeft: 5 })
    expect((await verify(first.challengeId, first.code)).json()).toEqual({
      result: 'superseded',
      continuedBy: newer.challengeId,
    })
  })

  it.each(['', '12345', '1234567', 'abcdef', '12345٦', '123456\u0000', '1'.repeat(70)])(
    'refuses %j, which cannot be a code, and spends nothing',
    async (code) => {
      const { challengeId } = await api.challenge()
      expectProblem(await verify(challengeId, code), 400, 'invalid_code')
      expect((await status(challengeId)).json()).toMatchObject({ attemptsLeft: 5 })
    },
  )

  it('accepts one of 200 parallel right answers, within two seconds', async () => {
    const { challengeId, code } = await api.challenge()
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: 200 }, () => verify(challengeId, code)))
    const took = performance.now() - began
    const results = answers.map((answer) => answer.json<{ result: string }>().result)
    expect(results.filter((result) => result === 'verified')).toHaveLength(1)
    expect(results.filter((result) => result === 'already_used')).toHaveLength(199)
    expect(took).toBeLessThan(patience(2))
  })

  it('spends at most five attempts on 200 parallel guesses, and then refuses the right code', async () => {
    const { challengeId, code } = await api.challenge()
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: 200 }, () => verify(challengeId, wrongCode(code))))
    const took = performance.now() - began
    const results = answers.map((answer) => answer.json<{ result: string }>().result)
    expect(results.filter((result) => result === 'wrong_code')).toHaveLength(5)
    expect(results.filter((result) => result === 'attempts_exhausted')).toHaveLength(195)
    expect((await readChallenge(api.system.sql, challengeId))?.attempts).toBe(5)
    expect((await verify(challengeId, code)).json()).toEqual({ result: 'attempts_exhausted' })
    expect(took).toBeLessThan(patience(2))
  })

  it('answers 503 and spends nothing when the master key is missing', async () => {
    const { challengeId, code } = await api.challenge()
    const codes = { masterKeys: { current: 'other', keys: new Map([['other', new Uint8Array(32)]]) }, digits: 6 }
    const answer = await api.server({ codes }).inject({
      method: 'POST',
      url: `/v1/challenges/${challengeId}/verify`,
      headers: { authorization: `Bearer ${api.keys.web}` },
      payload: { code },
    })
    expectProblem(answer, 503, 'unavailable')
    expect(answer.headers['retry-after']).toBeDefined()
    expect(api.log()).toContain(UnknownKeyError.name)
    expect((await verify(challengeId, code)).json()).toMatchObject({ result: 'verified' })
  })
})

describe('POST /v1/challenges/{challengeId}/resend', () => {
  it('starts a newer challenge that continues the older, by the same channel, in the same language', async () => {
    const memberId = await api.system.addMember({ language: 'en' })
    const body = { memberId, purpose: 'change_membership', channel: 'email', locale: 'ko' }
    const first = (await start(body)).json<{ challengeId: string }>()
    const answer = await resend(first.challengeId, { body: {} })
    expect(answer.statusCode).toBe(201)
    expect(answer.json()).toMatchObject({
      memberId,
      purpose: 'change_membership',
      channel: 'email',
      status: 'open',
      continues: first.challengeId,
    })
    const [newest, older] = await api.system.simulators.messages(`m${memberId}@example.jp`)
    expect([newest?.language, older?.language]).toEqual(['ko', 'ko'])
    const { challengeId } = answer.json<{ challengeId: string }>()
    expect((await status(first.challengeId)).json()).toMatchObject({ status: 'superseded', continuedBy: challengeId })
  })

  it('goes by the other channel where it is asked to, from any challenge of the chain', async () => {
    const first = await api.challenge()
    const second = (await resend(first.challengeId, { body: { channel: 'email' } })).json<{ challengeId: string }>()
    const third = await resend(first.challengeId)
    expect(third.json()).toMatchObject({ channel: 'email', continues: second.challengeId })
  })

  it('sends to the number being registered again', async () => {
    const memberId = await api.system.addMember()
    const first = await start({ memberId, purpose: 'register_phone', phone: '080-2468-1357' })
    const answer = await resend(first.json<{ challengeId: string }>().challengeId)
    expect(answer.json()).toMatchObject({ purpose: 'register_phone', channel: 'sms', destination: '***-****-1357' })
    expect(await api.system.simulators.messages('+818024681357')).toHaveLength(2)
  })

  it('does not continue what was verified or cancelled', async () => {
    const verified = await api.challenge()
    await verify(verified.challengeId, verified.code)
    const closed = await resend(verified.challengeId)
    expectProblem(closed, 409, 'challenge_closed')
    expect(closed.json()).toMatchObject({ outcome: 'verified' })
    const cancelled = await api.challenge()
    await cancel(cancelled.challengeId)
    expectProblem(await resend(cancelled.challengeId), 409, 'challenge_closed')
  })
})

describe('DELETE /v1/challenges/{challengeId}', () => {
  it('cancels, again and again, and the execution shows as Canceled', async () => {
    const { challengeId, memberId, code } = await api.challenge()
    expect((await cancel(challengeId)).statusCode).toBe(204)
    expect((await cancel(challengeId)).statusCode).toBe(204)
    expect((await status(challengeId)).json()).toMatchObject({ status: 'cancelled', closedAt: expect.any(String) })
    expect((await verify(challengeId, code)).json()).toEqual({ result: 'cancelled' })
    const handle = api.system.temporal.workflow.getHandle(challengeWorkflowId(memberId))
    await api.system.until(async () => (await handle.describe()).status.name === 'CANCELLED')
  })

  it('says which outcome stands where another came first', async () => {
    const { challengeId, code } = await api.challenge()
    await verify(challengeId, code)
    const answer = await cancel(challengeId)
    expectProblem(answer, 409, 'challenge_closed')
    expect(answer.json()).toMatchObject({ outcome: 'verified' })
  })
})

describe('POST /v1/deliverability', () => {
  it.each([
    ['hanako@example.jp', { deliverable: true }],
    ['.hanako@example.jp', { deliverable: false, condition: 1 }],
    ['hanako.@example.jp', { deliverable: false, condition: 1 }],
    ['hana..ko@example.jp', { deliverable: false, condition: 2 }],
    ['hana"ko@example.jp', { deliverable: false, condition: 3 }],
    ['hana@ko@example.jp', { deliverable: false, condition: 3 }],
    ['hanako', { deliverable: false, condition: 'invalid' }],
    ['', { deliverable: false, condition: 'invalid' }],
    [`${'a'.repeat(900)}@example.jp`, { deliverable: false, condition: 'invalid' }],
  ])('says of %s what the page says', async (email, expected) => {
    const answer = await api.call('POST', '/v1/deliverability', { body: { email } })
    expect([answer.statusCode, answer.json()]).toEqual([200, expected])
  })

  it('takes a text and nothing else', async () => {
    for (const body of [{}, { email: 1 }, { email: ['a@example.jp'] }, { email: 'x'.repeat(1_001) }, []]) {
      expectProblem(await api.call('POST', '/v1/deliverability', { body }), 400, 'invalid_request')
    }
  })
})

describe('for operators', () => {
  it('health, readiness and metrics need no key', async () => {
    const open = { headers: { authorization: '' } }
    expect((await api.call('GET', '/healthz', open)).json()).toEqual({ status: 'ok' })
    expect((await api.call('GET', '/readyz', open)).json()).toEqual({
      status: 'ready',
      parts: { postgres: 'ok', temporal: 'ok' },
    })
    const { body } = await api.call('GET', '/metrics', open)
    expect(body).toMatch(/otp_verdicts_total\{result="verified"\} \d+/)
    expect(body).toMatch(/otp_challenges_started_total \d+/)
    expect(body).toMatch(/otp_refusals_total\{at="http",reason="locked"\} \d+/)
    expect(body).toMatch(
      /otp_http_request_duration_seconds_count\{method="POST",route="\/v1\/challenges",status="201"\}/,
    )
    expect(body).toContain('process_resident_memory_bytes')
  })

  it('the document is OpenAPI 3.1 with every call, and can be browsed', async () => {
    const document = (await api.call('GET', '/openapi.json')).json<{ openapi: string; paths: Record<string, object> }>()
    expect(document.openapi).toBe('3.1.0')
    expect(
      Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((m) => `${m} ${path}`)),
    ).toEqual(
      expect.arrayContaining([
        'post /v1/challenges',
        'get /v1/challenges/{challengeId}',
        'delete /v1/challenges/{challengeId}',
        'post /v1/challenges/{challengeId}/verify',
        'post /v1/challenges/{challengeId}/resend',
        'post /v1/deliverability',
        'get /healthz',
        'get /readyz',
      ]),
    )
    const page = await api.call('GET', '/docs')
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers['content-security-policy']).toBeDefined()
  })

  it('a path that is known refuses other methods, and one that is not is not found', async () => {
    const answer = await api.app.inject({ method: 'PUT', url: '/v1/challenges', payload: 'x' })
    expectProblem(answer, 405, 'method_not_allowed')
    expect(answer.headers['allow']).toBe('POST')
    expectProblem(await api.call('GET', '/v1/nothing'), 404, 'not_found')
    expectProblem(await api.call('GET', '/%zz'), 400, 'invalid_request')
  })
})
