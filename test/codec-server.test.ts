/**
 * C10, O1: the codec server makes payloads readable for the Web UI, but for codes.
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { promisify } from 'node:util'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import type { JWTPayload } from 'jose'
import { afterAll, describe, expect, it } from 'vitest'
import { codecCallers } from '../api/codec-callers.ts'
import { loadConfig } from '../config.ts'
import { createLog } from '../logging/create-log.ts'
import { buildCodecServer } from '../temporal/codec-server.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'
import { startIssuer } from './support/issuer.ts'

const ring = (...ids: string[]) => ({
  current: ids[0]!,
  keys: new Map(ids.map((id) => [id, new Uint8Array(randomBytes(32))] as const)),
})
const keys = ring('new', 'old')
const codec = createPayloadCodec(keys)
const UI = 'http://127.0.0.1:8233'
const lines: string[] = []
const log = createLog(
  { level: 'info' },
  new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) }),
)
const app = buildCodecServer({ codec, origins: [UI], log })
afterAll(() => app.close())

interface JsonPayload {
  metadata: Record<string, string>
  data: string
}

const toJson = ({ metadata, data }: Payload): JsonPayload => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  ),
  data: Buffer.from(data ?? []).toString('base64'),
})
const plain = (value: unknown) => toJson(defaultPayloadConverter.toPayload(value))
const encrypted = async (value: unknown, by = codec) => {
  const [payload] = await by.encode([defaultPayloadConverter.toPayload(value)])
  return toJson(payload!)
}
const ask = (path: string, payload: unknown, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: path,
    headers: { 'content-type': 'application/json', 'x-namespace': 'default', origin: UI, ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })
const decoded = async (...payloads: JsonPayload[]) => {
  const answer = await ask('/decode', { payloads })
  expect(answer.statusCode).toBe(200)
  return answer
    .json<{ payloads: JsonPayload[] }>()
    .payloads.map(({ data }) => JSON.parse(Buffer.from(data, 'base64').toString()) as unknown)
}

const CODE = '042817'

describe('a code is never shown', () => {
  it.each([
    ['the message of verifyCode', { challengeId: 'c', code: CODE }],
    ['a message that lacks its challengeId', { code: CODE }],
    ['a message with its fields in the wrong case', { challengeID: 'c', Code: CODE }],
    ['a code sent as a number', { challengeId: 'c', code: 428_171 }],
    ['a code in the depth of an object', { challengeId: 'c', attempt: { list: [{ code: CODE }] } }],
    ['a message inside a list', [{ challengeId: 'c', code: CODE }]],
    ['a bare code', CODE],
    ['a bare code as a person types it', '０４２-８１７'],
    ['an object inside an object', { input: { challengeId: 'c', code: ` ${CODE} ` } }],
  ])('in %s', async (_what, value) => {
    const shown = JSON.stringify([await decoded(await encrypted(value)), await decoded(plain(value))])
    expect(shown).toContain('[redacted]')
    expect(shown).not.toMatch(/428_?17|０４２/)
  })

  it('in what is nested too deeply to be looked through', async () => {
    const data = Buffer.from(`{"code":"${CODE}","x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`).toString('base64')
    const payload = { metadata: { encoding: Buffer.from('json/plain').toString('base64') }, data }
    expect(JSON.stringify(await decoded(payload))).toBe('["[redacted]"]')
  })

  it('while everything beside it stays as it was', async () => {
    const value = { challengeId: 'c', code: CODE, note: 'kept', attemptsLeft: 4, none: null }
    expect(await decoded(await encrypted(value))).toEqual([{ ...value, code: '[redacted]' }])
  })
})

describe('what is decoded', () => {
  it('is what was encrypted, in its order, with each key that is known', async () => {
    const byOld = createPayloadCodec({ current: 'old', keys: keys.keys })
    const values = [{ outcome: 'verified' }, 'text', 17, null, [1, 2]]
    const payloads = [...(await Promise.all(values.map((value) => encrypted(value)))), await encrypted('by old', byOld)]
    const answer = await ask('/decode', { payloads })
    const data = answer.json<{ payloads: JsonPayload[] }>().payloads
    expect(data.map((payload) => Buffer.from(payload.data, 'base64').toString())).toEqual([
      ...values.map((value) => JSON.stringify(value)),
      '"by old"',
    ])
  })

  it('stays as it is when its key is unknown', async () => {
    const payload = await encrypted('secret', createPayloadCodec(ring('stranger')))
    const answer = await ask('/decode', { payloads: [payload] })
    expect(answer.json()).toEqual({ payloads: [payload] })
  })

  it('stays as it is when it only pretends to be JSON', async () => {
    const payload = { metadata: { encoding: Buffer.from('json/plain').toString('base64') }, data: 'e2JvdGNo' }
    expect((await ask('/decode', { payloads: [payload] })).json()).toEqual({ payloads: [payload] })
  })

  it.each(['/encode', '/decode'])('may be left out, as Temporal’s CLI does (F11): %s', async (path) => {
    expect((await ask(path, {})).json()).toEqual({ payloads: [] })
  })

  it('may be nothing', async () => {
    expect((await ask('/decode', { payloads: [] })).json()).toEqual({ payloads: [] })
    expect((await ask('/decode', { payloads: [{}] })).json()).toEqual({ payloads: [{ metadata: {}, data: '' }] })
  })
})

describe('what is encoded', () => {
  it('is encrypted, and reads as it was to the workflow', async () => {
    const payload = plain({ challengeId: 'c', code: CODE })
    const answer = await ask('/encode', { payloads: [payload] })
    const [sealed] = answer.json<{ payloads: JsonPayload[] }>().payloads
    expect(Buffer.from(sealed!.metadata['encoding']!, 'base64').toString()).toBe('binary/encrypted')
    expect(JSON.stringify(sealed)).not.toContain(payload.data)
    const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
    const [opened] = await codec.decode([
      {
        metadata: Object.fromEntries(Object.entries(sealed!.metadata).map(([name, value]) => [name, bytes(value)])),
        data: bytes(sealed!.data),
      },
    ])
    expect(defaultPayloadConverter.fromPayload(opened!)).toEqual({ challengeId: 'c', code: CODE })
  })
})

describe('a page of another origin', () => {
  it.each(['http://evil.example', 'null', 'http://127.0.0.1:8234', `${UI}.evil.example`])(
    'is refused: %s',
    async (origin) => {
      const answer = await ask('/decode', { payloads: [await encrypted('secret')] }, { origin })
      expect(answer.statusCode).toBe(403)
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
      const preflight = await app.inject({ method: 'OPTIONS', url: '/decode', headers: { origin } })
      expect(preflight.statusCode).toBe(403)
    },
  )

  it('is not the Web UI, whose preflight and requests pass', async () => {
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/decode',
      headers: {
        origin: UI,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-namespace',
      },
    })
    expect(preflight.statusCode).toBe(204)
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': UI,
      'access-control-allow-headers': 'content-type, x-namespace, authorization',
      vary: 'origin',
    })
    const answer = await ask('/decode', { payloads: [await encrypted('text')] })
    expect(answer.headers['access-control-allow-origin']).toBe(UI)
  })
})

describe('a request of the wrong shape', () => {
  it.each([
    ['{', 400],
    ['null', 400],
    ['[]', 400],
    ['{"payloads": 1}', 400],
    ['{"payloads": [{"data": "not base64!"}]}', 400],
    ['{"payloads": [{"data": 5}]}', 400],
    ['{"__proto__": {"payloads": []}}', 400],
  ])('is refused: %s', async (payload, status) => {
    const answer = await ask('/decode', payload)
    expect(answer.statusCode).toBe(status)
    expect(answer.json()).toEqual({ message: 'wants {"payloads": […]}' })
  })
})

it('the process names all that is wrong at once, who may call included', async () => {
  const wrong = { OTP_CODEC_SERVER_CALLERS: 'known', OTP_CODEC_SERVER_ORIGINS: UI, OTP_CODEC_SERVER_PORT: 'x' }
  const server = promisify(execFile)(process.execPath, ['api/codec-server.ts'], {
    env: { ...wrong, OTP_LOG_LEVEL: 'x' },
  })
  const { code, stderr } = await server.then(
    () => expect.fail('it started'),
    (error: { code: number; stderr: string }) => error,
  )
  const variables = [...stderr.matchAll(/^ {2}(\w+): /gm)].map(([, variable]) => variable!)
  expect([code, variables.toSorted()]).toEqual([
    2,
    ['OTP_API_KEYS', 'OTP_CODEC_KEYS', 'OTP_CODEC_SERVER_PORT', 'OTP_LOG_LEVEL'],
  ])
})

describe('where callers are configured', () => {
  const callerOf = (name: string, scopes: string[]) => {
    const key = randomBytes(24).toString('base64url')
    return { key, caller: { name, keySha256: createHash('sha256').update(key).digest('hex'), scopes } }
  }
  const [operator, stranger] = [callerOf('operator', ['payloads:decode']), callerOf('web', ['challenges:start'])]
  const guarded = buildCodecServer({
    codec,
    origins: [UI],
    log,
    authenticate: codecCallers({ apiKeys: [operator.caller, stranger.caller], tokens: undefined }),
  })
  afterAll(() => guarded.close())
  const decode = async (authorization?: string, namespace = 'default') =>
    guarded.inject({
      method: 'POST',
      url: '/decode',
      headers: { origin: UI, 'x-namespace': namespace, ...(authorization && { authorization }) },
      payload: { payloads: [await encrypted('secret'), await encrypted('another')] },
    })

  it.each([
    ['without a key', undefined, 401],
    ['with a key that nobody has', 'Bearer nobody', 401],
    ['with a key as a password', `Basic ${Buffer.from(`x:${operator.key}`).toString('base64')}`, 401],
    ['with a key that may do other things', `Bearer ${stranger.key}`, 403],
  ])('nobody reads %s', async (_what, authorization, status) => {
    const before = lines.length
    const answer = await decode(authorization)
    expect([answer.statusCode, answer.json<object>()]).toEqual([status, { message: expect.any(String) as string }])
    // The page of the Web UI shall be able to say so.
    expect(answer.headers['access-control-allow-origin']).toBe(UI)
    expect(lines.slice(before).join('')).toContain('somebody was refused')
    for (const path of ['/encode', '/decode']) {
      expect((await guarded.inject({ method: 'POST', url: path, payload: '{' })).statusCode, path).toBe(401)
    }
  })

  it('who has the scope reads, and the log says who, of which namespace and how much, and nothing of it', async () => {
    const before = lines.length
    const answer = await decode(`Bearer ${operator.key}`, 'bank')
    expect(answer.statusCode).toBe(200)
    const [line] = lines.slice(before).map((text) => JSON.parse(text) as Record<string, unknown>)
    expect(line).toMatchObject({ caller: 'operator', namespace: 'bank', count: 2, msg: 'payloads were decoded' })
    expect(lines.join('')).not.toMatch(new RegExp(`secret|another|${operator.key}|${CODE}`))
    await decode(`Bearer ${operator.key}`, 'x\n"caller":"me"')
    expect(lines.at(-1)).toContain('"namespace":"unknown"')
  })

  it('of the users of one Web UI, whose tokens have the same client, the log says which it was', async () => {
    const issuer = await startIssuer()
    const { tokens } = loadConfig(['callers'], issuer.env).callers
    const forUsers = buildCodecServer({
      codec,
      origins: [UI],
      log,
      authenticate: codecCallers({ apiKeys: [], tokens }),
    })
    const readAs = async (sub?: unknown) => {
      const claims = { client_id: 'web-ui', scope: 'payloads:decode', sub } as JWTPayload
      const headers = { authorization: `Bearer ${await issuer.sign(claims)}` }
      const answer = await forUsers.inject({ method: 'POST', url: '/decode', headers, payload: { payloads: [] } })
      expect(answer.statusCode).toBe(200)
      return JSON.parse(lines.at(-1)!) as Record<string, unknown>
    }
    expect(await readAs('u-17')).toMatchObject({ caller: 'oauth/web-ui', sub: 'u-17' })
    expect(await readAs('u-18')).toMatchObject({ caller: 'oauth/web-ui', sub: 'u-18' })
    expect((await readAs('x'.repeat(10_000)))['sub']).toBe('x'.repeat(128))
    expect(await readAs()).not.toHaveProperty('sub')
    await Promise.all([forUsers.close(), issuer.close()])
  })

  it('the Web UI asks first whether it may say who its user is', async () => {
    const preflight = await guarded.inject({ method: 'OPTIONS', url: '/decode', headers: { origin: UI } })
    expect(preflight.statusCode).toBe(204)
    expect(preflight.headers['access-control-allow-headers']).toContain('authorization')
  })
})
