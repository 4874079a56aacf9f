/**
 * U1: services authenticate with access tokens of an OAuth 2.0 issuer (RFC 9068) beside API keys. What is not right about a
 * token is 401, what it does not allow 403; an issuer that is away is no error of ours, and none of the API keys'.
 */
import { createHmac, randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { exportSPKI } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startApi, type Api } from './support/api.ts'
import { startIssuer, type Issuer } from './support/issuer.ts'
import { patience } from './support/speed.ts'

let api: Api
let issuer: Issuer
/** A server that has asked the issuer for nothing yet; it may ask again at once after a second. */
const freshServer = (env: Record<string, string> = {}) =>
  api.server({}, { OTP_JWT_JWKS_COOLDOWN_SECONDS: '1', ...issuer.env, ...env })

beforeAll(async () => {
  issuer = await startIssuer()
  api = await startApi({ ...issuer.env, OTP_RETURN_URLS: 'oauth/booking=https://bank.example/return' })
})
afterAll(async () => {
  await api?.stop()
  await issuer?.close()
})
beforeEach(() => issuer.answer('well'))

const check = (token: string, server: FastifyInstance = api.app) =>
  server.inject({
    method: 'POST',
    url: '/v1/deliverability',
    headers: { authorization: `Bearer ${token}` },
    payload: { email: 'a@example.jp' },
  })
const SCOPE = { scope: 'deliverability:check' }
const now = () => Math.floor(Date.now() / 1000)
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
/** The claims of an honest token under another header and signature. */
const forge = async (header: object, signature: (input: string) => string) => {
  const [, claims] = (await issuer.sign(SCOPE)).split('.')
  const input = `${base64url(header)}.${claims}`
  return `${input}.${signature(input)}`
}

describe('a token', () => {
  it.each([
    ['another issuer', { iss: 'https://elsewhere.example' }, 'iss'],
    ['an issuer that is ours but for a slash', { iss: 'SLASH' }, 'iss'],
    ['no issuer', { iss: undefined }, 'iss'],
    ['another audience', { aud: 'https://other.example' }, 'aud'],
    ['no audience', { aud: undefined }, 'aud'],
    ['a time that is over', { exp: now() - 60 }, 'expired'],
    ['no end', { exp: undefined }, 'exp'],
    ['an end that is a text', { exp: '9999999999' }, 'exp'],
    ['a time that has not begun', { nbf: now() + 600 }, 'nbf'],
    ['no client', { client_id: undefined, sub: undefined }, 'client'],
    ['a client that is no text', { client_id: ['booking'] }, 'client'],
    ['a client with a line break', { client_id: 'book\ning' }, 'client'],
    ['a client of 129 characters', { client_id: 'x'.repeat(129) }, 'client'],
    ['an empty client', { client_id: '' }, 'client'],
  ])('of %s is refused', async (_what, claims: Record<string, unknown>, word) => {
    const mended = claims['iss'] === 'SLASH' ? { iss: `${issuer.url}/` } : claims
    const answer = await check(await issuer.sign({ ...SCOPE, ...mended }))
    expect([answer.statusCode, answer.json()]).toMatchObject([401, { code: 'unauthorized' }])
    expect(answer.json<{ detail: string }>().detail).toContain(word)
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", error_description="[^"]+"$/)
  })

  it('with the algorithm none is refused, however it is written', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
      const answers = [await check(await forge({ alg }, () => '')), await check(await forge({ alg }, () => 'AAAA'))]
      for (const answer of answers) expect([alg, answer.statusCode]).toEqual([alg, 401])
    }
  })

  it("signed by HMAC with the issuer's public key as the secret is refused, in each of its forms", async () => {
    const { publicKey, jwk, kid } = await issuer.publish('RS256')
    const secrets = [await exportSPKI(publicKey), JSON.stringify(jwk), jwk.n!, Buffer.from(jwk.n!, 'base64url')]
    for (const secret of secrets) {
      const token = await forge({ alg: 'HS256', typ: 'at+jwt', kid }, (input) =>
        createHmac('sha256', secret).update(input).digest('base64url'),
      )
      expect((await check(token, freshServer())).statusCode).toBe(401)
    }
  })

  it('with a key of its own in its header is refused', async () => {
    const mine = await issuer.makeKey()
    const header = { jwk: mine.jwk, jku: 'http://127.0.0.1:1/jwks', kid: issuer.current().kid }
    expect((await check(await issuer.sign(SCOPE, { key: mine, header }))).statusCode).toBe(401)
    expect((await check(await issuer.sign(SCOPE, { key: mine }))).statusCode).toBe(401)
  })

  it('that was changed after it was signed is refused', async () => {
    const [header, claims, signature] = (await issuer.sign(SCOPE)).split('.')
    const more = base64url({
      ...(JSON.parse(Buffer.from(claims!, 'base64url').toString()) as object),
      scope: 'campaigns:write',
    })
    expect((await check(`${header}.${more}.${signature}`)).statusCode).toBe(401)
    expect((await check(`${header}.${claims}.`)).statusCode).toBe(401)
  })

  it.each(['logout+jwt', 'dpop+jwt', 'application/json', ''])('of the type %j is refused', async (typ) => {
    expect((await check(await issuer.sign(SCOPE, { header: { typ } }))).statusCode).toBe(401)
  })

  it('with a header that it calls critical and nobody knows is refused', async () => {
    const header = { alg: 'EdDSA', kid: issuer.current().kid, crit: ['only-here'], 'only-here': true }
    expect((await check(await forge(header, () => 'AAAA'))).statusCode).toBe(401)
  })

  it.each(['a.b.c', '..', 'e30.e30.', 'eyJ.eyJ.eyJ', `${'a'.repeat(4_000)}.${'b'.repeat(4_000)}.c`, 'é.é.é'])(
    'that is none (%j) is refused',
    async (token) => {
      expect((await check(token)).statusCode).toBe(401)
    },
  )

  it('in an answer or a log is never repeated', async () => {
    const token = await issuer.sign({ ...SCOPE, aud: 'secret-audience', client_id: 'secret-client' })
    const answer = await check(token)
    for (const seen of [answer.body, JSON.stringify(answer.headers), api.log()]) {
      for (const secret of [token, token.split('.')[2]!, 'secret-audience', 'secret-client'])
        expect(seen).not.toContain(secret)
    }
  })

  it.each(['EdDSA', 'ES256', 'RS256', 'PS256'])('signed by %s is accepted', async (alg) => {
    const key = await issuer.publish(alg)
    expect((await check(await issuer.sign(SCOPE, { key }), freshServer())).statusCode).toBe(200)
  })

  it.each(['ES512', 'RS512', 'PS384'])('signed by %s, which is not on the list, is refused', async (alg) => {
    const key = await issuer.publish(alg)
    expect((await check(await issuer.sign(SCOPE, { key }), freshServer())).statusCode).toBe(401)
  })

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'JWT', undefined])('of the type %j is accepted', async (typ) => {
    const header = typ === undefined ? { typ: undefined as never } : { typ }
    expect((await check(await issuer.sign(SCOPE, { header }), freshServer())).statusCode).toBe(200)
  })

  it('for several audiences, of which we are one, is accepted', async () => {
    const aud = ['https://other.example', issuer.env['OTP_JWT_AUDIENCE']!]
    expect((await check(await issuer.sign({ ...SCOPE, aud }))).statusCode).toBe(200)
  })

  it('is no key where no issuer is configured', async () => {
    const server = api.server({}, { OTP_JWT_ISSUER: '', OTP_JWT_AUDIENCE: '', OTP_JWT_JWKS_URL: '' })
    const answer = await check(await issuer.sign(SCOPE), server)
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([401, 'Bearer'])
  })
})

describe('scopes', () => {
  it.each([
    undefined,
    '',
    'challenges:start',
    'deliverability',
    'deliverability:check2',
    'deliverability:check,challenges:start',
    'DELIVERABILITY:CHECK',
    ['deliverability:check'],
    'toString __proto__',
  ])('of %j do not allow the check of an address', async (scope) => {
    const answer = await check(await issuer.sign({ scope }))
    expect([answer.statusCode, answer.json()]).toMatchObject([403, { code: 'forbidden' }])
    expect(answer.headers['www-authenticate']).toBe('Bearer error="insufficient_scope", scope="deliverability:check"')
  })

  it('that are ours count beside any others', async () => {
    expect((await check(await issuer.sign({ scope: 'openid deliverability:check email' }))).statusCode).toBe(200)
  })
})

describe('a caller', () => {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const start = (token: string, memberId: string, key: string = randomUUID()) =>
    api.app.inject({
      method: 'POST',
      url: '/v1/challenges',
      headers: { ...bearer(token), 'idempotency-key': key },
      payload: { memberId, purpose: 'view_membership' },
    })

  it('by token takes a challenge all the way, and sees those of its own client alone, whatever token it shows', async () => {
    const scope = 'challenges:start challenges:read challenges:verify'
    const token = await issuer.token('booking', scope)
    const memberId = await api.system.addMember()
    const started = await start(token, memberId)
    expect(started.statusCode).toBe(201)
    const { challengeId } = started.json<{ challengeId: string }>()
    const [code] = await api.system.codes(memberId)
    const see = (other: string) => api.app.inject({ url: `/v1/challenges/${challengeId}`, headers: bearer(other) })
    expect((await see(await issuer.token('booking', scope))).statusCode).toBe(200)
    expect((await see(await issuer.token('booking2', scope))).statusCode).toBe(404)
    expect((await see(api.keys.web)).statusCode).toBe(404)
    const verified = await api.app.inject({
      method: 'POST',
      url: `/v1/challenges/${challengeId}/verify`,
      headers: bearer(token),
      payload: { code },
    })
    expect(verified.json()).toMatchObject({ result: 'verified' })
  })

  it.each(['web', 'temporal', 'oauth/web', 'dev-local'])(
    'by token whose client is called %j is another than any API key and than Temporal',
    async (client) => {
      const memberId = await api.system.addMember()
      const byKey = await api.call('POST', '/v1/challenges', { body: { memberId, purpose: 'view_membership' } })
      const token = await issuer.sign({ client_id: client, scope: 'challenges:start challenges:read' })
      const { challengeId } = byKey.json<{ challengeId: string }>()
      const seen = await api.app.inject({ url: `/v1/challenges/${challengeId}`, headers: bearer(token) })
      expect(seen.statusCode).toBe(404)
      const started = await start(token, await api.system.addMember())
      const [row] = await api.system.sql`
        select caller from challenges where challenge_id = ${started.json<{ challengeId: string }>().challengeId}`
      expect(row).toEqual({ caller: `oauth/${encodeURIComponent(client)}` })
    },
  )

  it('never meets the idempotency keys of another, however names and keys are cut', async () => {
    const scope = 'challenges:start challenges:read'
    const one = await start(await issuer.sign({ client_id: 'a', scope }), await api.system.addMember(), 'b:c')
    const other = await start(await issuer.sign({ client_id: 'a:b', scope }), await api.system.addMember(), 'c')
    expect([one.statusCode, other.statusCode]).toEqual([201, 201])
  })

  it('is told by azp, then by sub, where the issuer has no client_id', async () => {
    const scope = 'challenges:start'
    const names = await Promise.all(
      [
        { client_id: undefined, azp: 'by-azp', sub: 'by-sub' },
        { client_id: undefined, sub: 'by-sub' },
      ].map(async (claims) => {
        const started = await start(await issuer.sign({ ...claims, scope }), await api.system.addMember())
        const { challengeId } = started.json<{ challengeId: string }>()
        const [row] = await api.system.sql`select caller from challenges where challenge_id = ${challengeId}`
        return row!['caller'] as string
      }),
    )
    expect(names).toEqual(['oauth/by-azp', 'oauth/by-sub'])
  })

  it('by token commands a campaign, and is recorded as its subject', async () => {
    const token = await issuer.token('rollout-console', 'campaigns:read campaigns:write')
    const post = (path: string, payload: object) =>
      api.app.inject({ method: 'POST', url: `/v1/campaigns${path}`, headers: bearer(token), payload })
    expect((await post('', { campaignId: 'by-token' })).statusCode).toBe(201)
    expect((await post('/by-token/commands', { command: 'pause', why: 'a look' })).statusCode).toBe(200)
    const log = await api.system.sql`
      select event, by_whom, claimed from campaign_log where campaign_id = 'by-token' and by_whom <> 'campaign' order by at`
    expect(log).toMatchObject([
      { event: 'started', by_whom: 'oauth/rollout-console', claimed: false },
      { event: 'paused', by_whom: 'oauth/rollout-console', claimed: false },
    ])
  })

  it('by token may be sent back to where the configuration says, by its name', async () => {
    const token = await issuer.token('booking', 'page-links:create')
    const make = (returnUrl: string) =>
      api.app.inject({
        method: 'POST',
        url: '/v1/page-links',
        headers: bearer(token),
        payload: { memberId, page: 'code-entry', purpose: 'view_membership', returnUrl },
      })
    const memberId = await api.system.addMember()
    expect((await make('https://bank.example/return')).statusCode).toBe(201)
    expect((await make('https://other.example/return')).statusCode).toBe(400)
  })
})

describe("the issuer's keys", () => {
  it('that are rotated while we run are followed, and a key that was taken back is not accepted any more', async () => {
    const server = freshServer({ OTP_JWT_JWKS_MAX_AGE_SECONDS: '1' })
    const before = await issuer.rotate()
    const old = await issuer.sign(SCOPE, { key: before })
    expect((await check(old, server)).statusCode).toBe(200)
    await issuer.rotate()
    const fresh = await issuer.sign(SCOPE)
    await api.system.until(async () => (await check(fresh, server)).statusCode === 200)
    await api.system.until(async () => (await check(old, server)).statusCode === 401)
  })

  it('are asked for no more often than the cooldown allows, whatever is shown', async () => {
    const server = freshServer({ OTP_JWT_JWKS_COOLDOWN_SECONDS: '3600' })
    await issuer.rotate()
    expect((await check(await issuer.sign(SCOPE), server)).statusCode).toBe(200)
    const before = issuer.asked()
    const mine = await issuer.makeKey()
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () =>
        check(await issuer.sign(SCOPE, { key: mine, header: { kid: randomUUID() } }), server),
      ),
    )
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([401]))
    expect(issuer.asked()).toBe(before)
  })

  it('are asked for once by a hundred requests at a time', async () => {
    const server = freshServer()
    const before = issuer.asked()
    const token = await issuer.sign(SCOPE)
    const answers = await Promise.all(Array.from({ length: 100 }, () => check(token, server)))
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
    expect(issuer.asked()).toBe(before + 1)
  })

  it.each(['with 500', 'with rubbish', 'never'] as const)(
    'that are answered %s are 503 for a token and nothing to an API key; once they are had, all is well',
    async (how) => {
      const server = freshServer()
      issuer.answer(how)
      const token = await issuer.sign(SCOPE)
      const began = performance.now()
      const answers = await Promise.all([check(token, server), check(token, server)])
      // We wait for the issuer 2 s; the rest is the machine's.
      expect(performance.now() - began).toBeLessThan(2_000 + patience(3))
      for (const answer of answers) {
        expect([answer.statusCode, answer.json()]).toMatchObject([503, { code: 'unavailable', retryAfter: 1 }])
        expect(answer.headers['retry-after']).toBe('1')
      }
      expect((await check(api.keys.web, server)).statusCode).toBe(200)
      // What no key could make right is refused all the same.
      expect((await check(await forge({ alg: 'none' }, () => ''), server)).statusCode).toBe(401)
      issuer.answer('well')
      await api.system.until(async () => (await check(token, server)).statusCode === 200)
    },
  )

  it('that cannot be reached any more count as they were, also when they are old; a key that is new is 401 meanwhile', async () => {
    // It is asked as often as it can answer.
    const server = freshServer({ OTP_JWT_JWKS_MAX_AGE_SECONDS: '1', OTP_CALLER_REQUESTS_PER_SECOND: '0' })
    const token = await issuer.sign(SCOPE)
    expect((await check(token, server)).statusCode).toBe(200)
    const next = await issuer.makeKey()
    await issuer.close()
    try {
      const until = Date.now() + 2_500
      while (Date.now() < until) expect((await check(token, server)).statusCode).toBe(200)
      expect((await check(await issuer.sign(SCOPE, { key: next }), server)).statusCode).toBe(401)
    } finally {
      await issuer.open()
    }
  })

  it('that could not be asked for in an hour count no more: one that was taken back meanwhile would go on', async () => {
    const server = freshServer({ OTP_JWT_JWKS_MAX_AGE_SECONDS: '1' })
    const token = await issuer.sign({ ...SCOPE, exp: now() + 7_200 })
    expect((await check(token, server)).statusCode).toBe(200)
    await issuer.close()
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      vi.setSystemTime(Date.now() + 3_590_000)
      expect((await check(token, server)).statusCode).toBe(200)
      vi.setSystemTime(Date.now() + 20_000)
      expect((await check(token, server)).statusCode).toBe(503)
      expect((await check(api.keys.web, server)).statusCode).toBe(200)
    } finally {
      vi.useRealTimers()
      await issuer.open()
    }
  })
})
