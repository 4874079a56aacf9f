/**
 * P1: a link to a member's page lives 2 minutes, carries no readable member id, leads back only to where its upstream
 * may, and is spent once, by POST, so that a link scanner spends nothing.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { saidBy, startApi, type Api, type ApiCall } from './support/api.ts'
import { createMemberBrowser } from './support/member-browser.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const linkTo = (body: object, options: Omit<ApiCall, 'body'> = {}) =>
  api.call('POST', '/v1/page-links', { ...options, body })
const newLink = async (body: object = {}, options: Omit<ApiCall, 'body'> = {}) => {
  const memberId = await api.system.addMember()
  const made = await linkTo({ memberId, page: 'notification-destination', ...body }, options)
  expect(made.statusCode).toBe(201)
  const { url } = made.json<{ url: string }>()
  return { url, path: new URL(url).pathname, memberId }
}

describe('a link is refused', () => {
  it.each([
    ['for a page that there is not', { page: 'account' }],
    ['with neither a challenge nor a purpose', { page: 'code-entry' }],
    ['with both', { page: 'code-entry', purpose: 'view_membership', challengeId: randomUUID() }],
    ['for a number that it does not name', { page: 'code-entry', purpose: 'register_phone' }],
    ['for a purpose that there is not', { page: 'code-entry', purpose: 'anything' }],
    [
      'with a purpose for the notification destination',
      { page: 'notification-destination', purpose: 'view_membership' },
    ],
    ['with a state that is too long', { page: 'notification-destination', state: 'x'.repeat(513) }],
    ['with a state that has a NUL', { page: 'notification-destination', state: 'a\0b' }],
    ['with a state that has half a character', { page: 'notification-destination', state: 'a\ud800' }],
    ['in a language that is no tag', { page: 'notification-destination', locale: 'ja; DROP' }],
    ['with a field that is not known', { page: 'notification-destination', admin: true }],
  ])('%s', async (_why, body) => {
    const answer = await linkTo({ memberId: await api.system.addMember(), ...body })
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toMatchObject({ code: 'invalid_request' })
  })

  it('for a member that there is not', async () => {
    const answer = await linkTo({ memberId: '999', page: 'notification-destination' })
    expect(answer.json()).toMatchObject({ status: 404, code: 'unknown_member' })
  })

  it('for a challenge of another member, of another caller, and one that there is not, all the same', async () => {
    const [mine, others] = await Promise.all([api.challenge(), api.challenge({ as: 'other' })])
    const asked = [
      { memberId: others.memberId, challengeId: mine.challengeId },
      { memberId: others.memberId, challengeId: others.challengeId },
      { memberId: mine.memberId, challengeId: randomUUID() },
      { memberId: mine.memberId, challengeId: 'none' },
    ]
    const answers = await Promise.all(asked.map((body) => linkTo({ page: 'code-entry', ...body })))
    expect(new Set(answers.map(saidBy)).size).toBe(1)
    expect(answers[0]!.json()).toMatchObject({ status: 404, code: 'unknown_challenge' })
  })

  it('to a caller without the scope, and without a key', async () => {
    const body = { memberId: await api.system.addMember(), page: 'notification-destination' }
    expect((await linkTo(body, { as: 'nobody' })).statusCode).toBe(403)
    expect((await api.app.inject({ method: 'POST', url: '/v1/page-links', payload: body })).statusCode).toBe(401)
  })
})

describe('a link leads back only to where its upstream may', () => {
  it.each([
    'https://evil.example/return',
    'https://bank.example.evil.example/return',
    'https://bank.example@evil.example/return',
    'https://user:pw@bank.example/return',
    'http://bank.example/return',
    'https://bank.example:8443/return',
    'https://bank.example/',
    'https://bank.example/returned',
    'https://bank.example/return/../account',
    'https://bank.example/return/%2e%2e/account',
    'https://bank.example/return/%2E./account',
    'https://bank.example/return%2f..%2faccount',
    'https://bank.example/return\\..\\account',
    'https://bank.example/return/%5c',
    'https:\\\\bank.example\\return',
    'https:bank.example/return',
    'https:///bank.example/return',
    '//bank.example/return',
    '/return',
    'javascript:alert(1)//bank.example/return',
    'data:text/html,x',
    'https://bank.example/return#proof=x',
    'https://bank.example/return#',
    'https://bank.example/return\r\nset-cookie: a=b',
    ' https://bank.example/return',
    'https://bank.example/return\u0000',
    'https://bаnk.example/return',
    'https://127.0.0.1:9000/',
    'http://127.0.0.1.evil.example:9000/',
    'http://127.0.0.1@evil.example/',
    'http://localhost:9000/',
    `https://bank.example/return?${'x'.repeat(2_000)}`,
    '',
  ])('and not to %j', async (returnUrl) => {
    const body = { memberId: await api.system.addMember(), page: 'notification-destination', returnUrl }
    const answer = await linkTo(body)
    expect(answer.json()).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(answer.body).not.toContain('evil')
  })

  it.each([
    'https://bank.example/return',
    'https://bank.example/return/award?step=2',
    'HTTPS://BANK.EXAMPLE:443/return',
    'http://127.0.0.1:3000/',
    'http://127.0.0.1:49152/callback',
  ])('which is such as %s', async (returnUrl) => {
    const { url } = await newLink({ returnUrl })
    expect(url).toContain('/open/')
  })

  it('and not to where another upstream may', async () => {
    const body = { memberId: await api.system.addMember(), page: 'notification-destination' }
    const answer = await linkTo({ ...body, returnUrl: 'https://bank.example/return' }, { as: 'other' })
    expect(answer.statusCode).toBe(400)
    await newLink({ returnUrl: 'https://other.example/anywhere' }, { as: 'other' })
  })
})

describe('a link under an idempotency key', () => {
  it('is the same for the same request, twenty at a time, and the same when it is spent; it opens once', async () => {
    const memberId = await api.system.addMember()
    const key = randomUUID()
    const body = { memberId, page: 'notification-destination' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => linkTo(body, { key })))
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`)).size).toBe(1)
    expect(answers[0]!.statusCode).toBe(201)
    const [row] = await api.system.sql`select count(*)::int as n from page_links where member_id = ${memberId}`
    expect(row!['n']).toBe(1)
    const { url } = answers[0]!.json<{ url: string }>()
    expect((await createMemberBrowser(api.app).open(url)).statusCode).toBe(303)
    expect((await linkTo(body, { key })).body).toBe(answers[0]!.body)
    expect((await createMemberBrowser(api.app).open(url)).statusCode).toBe(410)
  })

  it('is refused for another request, and another for another caller and for another key', async () => {
    const memberId = await api.system.addMember()
    const key = randomUUID()
    const body = { memberId, page: 'notification-destination' }
    const first = await linkTo(body, { key })
    const reused = await linkTo({ ...body, locale: 'ja' }, { key })
    expect([reused.statusCode, reused.json()]).toMatchObject([422, { code: 'idempotency_key_reused' }])
    const others = [
      await linkTo(body, { key, as: 'other' }),
      await linkTo(body, { key: randomUUID() }),
      await linkTo(body),
    ]
    const urls = [first, ...others].map((answer) => answer.json<{ url: string }>().url)
    expect(new Set(urls).size).toBe(4)
  })

  it('that was not made leaves the key free', async () => {
    const key = randomUUID()
    expect((await linkTo({ memberId: '999', page: 'notification-destination' }, { key })).statusCode).toBe(404)
    const memberId = await api.system.addMember()
    expect((await linkTo({ memberId, page: 'notification-destination' }, { key })).statusCode).toBe(201)
  })

  it('is still the same after the keys were rotated', async () => {
    const memberId = await api.system.addMember()
    const made = await linkTo({ memberId, page: 'notification-destination' }, { key: 'rotated' })
    const next = `next:${randomBytes(32).toString('base64')},${api.system.env['OTP_PROOF_KEYS']}`
    const again = await api.server({}, { OTP_PROOF_KEYS: next }).inject({
      method: 'POST',
      url: '/v1/page-links',
      headers: { authorization: `Bearer ${api.keys.web}`, 'idempotency-key': 'rotated' },
      payload: { memberId, page: 'notification-destination' },
    })
    expect(again.body).toBe(made.body)
  })
})

describe('the link itself', () => {
  it('says nothing of the member, whatever Host it was asked by', async () => {
    const memberId = await api.system.addMember()
    const made = await linkTo({ memberId, page: 'notification-destination' }, { headers: { host: 'evil.example' } })
    const { url, expiresAt } = made.json<{ url: string; expiresAt: string }>()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:8080\/open\/[A-Za-z0-9_-]{43}$/)
    expect(url).not.toContain(memberId)
    const left = Date.parse(expiresAt) - Date.now()
    expect(left).toBeGreaterThan(110_000)
    expect(left).toBeLessThanOrEqual(121_000)
  })

  it('stands nowhere as it is: Postgres knows its hash, and the log its pattern', async () => {
    const { url, path } = await newLink()
    await createMemberBrowser(api.app).open(url)
    const token = path.slice('/open/'.length)
    const rows = await api.system.sql`
      select page_links::text as row from page_links union all select page_sessions::text from page_sessions
      union all select page_visits::text from page_visits`
    expect(rows.length).toBeGreaterThan(2)
    expect(JSON.stringify(rows)).not.toContain(token)
    expect(api.log()).toContain('/open/:token')
    expect(api.log()).not.toContain(token)
  })
})

describe('a link is spent', () => {
  it('by no scanner: GET and HEAD change nothing, however often', async () => {
    const { url, path } = await newLink()
    for (const method of ['GET', 'HEAD', 'GET'] as const) {
      const answer = await api.app.inject({ method, url: path })
      expect(answer.statusCode).toBe(200)
    }
    expect((await createMemberBrowser(api.app).open(url)).statusCode).toBe(303)
  })

  it('not by a browser without cookies, which is told what it lacks', async () => {
    const { url, path } = await newLink()
    const answer = await createMemberBrowser(api.app).post(path)
    expect(answer.statusCode).toBe(403)
    expect(answer.body).toContain('Cookie')
    expect((await createMemberBrowser(api.app).open(url)).statusCode).toBe(303)
  })

  it('not by a form of another site', async () => {
    const { url, path } = await newLink()
    const browser = createMemberBrowser(api.app)
    await browser.get(path)
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: 'http://127.0.0.1:8080' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      {},
    ] as Record<string, string>[]) {
      expect((await browser.post(path, {}, headers)).statusCode).toBe(403)
    }
    expect((await browser.post(path, {}, { origin: 'http://127.0.0.1:8080' })).statusCode).toBe(303)
    expect((await createMemberBrowser(api.app).open(url)).statusCode).toBe(410)
  })

  it('once: another browser finds it used, and the same one its visit', async () => {
    const { url } = await newLink()
    const first = createMemberBrowser(api.app)
    const opened = await first.open(url)
    expect(opened.statusCode).toBe(303)
    const other = await createMemberBrowser(api.app).open(url)
    expect(other.statusCode).toBe(410)
    expect(other.headers.location).toBeUndefined()
    expect((await first.open(url)).headers.location).toBe(opened.headers.location)
  })

  it('into one visit, by however many POSTs of one button at once', async () => {
    const { path } = await newLink()
    const browser = createMemberBrowser(api.app)
    await browser.get(path)
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser.post(path)))
    expect(new Set(answers.map(({ headers }) => headers.location)).size).toBe(1)
    expect(new Set(answers.map(({ cookies }) => cookies.find(({ name }) => name === 'otp-session')?.value)).size).toBe(
      1,
    )
  })

  it('by one of many browsers at once', async () => {
    const { url } = await newLink()
    const answers = await Promise.all(Array.from({ length: 20 }, () => createMemberBrowser(api.app).open(url)))
    const statuses = answers.map(({ statusCode }) => statusCode)
    expect(statuses.filter((status) => status === 303)).toHaveLength(1)
    expect(statuses.filter((status) => status === 410)).toHaveLength(19)
  })

  it('within its two minutes, and not at their end', async () => {
    const [early, late] = [await newLink(), await newLink()]
    await api.system.shiftClock(115_000)
    expect((await createMemberBrowser(api.app).open(early.url)).statusCode).toBe(303)
    await api.system.shiftClock(121_000)
    const answer = await createMemberBrowser(api.app).open(late.url)
    expect(answer.statusCode).toBe(410)
    await api.system.shiftClock(0)
  })

  it.each(['x', 'A'.repeat(43), 'A'.repeat(42), `${'A'.repeat(42)}%00`])(
    'only where there is such a one, not by %s',
    async (token) => {
      const browser = createMemberBrowser(api.app)
      await browser.get(`/open/${'B'.repeat(43)}`)
      expect((await browser.post(`/open/${token}`)).statusCode).toBe(404)
    },
  )
})
