/**
 * D1 and D6, as one contract that every provider keeps: a message goes out over the real SDK; what goes wrong is a
 * SendError of the right kind; and no error holds a code, a destination, a text or a credential.
 */
import { inspect } from 'node:util'
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SendError } from '../providers/provider.ts'
import type { Message, Provider, SendErrorKind } from '../providers/provider.ts'
import { readRetryAfter } from '../providers/send-errors.ts'
import { createSendGrid } from '../providers/sendgrid.ts'
import { createVonage } from '../providers/vonage.ts'
import { endlessServer } from './support/endless-server.ts'
import { recordingServer } from './support/recording-server.ts'
import { startSimulators } from './support/simulators.ts'
import type { Simulators } from './support/simulators.ts'
import { patience } from './support/speed.ts'

type Environment = Simulators['env']

interface Contract {
  readonly create: (env: Environment, timeoutMs: number) => Provider
  readonly withWrongCredentials: (env: Environment) => Environment
  readonly message: Message
  /** A message that the provider's validation refuses. */
  readonly invalid: Message
}

const contracts: Record<'sendgrid' | 'vonage', Contract> = {
  sendgrid: {
    create: (env, timeoutMs) =>
      createSendGrid({ apiKey: env.SENDGRID_API_KEY, baseUrl: env.SENDGRID_BASE_URL, timeoutMs }),
    withWrongCredentials: (env) => ({
      ...env,
      SENDGRID_API_KEY: 'SG.another-key-of-somebody-else',
    }),
    message: {
      reference: '0193b3a2-4d7e-7c3a-9d51-0a1b2c3d4e5f',
      to: 'hanako.secret@example.jp',
      from: 'jmb_confirmation@jal.com',
      subject: 'Your one-time password',
      text: 'One-time password: 481516',
      html: '<p>One-time password: <b>481516</b></p>',
    },
    get invalid() {
      return { ...this.message, to: 'hanako.secret@' }
    },
  },
  vonage: {
    create: (env, timeoutMs) =>
      createVonage({
        applicationId: env.VONAGE_APPLICATION_ID,
        privateKey: env.VONAGE_PRIVATE_KEY,
        baseUrl: env.VONAGE_BASE_URL,
        timeoutMs,
      }),
    withWrongCredentials: (env) => ({
      ...env,
      VONAGE_APPLICATION_ID: '6d1b8a52-7c1e-4e0f-9a63-2f1d0c9b8a77',
    }),
    message: {
      reference: '0193b3a2-4d7e-7c3a-9d51-0a1b2c3d4e5f',
      to: '+819012345678',
      from: '0354600124',
      text: '481516 ワンタイムパスワード\n@www.jal.co.jp #481516',
    },
    get invalid() {
      return { ...this.message, to: '+819012345678'.repeat(2) }
    },
  },
}

let simulators: Simulators
beforeAll(async () => {
  simulators = await startSimulators()
})
afterEach(() => simulators.clear())
afterAll(() => simulators.stop())

describe.each(Object.entries(contracts))('%s', (id, contract) => {
  const { message } = contract
  const provider = (env = simulators.env, timeoutMs = 5_000) => contract.create(env, timeoutMs)

  /** The error of one send, having checked that nothing secret is in it, however it is printed. */
  const failure = async (sending: Promise<string>, env = simulators.env): Promise<SendError> => {
    const error: unknown = await sending.then(
      () => expect.unreachable('the message was accepted'),
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(SendError)
    const printed = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + String(error)
    const secrets = ['481516', 'hanako', '9012345678', 'パスワード', 'password:', 'Bearer', 'eyJ', env.SENDGRID_API_KEY]
    for (const secret of [...secrets, env.VONAGE_APPLICATION_ID]) expect(printed).not.toContain(secret)
    expect(error).not.toHaveProperty('cause')
    return error as SendError
  }

  test.each<[number, SendErrorKind]>([
    [400, 'permanent'],
    [401, 'account'],
    [402, 'account'],
    [403, 'account'],
    [404, 'account'],
    [408, 'temporary'],
    [413, 'account'],
    [422, 'permanent'],
    [425, 'temporary'],
    [429, 'limited'],
    [500, 'temporary'],
    [502, 'temporary'],
    [503, 'temporary'],
    [504, 'temporary'],
  ])('an answer of %i is %s, and holds nothing secret', async (status, kind) => {
    await simulators.faults({ status })
    const error = await failure(provider().send(message))
    expect(error.kind).toBe(kind)
    expect(error.message).toBe(`${id} answered ${status}`)
  })

  test.each([400, 422])(
    'a %i that complains of our sender is about our account, not the destination',
    async (status) => {
      await simulators.faults({ status, about: 'from' })
      expect((await failure(provider().send(message))).kind).toBe('account')
    },
  )

  test('a message whose sender the provider finds invalid is about our account', async () => {
    const sending = provider().send({ ...message, from: 'no sender at all' })
    expect((await failure(sending)).kind).toBe('account')
    expect(await simulators.messages()).toEqual([])
  })

  test('a message whose destination the provider finds invalid is permanent', async () => {
    const error = await failure(provider().send(contract.invalid))
    expect(error.kind).toBe('permanent')
    expect(await simulators.messages()).toEqual([])
  })

  test('wrong credentials are about our account: an operator can mend them while the code lives', async () => {
    const env = contract.withWrongCredentials(simulators.env)
    const error = await failure(provider(env).send(message), env)
    expect([error.kind, error.message]).toEqual(['account', `${id} answered 401`])
  })

  test('too many requests name how long to wait', async () => {
    await simulators.faults({ status: 429, retryAfterSeconds: 7 })
    expect((await failure(provider().send(message))).retryAfterMs).toBe(7_000)
  })

  test('an answer that does not come in time is temporary', async () => {
    await simulators.faults({ latencyMs: 60_000 })
    const started = performance.now()
    const error = await failure(provider(simulators.env, 200).send(message))
    expect([error.kind, error.message]).toEqual(['temporary', `${id} did not answer in time`])
    expect(performance.now() - started).toBeLessThan(patience(2))
  })

  test('an abort rejects at once', async () => {
    await simulators.faults({ latencyMs: 60_000 })
    const controller = new AbortController()
    const sending = failure(provider().send(message, controller.signal))
    controller.abort(new Error('481516'))
    expect((await sending).kind).toBe('temporary')
  })

  test('a send that was aborted before it began makes no request', async () => {
    const error = await failure(provider().send(message, AbortSignal.abort()))
    expect(error.kind).toBe('temporary')
    expect(await simulators.messages()).toEqual([])
  })

  test('a connection lost before the message was accepted is temporary', async () => {
    await simulators.faults({ drop: 'before' })
    expect((await failure(provider().send(message))).kind).toBe('temporary')
    expect(await simulators.messages()).toEqual([])
  })

  test('a connection lost after the message was accepted is temporary, and the message is out', async () => {
    await simulators.faults({ drop: 'after', times: 1 })
    expect((await failure(provider().send(message))).kind).toBe('temporary')
    expect(await simulators.messages(message.to)).toHaveLength(1)
    await provider().send(message)
    expect(await simulators.messages(message.to)).toHaveLength(2)
  })

  test('a provider that cannot be reached is temporary, and says how', async () => {
    const env = {
      ...simulators.env,
      SENDGRID_BASE_URL: 'http://127.0.0.1:1',
      VONAGE_BASE_URL: 'http://127.0.0.1:1',
    }
    const error = await failure(provider(env).send(message), env)
    expect(error.kind).toBe('temporary')
    expect(error.message).toMatch(new RegExp(`^${id} did not answer`))
  })

  test('a message arrives as it was handed over, under the id that send returns', async () => {
    const messageId = await provider().send(message)
    const [arrived, ...others] = await simulators.messages(message.to)
    expect(others).toEqual([])
    const { reference, to, from, text, subject, html } = message
    expect(arrived).toMatchObject({ id: messageId, reference, to, from, text })
    expect([arrived?.subject, arrived?.html]).toEqual([subject, html])
  })

  test('parallel messages all arrive, and their connections are used again', async () => {
    const sender = provider()
    await Promise.all(Array.from({ length: 8 }, () => sender.send(message)))
    const opened = simulators.connections()
    for (let count = 0; count < 20; count++) await sender.send(message)
    expect(await simulators.messages(message.to)).toHaveLength(28)
    expect(simulators.connections()).toBe(opened)
  })

  test('a refusal leaves its connection fit for use', async () => {
    const sender = provider()
    await sender.send(message)
    const opened = simulators.connections()
    await simulators.faults({ status: 500, times: 10 })
    for (let count = 0; count < 10; count++) await failure(sender.send(message))
    await sender.send(message)
    expect(simulators.connections()).toBe(opened)
  })
})

describe('over the wire', () => {
  test('an e-mail asks for no tracking, no unsubscribe footer, and carries our reference', async () => {
    await using server = await recordingServer({ status: 202, headers: { 'x-message-id': 'abc' } })
    const sender = createSendGrid({ apiKey: 'SG.key', baseUrl: server.url, timeoutMs: 5_000 })
    expect(await sender.send(contracts.sendgrid.message)).toBe('abc')
    const [request] = server.requests
    expect(request?.headers.authorization).toBe('Bearer SG.key')
    expect(request?.body).toMatchObject({
      personalizations: [{ custom_args: { reference: contracts.sendgrid.message.reference } }],
      content: [{ type: 'text/plain' }, { type: 'text/html' }],
      tracking_settings: {
        click_tracking: { enable: false, enable_text: false },
        open_tracking: { enable: false },
        subscription_tracking: { enable: false },
        ganalytics: { enable: false },
      },
    })
  })

  test('an address beyond ASCII goes out in its ASCII form', async () => {
    await using server = await recordingServer({ status: 202, headers: { 'x-message-id': 'abc' } })
    const sender = createSendGrid({ apiKey: 'SG.key', baseUrl: server.url, timeoutMs: 5_000 })
    await sender.send({ ...contracts.sendgrid.message, to: 'hanako@例え.jp' })
    expect(server.requests[0]?.body).toMatchObject({ personalizations: [{ to: [{ email: 'hanako@xn--r8jz45g.jp' }] }] })
  })

  test('an address without an ASCII form is permanent, and makes no request', async () => {
    await using server = await recordingServer({ status: 202, headers: { 'x-message-id': 'abc' } })
    const sender = createSendGrid({ apiKey: 'SG.key', baseUrl: server.url, timeoutMs: 5_000 })
    const error: unknown = await sender
      .send({ ...contracts.sendgrid.message, to: `hanako@${'例'.repeat(60)}.jp` })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'SendError',
      kind: 'permanent',
      message: 'the domain of the address cannot be written in ASCII',
    })
    expect(server.requests).toEqual([])
  })

  test('an SMS is plain Messages API, and one JWT serves several', async () => {
    await using server = await recordingServer({ status: 202, body: { message_uuid: 'u-1' } })
    const { VONAGE_APPLICATION_ID: applicationId, VONAGE_PRIVATE_KEY: privateKey } = simulators.env
    const sender = createVonage({
      applicationId,
      privateKey,
      baseUrl: server.url,
      timeoutMs: 5_000,
    })
    expect(await sender.send(contracts.vonage.message)).toBe('u-1')
    await sender.send(contracts.vonage.message)
    const [first, second] = server.requests
    expect(first?.body).toEqual({
      channel: 'sms',
      message_type: 'text',
      to: '819012345678',
      from: '0354600124',
      text: contracts.vonage.message.text,
      client_ref: contracts.vonage.message.reference,
      sms: { encoding_type: 'auto' },
    })
    expect(first?.headers.authorization).toMatch(/^Bearer eyJ/)
    expect(second?.headers.authorization).toBe(first?.headers.authorization)
  })

  test("SendGrid's own word for the end of its limit is understood", async () => {
    const resetsAt = String(Math.ceil(Date.now() / 1000) + 20)
    await using server = await recordingServer({
      status: 429,
      headers: { 'x-ratelimit-reset': resetsAt },
    })
    const sender = createSendGrid({ apiKey: 'SG.key', baseUrl: server.url, timeoutMs: 5_000 })
    const error: unknown = await sender.send(contracts.sendgrid.message).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ kind: 'limited' })
    expect((error as SendError).retryAfterMs).toBeGreaterThan(15_000)
    expect((error as SendError).retryAfterMs).toBeLessThanOrEqual(21_000)
  })

  test.each(['', 'not JSON', '{}', 'null', '<html>'])('a success with body %j and no id is no success', async (raw) => {
    await using server = await recordingServer({ status: 202, raw })
    const { VONAGE_APPLICATION_ID: applicationId, VONAGE_PRIVATE_KEY: privateKey } = simulators.env
    const options = { baseUrl: server.url, timeoutMs: 1_000 }
    const vonage = createVonage({ applicationId, privateKey, ...options })
    const sendgrid = createSendGrid({ apiKey: 'SG.key', ...options })
    await expect(vonage.send(contracts.vonage.message)).rejects.toMatchObject({
      name: 'SendError',
      kind: 'temporary',
    })
    await expect(sendgrid.send(contracts.sendgrid.message)).rejects.toMatchObject({
      name: 'SendError',
      kind: 'temporary',
    })
  })

  test('DEBUG=* makes no SDK print what it sends', async () => {
    const env = { ...simulators.env, DEBUG: '*', PATH: process.env['PATH'] ?? '' }
    const script = `
      import { createVonage } from './providers/vonage.ts'
      const sender = createVonage({ applicationId: process.env.VONAGE_APPLICATION_ID, timeoutMs: 5000,
        privateKey: process.env.VONAGE_PRIVATE_KEY, baseUrl: process.env.VONAGE_BASE_URL })
      await sender.send(${JSON.stringify(contracts.vonage.message)})
      console.log('sent')`
    const { all } = await execa(process.execPath, ['--input-type=module-typescript', '--eval', script], {
      all: true,
      env,
      extendEnv: false,
      cwd: new URL('..', import.meta.url),
    })
    expect(all).toContain('sent')
    for (const secret of ['481516', '9012345678', 'PRIVATE KEY', 'Bearer', 'eyJ']) expect(all).not.toContain(secret)
  })
})

describe.each(Object.entries(contracts))('a hostile %s', (_id, { create, message }) => {
  const at = (url: string) => create({ ...simulators.env, SENDGRID_BASE_URL: url, VONAGE_BASE_URL: url }, 5_000)

  test.each([301, 302, 303, 307, 308])('that redirects with a %i is sent nothing elsewhere', async (status) => {
    await using elsewhere = await recordingServer({
      status: 202,
      headers: { 'x-message-id': 'abc' },
      body: { message_uuid: 'u-1' },
    })
    await using server = await recordingServer({ status, headers: { location: elsewhere.url } })
    await expect(at(server.url).send(message)).rejects.toMatchObject({ name: 'SendError', kind: 'temporary' })
    expect(elsewhere.requests).toEqual([])
  })

  test.each([
    [202, undefined],
    [422, undefined],
    [202, 'gzip'],
  ])('that answers a %i with 100 MB (%s) is read to a bound, and has failed', async (status, encoding) => {
    const before = process.memoryUsage().rss
    await using server = await endlessServer({ status, encoding, bytes: 100_000_000 })
    await expect(at(server.url).send(message)).rejects.toMatchObject({ name: 'SendError', kind: 'temporary' })
    await server.ended
    // What the machine holds of a connection on its way is some megabytes; the body has a hundred.
    expect(server.sent()).toBeLessThan(20_000_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000)
  })

  test('whose answer trickles in without end is left at the time limit', async () => {
    await using server = await endlessServer({ status: 202, bytes: 100_000_000, everyMs: 20, piece: 10 })
    const sender = create({ ...simulators.env, SENDGRID_BASE_URL: server.url, VONAGE_BASE_URL: server.url }, 300)
    await expect(sender.send(message)).rejects.toMatchObject({ name: 'SendError', kind: 'temporary' })
    await server.ended
  })
})

describe('keys', () => {
  test.each(['', 'no key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'])(
    'a private key that is none is refused at once, unrepeated',
    (privateKey) => {
      const create = () => createVonage({ applicationId: 'a', privateKey, baseUrl: 'http://127.0.0.1', timeoutMs: 1 })
      expect(create).toThrow("the Vonage application's private key cannot be read: it wants an RSA key in PEM")
    },
  )
})

describe('Retry-After', () => {
  const now = Date.parse('2026-11-01T00:00:00Z')
  test.each([
    ['0', 0],
    ['120', 120_000],
    ['Sun, 01 Nov 2026 00:00:30 GMT', 30_000],
    ['Sat, 31 Oct 2026 00:00:00 GMT', 0],
    ['999999999', 86_400_000],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['1e99', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j reads as %j ms', (value, wait) => {
    expect(readRetryAfter(value, now)).toBe(wait)
  })
})
