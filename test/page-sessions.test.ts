/**
 * P1: a session is bound to a browser, and a visit to its session: whoever has only the address of a page, another
 * member's session, or a form from elsewhere, sees and changes nothing.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { forgetABatch } from './support/forget.ts'
import { startApi, type Api } from './support/api.ts'
import { enter, pageLink, type Entering } from './support/code-entry.ts'
import { createMemberBrowser, formOf, wordsOf } from './support/member-browser.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const OVER = 'この画面は無効になりました'
/** Everything that a page of code entry answers to, asked by a browser of somebody. */
const askAll = (browser: Entering['browser'], path: string, code: string) =>
  Promise.all([
    browser.get(path),
    browser.get(`${path}/state`),
    browser.post(path, { attempt: randomUUID(), code }),
    browser.post(`${path}/send`, { request: randomUUID() }),
  ])
const stateOf = async ({ memberId }: { memberId: string }) => {
  const [row] = await api.system.sql<[{ count: number; submissions: number; outcomes: number }]>`
    select count(*)::int, sum(submissions)::int as submissions, count(outcome)::int as outcomes
    from challenges where member_id = ${memberId}`
  return row
}
const UNTOUCHED = { count: 1, submissions: 0, outcomes: 0 }
async function expectShut(entering: Entering, browser: Entering['browser']) {
  const answers = await askAll(browser, entering.path, await entering.code())
  for (const answer of answers) {
    expect(answer.statusCode).toBe(403)
    expect(wordsOf(answer.body)).toContain(OVER)
    expect(answer.body).not.toContain('***')
  }
  expect(await stateOf(entering)).toEqual(UNTOUCHED)
}

describe('a visit is shut', () => {
  it('to a browser without a session', async () => {
    await expectShut(await enter(api), createMemberBrowser(api.app))
  })

  it('to the session of another member, and of the same member in another browser', async () => {
    const entering = await enter(api)
    await expectShut(entering, (await enter(api)).browser)
    const elsewhere = createMemberBrowser(api.app)
    await elsewhere.open(await pageLink(api, { memberId: entering.memberId, page: 'notification-destination' }))
    await expectShut(entering, elsewhere)
  })

  it('to a session that is tampered with, made up, or of another kind', async () => {
    const entering = await enter(api)
    const session = entering.browser.cookies.get('otp-session')!
    const flipped = session.startsWith('A') ? `B${session.slice(1)}` : `A${session.slice(1)}`
    const [row] = await api.system.sql<[{ hash: string }]>`
      select encode(session_hash, 'base64') as hash from page_sessions where member_id = ${entering.memberId}`
    const browserCookie = entering.browser.cookies.get('otp-browser')!
    for (const value of [
      flipped,
      session.slice(1),
      `${session}A`,
      row.hash,
      row.hash.replaceAll('+', '-').replaceAll('/', '_').replace('=', ''),
      browserCookie,
      randomBytes(32).toString('base64url'),
      '',
      "' or 1=1 --",
      '%00',
    ]) {
      await expectShut(entering, createMemberBrowser(api.app, new Map([['otp-session', value]])))
    }
  })

  it('to a link for another member in the same browser: what was open ends, and the new one works', async () => {
    const first = await enter(api)
    const second = await enter(api, { browser: first.browser })
    await expectShut(first, first.browser)
    expect(await second.submit(await second.code())).toContain('proof=')
    const answer = await first.browser.open(first.url)
    expect(answer.statusCode).toBe(410)
  })

  it('to whoever puts the replaced session back', async () => {
    const first = await enter(api)
    const before = new Map(first.browser.cookies)
    await enter(api, { browser: first.browser })
    await expectShut(first, createMemberBrowser(api.app, before))
  })

  it('when the session is over, an hour after its last link', async () => {
    const entering = await enter(api)
    await api.system.shiftClock(3_599_000)
    expect((await entering.browser.get(entering.path)).statusCode).toBe(200)
    await api.system.shiftClock(3_601_000)
    expect((await entering.browser.get(entering.path)).statusCode).toBe(403)
    await api.system.shiftClock(0)
  })

  it.each(['x', '..%2f..%2fdocs', uuidv7(), '%00', 'A'.repeat(150)])('where there is none: %s', async (visitId) => {
    const { browser } = await enter(api)
    expect((await browser.get(`/code-entry/${visitId}`)).statusCode).toBe(403)
  })

  it('under the name of another page', async () => {
    const memberId = await api.system.addMember()
    const browser = createMemberBrowser(api.app)
    const opened = await browser.open(await pageLink(api, { memberId, page: 'notification-destination' }))
    const path = String(opened.headers.location).replace('notification-destination', 'code-entry')
    expect((await browser.get(path)).statusCode).toBe(403)
  })
})

describe('a form', () => {
  it('of another site changes nothing, though the browser sends its cookies along', async () => {
    const entering = await enter(api)
    const form = { ...formOf(await entering.page(), entering.path), code: await entering.code() }
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'Same-Origin' },
      { origin: 'https://evil.example', referer: 'http://127.0.0.1:8080/' },
      { origin: 'http://127.0.0.1:8080.evil.example' },
      { origin: 'null' },
      { referer: 'http://127.0.0.1:8080/' },
      {},
    ] as Record<string, string>[]) {
      const answer = await entering.browser.post(entering.path, form, headers)
      expect(answer.statusCode).toBe(403)
    }
    expect(await stateOf(entering)).toEqual(UNTOUCHED)
    const own = await entering.browser.post(entering.path, form, { origin: 'http://127.0.0.1:8080' })
    expect(own.headers.location).toContain('proof=')
  })

  it('whose field stands twice, that is no form, or is too long, changes nothing', async () => {
    const entering = await enter(api)
    const { attempt } = formOf(await entering.page(), entering.path)
    const code = await entering.code()
    const cookie = [...entering.browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const send = (payload: string, type = 'application/x-www-form-urlencoded') =>
      api.app.inject({
        method: 'POST',
        url: entering.path,
        headers: { cookie, 'sec-fetch-site': 'same-origin', 'content-type': type },
        payload,
      })
    const refused = await Promise.all([
      send(`attempt=${attempt}&code=${code}&code=${code}`),
      send(`attempt=${attempt}&attempt=${randomUUID()}&code=${code}`),
      send(`code=${code}`),
      send(`attempt=${attempt}`),
      send(`attempt=x&code=${code}`),
      send(`attempt=${attempt}&code=${code}&pad=${'x'.repeat(5_000)}`),
      send(JSON.stringify({ attempt, code }), 'application/json'),
      send(`attempt=${attempt}&code=${code}`, 'text/plain'),
      send('%%%', 'multipart/form-data; boundary=x'),
    ])
    for (const answer of refused) {
      expect(answer.statusCode).toBeGreaterThanOrEqual(400)
      expect(answer.statusCode).toBeLessThan(500)
      expect(answer.headers['content-type']).toContain('text/html')
    }
    expect(await stateOf(entering)).toEqual(UNTOUCHED)
  })
})

describe('a session', () => {
  it('is a cookie that no script reads and no other site sends, and over TLS of this host alone', async () => {
    const flags = (setCookie: unknown) =>
      [setCookie].flat().map((line) =>
        String(line)
          .replace(/=[A-Za-z0-9_-]{43};/, '=…;')
          .split('; ')
          .toSorted(),
      )
    const { url } = await enter(api)
    const plain = createMemberBrowser(api.app)
    const opened = await plain.get(new URL(url).pathname)
    expect(flags(opened.headers['set-cookie'])).toEqual([
      ['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Lax', 'otp-browser=…'],
    ])

    const secure = api.server({}, { NODE_ENV: 'test', OTP_PUBLIC_URL: 'https://otp.example' })
    const browser = createMemberBrowser(secure)
    const memberId = await api.system.addMember()
    const answer = await browser.open(await pageLink(api, { memberId, page: 'notification-destination' }))
    expect(flags(answer.headers['set-cookie'])).toEqual([
      ['HttpOnly', 'Max-Age=3600', 'Path=/', 'SameSite=Lax', 'Secure', '__Host-otp-session=…'],
    ])
  })

  it('is kept by a link for the same member, with all that is open', async () => {
    const first = await enter(api)
    const session = first.browser.cookies.get('otp-session')
    await enter(api, { browser: first.browser, memberId: first.memberId })
    expect(first.browser.cookies.get('otp-session')).toBe(session)
    expect((await first.browser.get(first.path)).statusCode).toBe(200)
  })

  it('is not the one that stood in the browser before: who planted a cookie knows nothing afterwards', async () => {
    const planted = randomBytes(32).toString('base64url')
    const cookies = () =>
      new Map([
        ['otp-session', planted],
        ['otp-browser', planted],
      ])
    const entering = await enter(api, { browser: createMemberBrowser(api.app, cookies()) })
    expect(entering.browser.cookies.get('otp-session')).not.toBe(planted)
    await expectShut(entering, createMemberBrowser(api.app, cookies()))
  })

  it('never decides by the Host header: what a page says leads nowhere else', async () => {
    const entering = await enter(api)
    const page = await entering.browser.get(entering.path, { host: 'evil.example', 'x-forwarded-host': 'evil.example' })
    expect(page.body).not.toContain('evil.example')
    const form = { ...formOf(page.body, entering.path), code: '000000x' }
    const answer = await entering.browser.post(entering.path, form, {
      host: 'evil.example',
      origin: 'http://evil.example',
    })
    expect(answer.statusCode).toBe(403)
    const redirected = await entering.browser.post(entering.path, form, {
      host: 'evil.example',
      'sec-fetch-site': 'same-origin',
    })
    expect(String(redirected.headers.location).startsWith('/code-entry/')).toBe(true)
  })
})

describe('what is kept', () => {
  it('and what is logged, holds no code, destination, link, session, state or proof', async () => {
    const entering = await enter(api, { link: { state: 'state-of-this-return' } })
    const code = await entering.code()
    await entering.page()
    await entering.submit(`${code.slice(0, 5)}x`)
    const location = await entering.submit(code)
    await entering.page()
    const [member] = await api.system.sql<[{ phone: string; email: string }]>`
      select phone, email from members where member_id = ${entering.memberId}`
    const kept = await api.system.sql`
      select l::text as row from page_links l union all select s::text from page_sessions s
      union all select v::text from page_visits v union all select a::text from attempts a`
    const proof = new URL(location).searchParams.get('proof')!
    const session = entering.browser.cookies.get('otp-session')!
    const secrets = [member.phone, member.email, new URL(entering.url).pathname.slice(6), session, proof]
    for (const secret of [...secrets, `"${code}"`, 'state-of-this-return']) expect(api.log()).not.toContain(secret)
    expect(api.log()).toContain('/code-entry/:visitId')
    expect(kept.length).toBeGreaterThan(3)
    for (const secret of secrets) expect(JSON.stringify(kept)).not.toContain(secret)
    expect(kept.map(({ row }) => String(row)).some((row) => row.split(/[(),]/).includes(code))).toBe(false)
  })

  it('goes with the member who is erased', async () => {
    const entering = await enter(api)
    const { memberId } = entering
    await pageLink(api, { memberId, page: 'notification-destination', state: 'of-the-erased' })
    await api.system.sql`update members set status = 'erased' where member_id = ${memberId}`
    await api.system.sql`select close_withdrawn(array[${memberId}])`
    expect(await rowsOf(memberId)).toBe(0)
    expect((await entering.browser.get(entering.path)).statusCode).toBe(403)
  })

  it('is forgotten after its time, and not sooner', async () => {
    const { memberId } = await enter(api)
    await pageLink(api, { memberId, page: 'notification-destination' })
    await api.system.shiftClock(3_500_000)
    await forgetABatch(api.system.sql, { receiptDays: 30 })
    expect(await rowsOf(memberId)).toBe(4)
    await api.system.shiftClock(3 * 3_600_000)
    await forgetABatch(api.system.sql, { receiptDays: 30 })
    expect(await rowsOf(memberId)).toBe(0)
    await api.system.shiftClock(0)
  })
})

const rowsOf = async (memberId: string) => {
  const [row] = await api.system.sql<[{ count: number }]>`
    select count(*)::int from (
      select member_id from page_links union all select member_id from page_sessions
      union all select member_id from page_visits) as kept
    where member_id = ${memberId}`
  return row.count
}
