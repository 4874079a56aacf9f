/**
 * I8, U1: whatever is sent to the HTTP API gets a 4xx and changes nothing, what is broken behind it a 503 within 5 s,
 * and the logs hold nothing of any of it.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket, type AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bounded } from '../api/deadline.ts'
import { createSentWaiter, type SentWaiter } from '../client/sent-waiter.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { startApi, type Api } from './support/api.ts'
import { startFlakyProxy, type FlakyProxy } from './support/flaky-proxy.ts'
import { patience } from './support/speed.ts'
import { temporalAddress } from './support/stack.ts'
import { wrongCode } from './support/system.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const raw = (path: string, payload: string | Buffer, headers: Record<string, string> = {}) =>
  api.app.inject({
    method: 'POST',
    url: path,
    headers: { authorization: `Bearer ${api.keys.web}`, 'content-type': 'application/json', ...headers },
    payload,
  })
const attemptsOf = async (challengeId: string) => (await readChallenge(api.system.sql, challengeId))?.attempts

describe('a hostile body', () => {
  it('never stands for a code, whatever type it has, and spends nothing', async () => {
    const { challengeId, code } = await api.challenge()
    const codes: unknown[] = [
      [code],
      [[code]],
      Number(code),
      true,
      false,
      null,
      { code },
      { length: 6 },
      { toString: code },
      {},
      [],
    ]
    for (const value of codes) {
      const answer = await raw(`/v1/challenges/${challengeId}/verify`, JSON.stringify({ code: value }))
      expect([answer.statusCode, answer.json()]).toMatchObject([400, { code: 'invalid_code' }])
      expect(answer.body).not.toContain(code)
    }
    expect(await attemptsOf(challengeId)).toBe(0)
  })

  it.each([
    ['a prototype', (code: string) => `{"code":"${code}","__proto__":{"admin":true}}`],
    ['a prototype in escapes', (code: string) => `{"code":"${code}","\\u005f_proto__":{"admin":true}}`],
    ['a constructor', (code: string) => `{"code":"${code}","constructor":{"prototype":{"admin":true}}}`],
    ['an unknown field', (code: string) => `{"code":"${code}","attemptsLeft":99}`],
    ['a field twice', (code: string) => `{"code":"000000","code":"${code}"}`],
    ['a field twice in escapes', (code: string) => `{"code":"000000","\\u0063ode":"${code}"}`],
    ['a list', (code: string) => `[{"code":"${code}"}]`],
    ['a text', (code: string) => `"${code}"`],
    ['nothing', () => ''],
    ['null', () => 'null'],
    ['half an object', (code: string) => `{"code":"${code}"`],
    ['two objects', (code: string) => `{"code":"${code}"}{"code":"${code}"}`],
    ['single quotes', (code: string) => `{'code':'${code}'}`],
    [
      'invalid UTF-8',
      (code: string) => Buffer.concat([Buffer.from(`{"code":"${code}`), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]),
    ],
    ['UTF-16', (code: string) => Buffer.from(`{"code":"${code}"}`, 'utf16le')],
    ['a depth of 30,000', () => '['.repeat(30_000) + ']'.repeat(30_000)],
    ['a depth of 10,000 in a field', () => `{"depth":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
  ])('of %s is refused with 400', async (_what, body) => {
    const { challengeId, code } = await api.challenge()
    const answer = await raw(`/v1/challenges/${challengeId}/verify`, body(code))
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { code: 'invalid_request' }])
    expect(answer.body).not.toContain(code)
    expect(await readChallenge(api.system.sql, challengeId)).toMatchObject({ attempts: 0, outcome: null })
  })

  it('of 10 MB is refused with 413 before it is looked at', async () => {
    const began = performance.now()
    const answer = await raw('/v1/deliverability', JSON.stringify({ email: 'a'.repeat(10_000_000) }))
    expect([answer.statusCode, answer.json()]).toMatchObject([413, { code: 'payload_too_large' }])
    expect(performance.now() - began).toBeLessThan(patience(1))
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'application/vnd.api+json',
    'application/json; charset=utf-16',
    'application/json; charset=shift_jis',
    'application/json; version=2',
    'application/json;',
    'application/json, text/plain',
    'application/json\ttext/plain',
    'text/plain; application/json',
    '',
  ])('declared as %j is refused with 415', async (type) => {
    const answer = await raw('/v1/deliverability', '{"email":"a@example.jp"}', { 'content-type': type })
    expect([answer.statusCode, answer.json()]).toMatchObject([415, { code: 'unsupported_media_type' }])
  })

  it.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
  ])('is none where it is declared as %s', async (type) => {
    const answer = await raw('/v1/deliverability', '{"email":"a@example.jp"}', { 'content-type': type })
    expect(answer.statusCode).toBe(200)
  })

  it('that is compressed is refused with 415', async () => {
    const answer = await raw('/v1/deliverability', '{"email":"a@example.jp"}', { 'content-encoding': 'gzip' })
    expect(answer.statusCode).toBe(415)
  })
})

describe('over a socket', () => {
  let server: FastifyInstance
  let port: number
  beforeAll(async () => {
    server = api.server({}, { OTP_HTTP_REQUEST_TIMEOUT_SECONDS: '1' })
    await server.listen({ host: '127.0.0.1', port: 0 })
    port = (server.server.address() as AddressInfo).port
  })

  /** Writes the parts, a pause after each, and gives what came back until the server closed. */
  async function talk(parts: readonly string[], pauseMs = 0): Promise<string> {
    const socket = connectSocket(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    for (const part of parts) {
      if (socket.destroyed) break
      socket.write(part)
      if (pauseMs > 0) await wait(pauseMs)
    }
    await closed
    return answer
  }
  const head = (...lines: string[]) =>
    ['POST /v1/deliverability HTTP/1.1', 'host: x', `authorization: Bearer ${api.keys.web}`, ...lines, '', ''].join(
      '\r\n',
    )
  const json = 'content-type: application/json'

  it.each([
    ['another', () => 'wrong'],
    ['the same again', () => api.keys.web],
  ])('a key, and %s in a second header, are none (F17)', async (_what, second) => {
    const body = '{"email":"a@example.jp"}'
    const lines = [`Authorization: Bearer ${second()}`, json, `content-length: ${body.length}`, 'connection: close']
    const answer = await talk([head(...lines), body])
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
    expect(answer).toContain('"code":"unauthorized"')
  })

  it.each([
    ['its body', () => [head(json, 'content-length: 24'), ...Array.from('{"email":"a@example.jp"}')]],
    ['its headers', () => Array.from(head(json, 'content-length: 0'))],
    ['nothing after half a line', () => ['POST /v1/del']],
  ])('a sender that is slow with %s gets 408 and is cut off', async (_what, parts) => {
    const began = performance.now()
    const answer = await talk(parts(), 150)
    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toContain('"code":"request_timeout"')
    // The second that a sender has, and the machine's share.
    expect(performance.now() - began).toBeLessThan(1_000 + patience(3))
  })

  it.each([
    [
      'a header of 20 KB',
      () => head(json, `x-long: ${'a'.repeat(20_000)}`, 'content-length: 0'),
      431,
      'headers_too_large',
    ],
    ['two lengths', () => head(json, 'content-length: 2', 'content-length: 3') + '{}', 400, 'invalid_request'],
    [
      'a length and chunks, as smugglers send them',
      () => `${head(json, 'content-length: 4', 'transfer-encoding: chunked')}0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
      400,
      'invalid_request',
    ],
    [
      'a chunk that is none',
      () => `${head(json, 'transfer-encoding: chunked')}zz\r\n{}\r\n0\r\n\r\n`,
      400,
      'invalid_request',
    ],
    ['no HTTP at all', () => '\u0016\u0003\u0001\u0002\u0000\r\n\r\n', 400, 'invalid_request'],
    ['a header with a NUL', () => head(json, 'x-nul: a\u0000b', 'content-length: 0'), 400, 'invalid_request'],
  ])('%s is refused', async (_what, request, status, code) => {
    const answer = await talk([request()])
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain(`"code":"${code}"`)
    expect(answer).toContain('application/problem+json')
  })

  it('an expectation that nobody knows is passed over, and the request answered', async () => {
    const answer = await talk([`${head(json, 'expect: miracles', 'connection: close', 'content-length: 2')}{}`])
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('"code":"invalid_request"')
  })

  it('10 MB that keep coming are cut off at the limit', async () => {
    const answer = await talk([head(json, 'content-length: 10000000', 'connection: close'), 'x'.repeat(10_000_000)])
    // The answer may be lost when the server closes on a sender that does not stop.
    expect(answer).toMatch(/^(?:HTTP\/1\.1 413 |$)/)
  })
})

describe('whatever is sent to any operation of the served document', () => {
  interface BodySchema {
    readonly properties?: Record<string, object>
    readonly oneOf?: readonly BodySchema[]
    readonly anyOf?: readonly BodySchema[]
  }
  interface Operation {
    readonly parameters?: readonly { name: string; in: string }[]
    readonly requestBody?: { content: Record<string, { schema: BodySchema }> }
    readonly responses: Record<string, { content?: Record<string, { schema: object }> }>
  }
  interface Document {
    readonly components: object
    readonly paths: Record<string, Record<string, Operation>>
  }

  it('is answered as the document says, and never with a 5xx', async () => {
    const document = (await api.call('GET', '/openapi.json')).json<Document>()
    const { challengeId, memberId } = await api.challenge()
    const ajv = formats.default(new Ajv2020({ strict: false }))
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    )
    const validators = new Map<string, ReturnType<typeof ajv.compile>>()
    const validatorOf = (key: string, schema: object) => {
      const known = validators.get(key) ?? ajv.compile({ components: document.components, ...schema })
      validators.set(key, known)
      return known
    }
    /** What is wrong with an answer, by the document. */
    const complaintAbout = (answer: LightMyRequestResponse, { responses }: Operation, name: string) => {
      const { statusCode: status, body } = answer
      const documented = responses[status]
      if (status >= 500 || documented === undefined) return `${name} answered ${status}: ${body}`
      if (documented.content === undefined) return body === '' ? undefined : `${name}: ${status} has a body`
      const [type = ''] = String(answer.headers['content-type']).split(';')
      const { schema } = documented.content[type] ?? {}
      if (schema === undefined) return `${name} answered ${status} with ${type}`
      const validate = validatorOf(`${name} ${status}`, schema)
      return validate(answer.json()) ? undefined : `${name} ${status}: ${ajv.errorsText(validate.errors)}`
    }

    const oddText = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 70 }),
      fc.constantFrom(
        '',
        '123456',
        '０１２３４５',
        'register_phone',
        'view_membership',
        'sms',
        '__proto__',
        '\ud800',
        '2001:db8::1',
      ),
      fc.constantFrom(
        '090-1234-5678',
        '+819012345678;ext=1',
        "'; drop table members; --",
        'a@example.jp',
        '\u202e',
        memberId,
      ),
    )
    const value = fc.oneof({ weight: 3, arbitrary: oddText }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) })
    const KNOWN: Record<string, unknown[]> = {
      purpose: ['view_membership'],
      campaignId: ['autumn'],
      command: ['pause', 'resume', 'rate', 'skip-bake', 'exempt', 'abort', 'complete'],
      why: ['a test'],
      plan: [{}, { waves: [{ percent: 50 }] }],
    }
    const bodyOf = ({ requestBody }: Operation) => {
      const schema = requestBody?.content['application/json']?.schema
      const kinds = schema?.oneOf ?? schema?.anyOf ?? [schema ?? {}]
      const fields = [...new Set(kinds.flatMap(({ properties }) => Object.keys(properties ?? {})))]
      const shaped = fc.record(
        Object.fromEntries(
          fields.map((name) => [
            name,
            name === 'memberId'
              ? fc.oneof(fc.constant(memberId), value)
              : name in KNOWN
                ? fc.oneof(fc.constantFrom(...KNOWN[name]!), value)
                : value,
          ]),
        ),
        { requiredKeys: fields.filter((name) => ['memberId', 'code', 'email'].includes(name) || name in KNOWN) },
      )
      const text = fc.oneof(shaped, fc.jsonValue()).map((body) => JSON.stringify(body))
      const torn = fc.tuple(text, fc.nat(), fc.string({ maxLength: 3 })).map(([json, at, noise]) => {
        const place = at % (json.length + 1)
        return json.slice(0, place) + noise + json.slice(place + 1)
      })
      return fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: torn })
    }
    const idOf = fc.oneof(
      { weight: 3, arbitrary: fc.constant(challengeId) },
      fc.uuid(),
      oddText,
      fc.constantFrom(memberId, 'autumn'),
    )
    const request = fc.constantFrom(...operations).chain((chosen) =>
      fc.record({
        chosen: fc.constant(chosen),
        id: idOf,
        body: bodyOf(chosen.operation),
        key: fc.option(fc.string({ maxLength: 20 }).filter((text) => /^[\t\x20-\x7e]*$/.test(text))),
        query: fc.option(fc.webQueryParameters()),
      }),
    )

    await fc.assert(
      fc.asyncProperty(request, async ({ chosen: { path, method, operation }, id, body, key, query }) => {
        const isOfCampaigns = path.startsWith('/v1/campaigns')
        const url = path.replaceAll(/\{\w+\}/g, encodeURIComponent(id.toWellFormed()))
        const answer = await api.app.inject({
          method: method.toUpperCase() as 'POST',
          url: query === null ? url : `${url}?${query}`,
          headers: {
            authorization: `Bearer ${isOfCampaigns ? api.keys.operator : api.keys.support}`,
            ...(operation.requestBody && { 'content-type': 'application/json' }),
            ...(key !== null && { 'idempotency-key': key }),
          },
          ...(operation.requestBody && { payload: body }),
        })
        expect(complaintAbout(answer, operation, `${method} ${path}`)).toBeUndefined()
      }),
      { numRuns: 1_500 },
    )
  })
})

describe('when a part behind it is broken', () => {
  let postgres: FlakyProxy
  let temporal: FlakyProxy
  let sql: Sql
  let waiter: SentWaiter
  let app: FastifyInstance
  let client: ReturnType<typeof connectTemporal>
  // A pool of its own for each test: what one has broken, the next does not inherit.
  beforeEach(async () => {
    const database = new URL(api.system.env['DATABASE_URL']!)
    ;[postgres, temporal] = await Promise.all([startFlakyProxy(database.host), startFlakyProxy(temporalAddress())])
    database.host = postgres.address
    sql = connect(database.href, { poolSize: 5, name: 'test' })
    waiter = createSentWaiter(sql)
    const connectionOptions = { address: temporal.address }
    client = connectTemporal(
      api.system.config.temporal.codecKeys,
      bounded({ connectionOptions, namespace: api.system.namespace }),
    )
    app = api.server({ sql, waiter, temporal: client })
    await app.ready()
  })
  afterEach(async () => {
    await Promise.all([postgres.pass(), temporal.pass()])
    await api.system.until(async () => (await ask('GET', '/readyz')).statusCode === 200, 30_000)
    await app.close()
    await Promise.all([sql.end({ timeout: 1 }), client.connection.close()])
    await Promise.all([postgres.stop(), temporal.stop()])
  })

  const ask = async (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) => {
    const began = performance.now()
    const answer = await app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${api.keys.web}` },
      ...(payload && { payload }),
    })
    return { statusCode: answer.statusCode, body: answer.body, tookMs: performance.now() - began }
  }
  const expectUnavailable = ({ statusCode, body, tookMs }: Awaited<ReturnType<typeof ask>>) => {
    expect([statusCode, JSON.parse(body)]).toMatchObject([503, { code: 'unavailable', retryAfter: 1 }])
    // I8: 5 s, of which 4 are our own deadlines and the last is the machine's.
    expect(tookMs).toBeLessThan(4_000 + patience(1))
  }

  it.each(['refuses', 'hangs'] as const)(
    'Postgres %s: every call gets 503 within 5 s, and works again after it',
    async (how) => {
      const { challengeId } = await api.challenge()
      const memberId = await api.system.addMember()
      expect((await ask('GET', `/v1/challenges/${challengeId}`)).statusCode).toBe(200)
      await (how === 'hangs' ? postgres.hang() : postgres.refuse())
      const answers = await Promise.all([
        ask('POST', '/v1/challenges', { memberId, purpose: 'view_membership' }),
        ask('GET', `/v1/challenges/${challengeId}`),
        ask('POST', `/v1/challenges/${challengeId}/resend`, {}),
        ask('DELETE', `/v1/challenges/${challengeId}`),
        ask('GET', '/readyz'),
        ...Array.from({ length: 20 }, () => ask('GET', `/v1/challenges/${challengeId}`)),
      ])
      for (const answer of answers) expectUnavailable(answer)
      expect((await ask('GET', '/healthz')).statusCode).toBe(200)
      await postgres.pass()
      await api.system.until(async () => {
        const other = await api.challenge()
        return (
          (await ask('POST', `/v1/challenges/${other.challengeId}/verify`, { code: other.code })).statusCode === 200
        )
      }, 30_000)
      const standing = await ask('GET', `/v1/challenges/${challengeId}`)
      expect(JSON.parse(standing.body)).toMatchObject({
        status: expect.stringMatching(/^(?:open|superseded|cancelled)$/),
      })
      expect((await ask('POST', '/v1/challenges', { memberId, purpose: 'view_membership' })).statusCode).toBe(201)
      // Every connection of the pool has recovered, also those that were cut in the middle of a write.
      const all = await Promise.all(Array.from({ length: 50 }, () => ask('GET', `/v1/challenges/${challengeId}`)))
      expect(new Set(all.map((answer) => answer.statusCode))).toEqual(new Set([200]))
    },
  )

  it('an attempt that got 503 from a hanging Postgres is not spent when it goes on', async () => {
    const { challengeId, code } = await api.challenge()
    postgres.hang()
    const guesses = Array.from({ length: 20 }, () =>
      ask('POST', `/v1/challenges/${challengeId}/verify`, { code: wrongCode(code) }),
    )
    for (const answer of await Promise.all(guesses)) expectUnavailable(answer)
    await postgres.pass()
    await api.system.until(async () => (await ask('GET', `/v1/challenges/${challengeId}`)).statusCode === 200, 30_000)
    // What was queued has been answered once a later statement of every connection is.
    await Promise.all(Array.from({ length: 20 }, () => sql`select pg_sleep(0.05)`))
    expect(await attemptsOf(challengeId)).toBe(0)
  })

  it('a verdict that comes after its caller was given 503 stands, and does not end the process', async () => {
    const { challengeId, code } = await api.challenge()
    const release = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const holder = api.system.sql.begin(async (transaction) => {
      await transaction`
        select from challenge_heads h join challenges c on c.member_id = h.member_id
        where c.challenge_id = ${challengeId} for update of h`
      held.resolve()
      await release.promise
    })
    await held.promise
    expectUnavailable(await ask('POST', `/v1/challenges/${challengeId}/verify`, { code }))
    // Telling the execution goes on by then with nobody left to hear of it: a rejection would fail this run.
    await temporal.refuse()
    release.resolve()
    await holder
    const isVerified = async () => {
      const answer = await ask('GET', `/v1/challenges/${challengeId}`)
      return answer.statusCode === 200 && (JSON.parse(answer.body) as { status: string }).status === 'verified'
    }
    await api.system.until(isVerified)
  })

  it.each(['refuses', 'hangs'] as const)(
    'Temporal %s: a start gets 503 within 5 s, a verdict does not wait for it',
    async (how) => {
      const [first, second] = [await api.challenge(), await api.challenge()]
      const memberId = await api.system.addMember()
      expect((await ask('GET', '/readyz')).statusCode).toBe(200)
      await (how === 'hangs' ? temporal.hang() : temporal.refuse())
      const [started, resent, ready, verified, shown, cancelled] = await Promise.all([
        ask('POST', '/v1/challenges', { memberId, purpose: 'view_membership' }),
        ask('POST', `/v1/challenges/${(await api.challenge()).challengeId}/resend`, {}),
        ask('GET', '/readyz'),
        ask('POST', `/v1/challenges/${first.challengeId}/verify`, { code: first.code }),
        ask('GET', `/v1/challenges/${second.challengeId}`),
        ask('DELETE', `/v1/challenges/${second.challengeId}`),
      ])
      for (const answer of [started, resent]) expectUnavailable(answer)
      // Q8: what Temporal is not needed for goes on, so the instance stays in service.
      expect([ready.statusCode, JSON.parse(ready.body)]).toEqual([
        200,
        { status: 'ready', parts: { postgres: 'ok', temporal: 'away' } },
      ])
      expect([verified, shown, cancelled].map(({ statusCode }) => statusCode)).toEqual([200, 200, 204])
      expect(JSON.parse(verified.body)).toMatchObject({ result: 'verified' })
      for (const { tookMs } of [verified, shown, cancelled]) expect(tookMs).toBeLessThan(patience(1))
    },
  )

  it('a start that got 503 is finished by its idempotency key, once Temporal is back', async () => {
    const memberId = await api.system.addMember()
    const start = () =>
      app.inject({
        method: 'POST',
        url: '/v1/challenges',
        headers: { authorization: `Bearer ${api.keys.web}`, 'idempotency-key': memberId },
        payload: { memberId, purpose: 'view_membership' },
      })
    await temporal.refuse()
    expect((await start()).statusCode).toBe(503)
    await temporal.pass()
    const answer = await api.system.until(async () => {
      const again = await start()
      return again.statusCode !== 503 && again
    })
    expect([answer.statusCode, answer.json()]).toMatchObject([201, { status: 'open' }])
    expect(await api.system.codes(memberId)).toHaveLength(1)
  })
})

describe('the process', () => {
  it('answers what is in flight when it is told to stop, and ends within 5 s', async () => {
    const server = await api.system.process('api/main.ts', { PORT: '0' })
    const { url } = JSON.parse(
      server
        .output()
        .split('\n')
        .find((line) => line.includes('"ready"'))!,
    ) as { url: string }
    await api.system.simulators.faults({ latencyMs: 8_000 })
    const memberId = await api.system.addMember()
    const answer = fetch(`${url}/v1/challenges`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.keys.web}`, 'content-type': 'application/json' },
      body: JSON.stringify({ memberId, purpose: 'view_membership' }),
    })
    await api.system.until(async () => (await api.system.codes(memberId)).length > 0)
    await api.system.simulators.clear()
    const began = performance.now()
    const exited = once(server.child, 'exit')
    server.child.kill('SIGTERM')
    expect((await answer).status).toBe(202)
    expect(await exited).toEqual([0, null])
    expect(performance.now() - began).toBeLessThan(patience(5))
  })

  it('says all that is wrong with its configuration, and ends with 2', async () => {
    const failed = await api.system
      .process('api/main.ts', { OTP_API_KEYS: 'x', PORT: 'y' })
      .catch((error: unknown) => error)
    expect(String(failed)).toMatch(/ended \(2\)/)
    expect(String(failed)).toMatch(/OTP_API_KEYS/)
    expect(String(failed)).toMatch(/PORT/)
  })
})

describe('the log', () => {
  it('holds no code, number, address, key, path or body of anything above', async () => {
    const { challengeId, memberId, code } = await api.challenge()
    await raw(`/v1/challenges/${challengeId}/verify?phone=09011112222`, JSON.stringify({ code }))
    await raw('/v1/deliverability', JSON.stringify({ email: 'hanako@example.jp' }))
    await raw(`/v1/x/${randomUUID()}/hanako@example.jp`, '{')
    const log = api.log()
    const [member] = await api.system.sql<[{ email: string; phone: string }]>`
      select email, phone from members where member_id = ${memberId}`
    const secrets = [code, member.email, member.phone, '09011112222', 'hanako', challengeId, ...Object.values(api.keys)]
    for (const secret of secrets) expect(log.includes(secret)).toBe(false)
    expect(log).toMatch(/"route":"\/v1\/challenges\/:challengeId\/verify","status":200,"ms":[\d.]+,"caller":"web"/)
  })
})
