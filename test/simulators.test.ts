/**
 * D9: the simulators speak the providers' own HTTP: authentication, validation and status codes as theirs, faults on
 * demand, and an outbox that shows each message as its member would have received it.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { catalogs } from '../messages/catalog.ts'
import { renderMessage } from '../messages/code-message.ts'
import { loadConfig } from '../config.ts'
import { buildSimulators } from '../local/simulators/app.ts'
import { createOutbox } from '../local/simulators/outbox.ts'
import type { OutboxMessage } from '../local/simulators/outbox.ts'
import { codeOf } from './support/simulators.ts'
import { patience } from './support/speed.ts'

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const otherKeys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const vonageApplicationId = randomUUID()
const app = buildSimulators({
  sendgridApiKey: 'SG.right',
  vonageApplicationId,
  vonagePublicKey: keys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  preview: loadConfig(['messages'], {}).messages,
})
let url: string
let jwt: string

beforeAll(async () => {
  url = await app.listen({ host: '127.0.0.1', port: 0 })
  jwt = await signed({})
})
afterEach(async () => {
  await app.inject({ method: 'DELETE', url: '/faults' })
  await app.inject({ method: 'DELETE', url: '/messages' })
})
afterAll(() => app.close())

const mail = {
  personalizations: [{ to: [{ email: 'hanako@example.jp' }], custom_args: { reference: 'r-1' } }],
  from: { email: 'jmb_confirmation@jal.com' },
  subject: 'Your one-time password',
  content: [
    { type: 'text/plain', value: 'One-time password: 123456' },
    { type: 'text/html', value: '<b>123456</b>' },
  ],
}
const sms = {
  channel: 'sms',
  message_type: 'text',
  to: '819012345678',
  from: '22471',
  text: '123456',
  client_ref: 'r-2',
}

const sendMail = (body: object | string = mail, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/v3/mail/send',
    headers: { authorization: 'Bearer SG.right', 'content-type': 'application/json', ...headers },
    payload: body,
  })
const sendSms = (body: object | string = sms, authorization = `Bearer ${jwt}`) =>
  app.inject({
    method: 'POST',
    url: '/v1/messages',
    headers: { authorization, 'content-type': 'application/json' },
    payload: body,
  })
const fault = (body: object | string) =>
  app.inject({
    method: 'POST',
    url: '/faults',
    headers: { 'content-type': 'application/json' },
    payload: body,
  })
const messages = async (query = '') => (await app.inject({ url: `/messages${query}` })).json<OutboxMessage[]>()

function signed(claims: object, { key = keys.privateKey, expiresIn = '15m' } = {}): Promise<string> {
  return new SignJWT({ application_id: vonageApplicationId, jti: randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuedAt()
    .setExpirationTime(expiresIn)
    .sign(key)
}

describe('SendGrid: what is refused', () => {
  test.each(['', 'Bearer', 'Bearer SG.wrong', 'Basic SG.right', 'bearer SG.right '])(
    'authorization %j is 401, in its words',
    async (authorization) => {
      const answer = await sendMail(mail, { authorization })
      expect(answer.statusCode).toBe(401)
      expect(answer.json()).toEqual({
        errors: [
          {
            field: null,
            help: null,
            message: 'The provided authorization grant is invalid, expired, or revoked',
          },
        ],
      })
    },
  )

  test.each<[string, object, string]>([
    ['no personalizations', { personalizations: [] }, 'personalizations'],
    ['no recipient', { personalizations: [{ to: [] }] }, 'personalizations.0.to'],
    [
      'a recipient that is no address',
      { personalizations: [{ to: [{ email: 'a b@c.jp' }] }] },
      'personalizations.0.to.0.email',
    ],
    ['null for a personalization', { personalizations: [null] }, 'personalizations.0'],
    ['no sender', { from: undefined }, 'from'],
    ['a sender that is no address', { from: { email: 'jal.com' } }, 'from.email'],
    ['no subject', { subject: '' }, 'subject'],
    ['no content', { content: [] }, 'content'],
    ['empty content', { content: [{ type: 'text/plain', value: '' }] }, 'content.0.value'],
    ['HTML before text', { content: mail.content.toReversed() }, 'content.1.type'],
    ['a property that SendGrid does not know', { customArgs: { reference: 'r-1' } }, 'customArgs'],
    ['a top-level custom argument', { custom_args: { reference: 'r-1' } }, 'custom_args'],
  ])('%s is 400 and names the field', async (_what, change, field) => {
    const answer = await sendMail({ ...mail, ...change })
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toMatchObject({
      errors: [{ field, message: expect.any(String), help: expect.any(String) }],
    })
    expect(await messages()).toEqual([])
  })

  test.each(['{', '[]', 'null', '"text"', '{"__proto__": {}}'])('body %s is 400', async (body) => {
    const answer = await sendMail(body)
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toHaveProperty('errors.0.message')
  })

  test('what is not JSON by its type is 415', async () => {
    expect((await sendMail('a=b', { 'content-type': 'application/x-www-form-urlencoded' })).statusCode).toBe(415)
  })
})

describe('Vonage: who is refused', () => {
  test('without a JWT, or with another kind of one, 401 in its words', async () => {
    const algNone = `${btoa('{"alg":"none"}')}.${btoa(`{"application_id":"${vonageApplicationId}"}`)}.`
    const wrong = ['', 'Bearer', 'Bearer x.y.z', `Basic ${jwt}`, `Bearer ${algNone}`]
    for (const authorization of wrong) {
      const answer = await sendSms(sms, authorization)
      expect(answer.statusCode).toBe(401)
      expect(answer.json()).toMatchObject({
        type: 'https://developer.vonage.com/api-errors#unauthorized',
        title: 'You did not provide correct credentials.',
      })
    }
  })

  test("another key's, another application's, an expired one's and one without jti are 401", async () => {
    const wrong = await Promise.all([
      signed({}, { key: otherKeys.privateKey }),
      signed({ application_id: randomUUID() }),
      signed({}, { expiresIn: '-1s' }),
      signed({ jti: undefined }),
    ])
    for (const token of wrong) expect((await sendSms(sms, `Bearer ${token}`)).statusCode).toBe(401)
  })

  test('one that was good is good again', async () => {
    expect((await sendSms()).statusCode).toBe(202)
    expect((await sendSms()).statusCode).toBe(202)
  })
})

describe('Vonage: what is refused', () => {
  test.each<[string, object, string]>([
    ['a number with +', { to: '+819012345678' }, 'to'],
    ['a number in national form', { to: '09012345678' }, 'to'],
    ['a number that is too long', { to: '8190123456789012' }, 'to'],
    ['two numbers', { to: '819012345678;819012345679' }, 'to'],
    ['a number for a text', { text: 123456 }, 'text'],
    ['no text', { text: '' }, 'text'],
    ['a text that is too long', { text: 'x'.repeat(1001) }, 'text'],
    ['no sender', { from: undefined }, 'from'],
    ['another channel', { channel: 'whatsapp' }, 'channel'],
    ['another type', { message_type: 'image' }, 'message_type'],
    ['a long reference', { client_ref: 'x'.repeat(101) }, 'client_ref'],
    ['a property that Vonage does not know', { clientRef: 'x' }, 'clientRef'],
    ['an unknown encoding', { sms: { encoding_type: 'ebcdic' } }, 'sms.encoding_type'],
  ])('%s is 422 and names the parameter', async (_what, change, name) => {
    const answer = await sendSms({ ...sms, ...change })
    expect(answer.statusCode).toBe(422)
    expect(answer.json()).toMatchObject({
      title: expect.any(String),
      invalid_parameters: [{ name }],
    })
    expect(await messages()).toEqual([])
  })

  test.each(['[]', 'null', '"text"'])('body %s is 422', async (body) => {
    expect((await sendSms(body)).statusCode).toBe(422)
  })

  test('what cannot be parsed is 400', async () => {
    expect((await sendSms('{')).statusCode).toBe(400)
  })
})

describe('what is accepted', () => {
  test('an e-mail is 202, empty, with an X-Message-Id', async () => {
    const answer = await sendMail()
    expect([answer.statusCode, answer.body]).toEqual([202, ''])
    expect(answer.headers['x-message-id']).toMatch(/^[\w-]{22}$/)
  })

  test('an SMS is 202 with a message_uuid', async () => {
    const answer = await sendSms()
    expect(answer.statusCode).toBe(202)
    expect(answer.json()).toEqual({
      message_uuid: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
    })
  })
})

describe('faults', () => {
  test.each([
    '{}',
    '[]',
    'null',
    '{',
    '{"status": 200}',
    '{"status": "500"}',
    '{"status": 500, "times": 0}',
    '{"drop": "sometimes"}',
    '{"latencyMs": -1}',
    '{"retryAfterSeconds": 3}',
    '{"latencyMs": 5, "retryAfterSeconds": 3}',
    '{"status": 500, "provider": "twilio"}',
    '{"status": 500, "unheardOf": 1}',
    '{"status": 500, "share": 0}',
    '{"status": 500, "share": 1.1}',
    '{"status": 500, "seed": 1}',
    '{"share": 0.5}',
  ])('%s is 400 and adds nothing', async (body) => {
    expect((await fault(body)).statusCode).toBe(400)
    expect((await app.inject({ url: '/faults' })).json()).toEqual({ faults: [] })
  })

  test('a status is answered as often as was asked, then no more', async () => {
    await fault({ provider: 'sendgrid', status: 503, times: 2 })
    const statuses = []
    for (let count = 0; count < 4; count++) statuses.push((await sendMail()).statusCode)
    expect(statuses).toEqual([503, 503, 202, 202])
    expect(await messages()).toHaveLength(2)
  })

  test('one provider fails while the other works', async () => {
    await fault({ provider: 'vonage', status: 500 })
    expect((await sendSms()).statusCode).toBe(500)
    expect((await sendMail()).statusCode).toBe(202)
  })

  test('one destination fails, however it is written, while the others work', async () => {
    await fault({ to: '+819012345678', status: 500 })
    await fault({ to: 'Hanako@Example.jp', status: 500 })
    expect((await sendSms()).statusCode).toBe(500)
    expect((await sendMail()).statusCode).toBe(500)
    expect((await sendSms({ ...sms, to: '819012345679' })).statusCode).toBe(202)
  })

  test('429 says when to come back, as each provider does', async () => {
    await fault({ status: 429, retryAfterSeconds: 3 })
    const [byMail, bySms] = [await sendMail(), await sendSms()]
    expect([byMail.headers['retry-after'], bySms.headers['retry-after']]).toEqual(['3', '3'])
    expect(Number(byMail.headers['x-ratelimit-reset'])).toBeGreaterThan(Date.now() / 1000)
    expect(bySms.json()).toMatchObject({ title: 'Rate Limit Hit' })
  })

  test('a bad request stays one, whatever fault is pending, and uses none up', async () => {
    await fault({ status: 500, times: 1 })
    expect((await sendMail({})).statusCode).toBe(400)
    expect((await sendMail()).statusCode).toBe(500)
  })

  test('shares of one seed are shares of all messages, and the same again in another order', async () => {
    const run = async (numbers: number[]) => {
      await app.inject({ method: 'DELETE', url: '/faults' })
      for (const [share, status] of [[0.2, 500] as const, [0.3, 429] as const]) await fault({ share, status, seed: 4 })
      const statuses = new Map<number, number>()
      for (const number of numbers) {
        statuses.set(number, (await sendSms({ ...sms, to: `8190${10_000_000 + number}` })).statusCode)
      }
      return statuses
    }
    const numbers = Array.from({ length: 500 }, (_, number) => number)
    const first = await run(numbers)
    const countOf = (status: number) => [...first.values()].filter((each) => each === status).length
    // Five standard deviations of what 500 draws give.
    expect(Math.abs(countOf(500) - 100)).toBeLessThan(45)
    expect(Math.abs(countOf(429) - 150)).toBeLessThan(51)
    expect(countOf(202)).toBe(500 - countOf(500) - countOf(429))
    const again = await run(numbers.toReversed())
    expect(numbers.map((number) => again.get(number))).toEqual(numbers.map((number) => first.get(number)))
  })

  test('a share concerns each message to one destination anew', async () => {
    await fault({ share: 0.5, status: 500, seed: 1 })
    const statuses = new Set<number>()
    for (let count = 0; count < 40; count++) statuses.add((await sendSms()).statusCode)
    expect(statuses).toEqual(new Set([202, 500]))
  })

  test('clearing ends them', async () => {
    await fault({ status: 500 })
    expect((await app.inject({ method: 'DELETE', url: '/faults' })).json()).toEqual({ faults: [] })
    expect((await sendMail()).statusCode).toBe(202)
  })

  test('with latency the message is there before the answer', async () => {
    const latencyMs = patience(0.5)
    await fault({ latencyMs, times: 1 })
    const started = performance.now()
    let isAnswered = false
    const sending = sendSms().then((answer) => {
      isAnswered = true
      return { answer, took: performance.now() - started }
    })
    await expect.poll(() => messages(), { interval: 5 }).toHaveLength(1)
    expect(isAnswered).toBe(false)
    const { answer, took } = await sending
    expect(answer.statusCode).toBe(202)
    expect(took).toBeGreaterThanOrEqual(latencyMs - 5)
  })

  test.each([
    ['before', 0],
    ['after', 1],
  ])('a connection dropped %s accepting leaves %i messages', async (drop, count) => {
    await fault({ drop, times: 1 })
    const request = fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' },
      body: JSON.stringify(sms),
    })
    await expect(request).rejects.toThrow('fetch failed')
    expect(await messages()).toHaveLength(count)
  })
})

describe('outbox', () => {
  test('shows both kinds newest first, with all that is known', async () => {
    await sendMail()
    await sendSms()
    const [first, second, ...others] = await messages()
    expect(others).toEqual([])
    expect(first).toEqual({
      id: expect.any(String) as unknown,
      channel: 'sms',
      to: '+819012345678',
      from: '22471',
      reference: 'r-2',
      text: '123456',
      language: null,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown,
    })
    expect(second).toMatchObject({
      channel: 'email',
      to: 'hanako@example.jp',
      from: 'jmb_confirmation@jal.com',
      reference: 'r-1',
      subject: 'Your one-time password',
      text: 'One-time password: 123456',
      html: '<b>123456</b>',
    })
  })

  test.each(['819012345678', '%2B819012345678', '+819012345678'])('finds a number written as %s', async (to) => {
    await sendSms()
    await sendSms({ ...sms, to: '819012345679' })
    expect(await messages(`?to=${to}`)).toHaveLength(1)
  })

  test('finds an address in any case, and nothing for another', async () => {
    await sendMail()
    expect(await messages('?to=HANAKO@example.jp')).toHaveLength(1)
    expect(await messages('?to=taro@example.jp')).toEqual([])
  })

  test('without a destination gives the latest hundred, or as many as are asked for', async () => {
    for (let count = 0; count < 105; count++) await sendSms({ ...sms, text: `${count}` })
    const latest = await messages()
    expect([latest.length, latest[0]?.text, latest[99]?.text]).toEqual([100, '104', '5'])
    expect(await messages('?limit=105')).toHaveLength(105)
  })

  test.each(['?limit=0', '?limit=x', '?to=a&to=b'])('query %s is 400', async (query) => {
    expect((await app.inject({ url: `/messages${query}` })).statusCode).toBe(400)
  })

  test('forgets the oldest beyond its capacity, in every view', () => {
    const outbox = createOutbox(3)
    const accepted = { channel: 'sms', from: '22471', reference: null } as const
    for (const [index, to] of ['+81a', '+81b', '+81a', '+81a', '+81c'].entries()) {
      outbox.add({ ...accepted, id: `${index}`, to, text: '' })
    }
    const ids = (to?: string) => outbox.list(to, 10).map(({ id }) => id)
    expect(ids()).toEqual(['4', '3', '2'])
    expect([ids('81a'), ids('81b'), ids('81c')]).toEqual([['3', '2'], [], ['4']])
    outbox.clear()
    expect([ids(), ids('81a')]).toEqual([[], []])
  })

  test.each(catalogs)('recognises $language, on both channels, and its code is read back', async ({ language }) => {
    const input = {
      language,
      code: '012345',
      purpose: 'redeem_benefit',
      originHost: 'www.jal.co.jp',
      ttlMinutes: 10,
    }
    const { text } = renderMessage({ ...input, channel: 'sms' })
    await sendSms({ ...sms, text })
    const email = renderMessage({ ...input, channel: 'email' })
    await sendMail({
      ...mail,
      subject: email.subject,
      content: [{ type: 'text/plain', value: email.text }],
    })
    const arrived = await messages()
    expect(arrived.map((message) => message.language)).toEqual([language, language])
    expect(arrived.map(codeOf)).toEqual(['012345', '012345'])
  })
})
