/**
 * P1, C5: code entry. Every verdict says what to do next; what is sent twice counts once; reload, back and a second tab
 * lead to what stands; the way back carries a proof.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApi, type Api } from './support/api.ts'
import { enter, pageLink, RETURN_URL, type Entering } from './support/code-entry.ts'
import { attributeOf, elementsOf, hasClass, parseHtml, textsOf } from './support/html.ts'
import { createMemberBrowser, formOf, wordsOf } from './support/member-browser.ts'
import { patience } from './support/speed.ts'
import { wrongCode } from './support/system.ts'

let api: Api
let patient: Api
beforeAll(async () => {
  api = await startApi()
  // With the cooldown and a limit of the rules.
  patient = await startApi({ OTP_COOLDOWN_SECONDS: '30', OTP_LIMIT_PER_10_MINUTES: '3' })
})
afterAll(() => Promise.all([api?.stop(), patient?.stop()]))

const challengeOf = async ({ memberId }: { memberId: string }) => {
  const [row] = await api.system.sql<[{ challenge_id: string; attempts: number; outcome: string | null }]>`
    select challenge_id, attempts, outcome from challenges where member_id = ${memberId} order by seq desc limit 1`
  return row
}
const countOf = async ({ memberId }: { memberId: string }, { system } = api) => {
  const [row] = await system.sql<[{ count: number }]>`
    select count(*)::int from challenges where member_id = ${memberId}`
  return row.count
}
/** The words of the box that says what happened. */
const noticeOf = (page: string) =>
  elementsOf(parseHtml(page).document)
    .filter((element) => hasClass(element, 'notice'))
    .flatMap(textsOf)
    .join(' ')
const hasField = (page: string) =>
  elementsOf(parseHtml(page).document, 'input').some((input) => attributeOf(input, 'name') === 'code')
const leadsBack = (location: string) => {
  const url = new URL(location)
  expect(url.origin + url.pathname).toBe('https://bank.example/return')
  return url.searchParams
}
/** The receipt that a provider sends when a message has failed. */
const failDelivery = (challengeId: string) => api.system.sql`
  select apply_receipts(provider, array[${randomUUID()}], array[${challengeId}], array[provider_message_id],
    array['failed'], array['x'], array[now()::text])
  from challenges where challenge_id = ${challengeId}`

describe('the page', () => {
  it('says where the code went, masked, how long it lives, what for, and that the newest counts', async () => {
    const entering = await enter(api)
    const page = await entering.page()
    const words = wordsOf(page)
    const [member] = await api.system.sql<[{ phone: string; email: string }]>`
      select phone, email from members where member_id = ${entering.memberId}`
    expect(words).toContain(`***-****-${member.phone.slice(-4)}`)
    expect(page).not.toContain(member.phone.slice(3, 9))
    expect(page).not.toContain(member.email)
    expect(page).not.toContain(await entering.code())
    expect(page).not.toContain(entering.memberId)
    expect(words).toMatch(/残り時間 (?:9:5\d|10:00) （日本時間\d{1,2}:\d{2}まで有効）/)
    expect(words).toContain('ご利用の手続き：特典の交換')
    expect(words).toContain('最後に受信したもののみ有効')
    expect(parseHtml(page).errors).toEqual([])
  })

  it('has one field, which phones fill in by themselves, and forgives what people paste', async () => {
    const entering = await enter(api)
    const [field, ...others] = elementsOf(parseHtml(await entering.page()).document, 'input').filter(
      (input) => attributeOf(input, 'type') !== 'hidden',
    )
    expect(others).toEqual([])
    expect(Object.fromEntries(field!.attrs.map(({ name, value }) => [name, value]))).toMatchObject({
      inputmode: 'numeric',
      autocomplete: 'one-time-code',
    })
    const code = await entering.code()
    const fullWidth = code.slice(3).replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit)))
    const typed = ` ${code.slice(0, 3)}-${fullWidth}\u3000`
    expect(leadsBack(await entering.submit(typed)).has('proof')).toBe(true)
  })

  it('says the same in the language of the link', async () => {
    const entering = await enter(api, { link: { locale: 'zh-TW' } })
    const page = await entering.page()
    expect(page).toContain('<html lang="zh-Hant">')
    expect(wordsOf(page)).toContain('輸入一次性密碼')
  })

  it('keeps the language that the member chose, whatever later links say; theirs count where none was chosen', async () => {
    const { browser, memberId, ...first } = await enter(api, { link: { locale: 'zh-TW' } })
    const next = (locale: string) => enter(api, { browser, memberId, link: { locale } })
    expect(await (await next('en')).page()).toContain('<html lang="en">')
    await browser.post('/language', { language: 'ko', back: first.path })
    for (const locale of ['ja', 'en']) expect(await (await next(locale)).page()).toContain('<html lang="ko">')
  })

  it('is private: not kept, not framed, fed by nobody else, and its forms lead to us and back alone', async () => {
    const entering = await enter(api)
    const { headers, body } = await entering.browser.get(entering.path)
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'permissions-policy': 'otp-credentials=(self)',
    })
    const { document } = parseHtml(body)
    const parts = [...elementsOf(document, 'script'), ...elementsOf(document, 'link').slice(1)]
    const [nonce, ...others] = new Set(parts.map((part) => attributeOf(part, 'nonce')))
    expect(nonce).toMatch(/^[0-9a-f-]{36}$/)
    expect(others).toEqual([])
    expect((await entering.browser.get(entering.path)).headers['content-security-policy']).not.toContain(nonce)
    expect(String(headers['content-security-policy']).split('; ')).toEqual([
      "default-src 'none'",
      `style-src 'nonce-${nonce}'`,
      `script-src 'nonce-${nonce}'`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'self' https://bank.example",
      "frame-ancestors 'none'",
    ])
  })

  it('shows the same challenge after a reload, in a second tab, and after the browser was closed', async () => {
    const entering = await enter(api)
    const again = await enter(api, {
      browser: entering.browser,
      memberId: entering.memberId,
      link: { challengeId: (await challengeOf(entering)).challenge_id },
    })
    const [first, second] = [await entering.page(), await again.page()]
    expect(wordsOf(first)).toContain('***-****-')
    expect(wordsOf(second)).toContain('***-****-')
    const reopened = createMemberBrowser(api.app, new Map(entering.browser.cookies))
    expect(wordsOf((await reopened.get(entering.path)).body)).toContain('***-****-')
    expect(await countOf(entering)).toBe(1)
  })
})

describe('who enters the right code', () => {
  it('goes back to the upstream with a proof and the state as it was', async () => {
    const state = 'a b&c=d%20"<>\r\nset-cookie: x=y 日本'
    const entering = await enter(api, { link: { state } })
    const location = await entering.submit(await entering.code())
    expect(location).not.toMatch(/[\r\n<>"]/)
    const back = leadsBack(location)
    expect([...back.keys()]).toEqual(['step', 'proof', 'state'])
    expect(back.get('state')).toBe(state)
    expect((await challengeOf(entering)).outcome).toBe('verified')
  })

  it('gets the same answer for the same form sent twice, at once and later, and it counts once', async () => {
    const entering = await enter(api)
    const form = { ...formOf(await entering.page(), entering.path), code: await entering.code() }
    const post = async () => (await entering.browser.post(entering.path, form)).headers.location
    const answers = await Promise.all([post(), post(), post(), post()])
    expect(new Set([...answers, await post()]).size).toBe(1)
    expect(leadsBack(String(answers[0])).has('proof')).toBe(true)
    const [row] = await api.system.sql<[{ count: number }]>`
      select count(*)::int from outbox where subject = ${entering.memberId} and type = 'otp.challenge.verified'`
    expect(row.count).toBe(1)
  })

  it('finds by the back button that it is done, with the same way back as long as the proof lives', async () => {
    const entering = await enter(api)
    const location = await entering.submit(await entering.code())
    const page = await entering.page()
    expect(hasField(page)).toBe(false)
    expect(noticeOf(page)).toContain('認証が完了しました')
    const [link] = elementsOf(parseHtml(page).document, 'a').filter((each) => hasClass(each, 'button'))
    expect(attributeOf(link!, 'href')).toBe(location)

    await api.system.shiftClock(121_000)
    const late = await entering.page()
    expect(late).not.toContain('proof=')
    expect(noticeOf(late)).toContain('もう一度お進みください')
    await api.system.shiftClock(0)
  })

  it('who types it anew in another tab is done as well', async () => {
    const entering = await enter(api)
    const otherTab = { ...formOf(await entering.page(), entering.path), code: await entering.code() }
    await entering.submit(await entering.code())
    const { headers } = await entering.browser.post(entering.path, otherTab)
    expect(noticeOf(await entering.page(String(headers.location).replace(entering.path, '')))).toContain('完了')
  })

  it('is done on the page itself where the link has no way back', async () => {
    const memberId = await api.system.addMember()
    const browser = createMemberBrowser(api.app)
    const opened = await browser.open(await pageLink(api, { memberId, page: 'code-entry', purpose: 'redeem_benefit' }))
    const path = String(opened.headers.location)
    const [code] = await api.system.codes(memberId)
    const answer = await browser.post(path, { ...formOf((await browser.get(path)).body, path), code: code! })
    expect(answer.headers.location).toBe(path)
    const page = await browser.get(path)
    expect(wordsOf(page.body)).toContain('この画面を閉じて')
    expect(page.headers['content-security-policy']).toContain("form-action 'self';")
  })
})

describe('every other verdict says what to do next', () => {
  const said = async (entering: Entering, code: string) => {
    const location = await entering.submit(code)
    expect(location.startsWith(entering.path)).toBe(true)
    const page = await entering.page(location.slice(entering.path.length))
    return { page, notice: noticeOf(page) }
  }

  it('wrong: with the attempts that are left, once however often the form is sent', async () => {
    const entering = await enter(api)
    const code = wrongCode(await entering.code())
    const form = { ...formOf(await entering.page(), entering.path), code }
    const answers = [1, 2, 3].map(() => entering.browser.post(entering.path, form))
    const locations = (await Promise.all(answers)).map(({ headers }) => String(headers.location))
    expect(new Set(locations).size).toBe(1)
    const query = locations[0]!.slice(entering.path.length)
    const wrong = await entering.page(query)
    expect(noticeOf(wrong)).toContain('あと4回')
    const isInvalid = (page: string) =>
      elementsOf(parseHtml(page).document, 'input').some((input) => attributeOf(input, 'aria-invalid') === 'true')
    expect([isInvalid(wrong), isInvalid(await entering.page())]).toEqual([true, false])
    expect((await said(entering, code)).notice).toContain('あと3回')
    // The earlier page, reloaded, still says what was said.
    expect(noticeOf(await entering.page(query))).toContain('あと4回')
    expect((await challengeOf(entering)).attempts).toBe(2)
  })

  it('wrong, and corrected in the same form: another attempt, which nothing at rest lets anybody guess', async () => {
    const entering = await enter(api)
    const code = await entering.code()
    const form = formOf(await entering.page(), entering.path)
    const post = async (typed: string) =>
      String((await entering.browser.post(entering.path, { ...form, code: typed })).headers.location)
    const wrong = await post(wrongCode(code))
    expect(noticeOf(await entering.page(wrong.slice(entering.path.length)))).toContain('あと4回')
    const right = await post(code)
    expect(leadsBack(right).has('proof')).toBe(true)
    expect(await post(code)).toBe(right)
    expect((await challengeOf(entering)).attempts).toBe(1)
    const kept = await api.system.sql<{ attempt_id: string }[]>`
      select attempt_id from attempts where challenge_id = ${(await challengeOf(entering)).challenge_id}`
    expect(new Set(kept.map(({ attempt_id: id }) => id)).size).toBe(2)
    expect(JSON.stringify(kept)).not.toContain(form['attempt'])
  })

  it('wrong again and again in the same form: each guess counts', async () => {
    const entering = await enter(api)
    const code = Number(await entering.code())
    const form = formOf(await entering.page(), entering.path)
    const post = async (typed: number) => {
      const { headers } = await entering.browser.post(entering.path, { ...form, code: String(typed).padStart(6, '0') })
      return noticeOf(await entering.page(String(headers.location).slice(entering.path.length)))
    }
    for (let left = 4; left > 0; left--) expect(await post((code + left) % 1e6)).toContain(`あと${left}回`)
    expect(await post((code + 5) % 1e6)).toContain('入力できる回数を超えました')
    expect(await post(code)).toContain('入力できる回数を超えました')
  })

  it.each(['12345', '1234567', 'abcdef', '', ' ', '12345x', '１２３４５', '9'.repeat(65), '٣٤٥٦٧٨'])(
    'no code at all: %j costs nothing',
    async (typed) => {
      const entering = await enter(api)
      const { page, notice } = await said(entering, typed)
      expect(notice).toContain('6桁の数字で入力してください')
      expect(hasField(page)).toBe(true)
      expect((await challengeOf(entering)).attempts).toBe(0)
    },
  )

  it('older: enter the one sent at that time', async () => {
    const entering = await enter(api)
    const older = await entering.code()
    await entering.resend()
    const { notice, page } = await said(entering, older)
    expect(notice).toMatch(/以前にお送りした.*日本時間\d{1,2}:\d{2}に送信した/)
    expect(hasField(page)).toBe(true)
    expect((await challengeOf(entering)).attempts).toBe(0)
  })

  it('exhausted: after five wrong ones only a new code helps, also not the right one', async () => {
    const entering = await enter(api)
    const code = await entering.code()
    for (let left = 4; left > 0; left--)
      expect((await said(entering, wrongCode(code))).notice).toContain(`あと${left}回`)
    const last = formOf(await entering.page(), entering.path)
    const { notice, page } = await said(entering, wrongCode(code))
    expect(notice).toContain('入力できる回数を超えました')
    expect(hasField(page)).toBe(false)
    const { headers } = await entering.browser.post(entering.path, { ...last, code })
    expect(noticeOf(await entering.page(String(headers.location).slice(entering.path.length)))).toContain('超えました')
    await entering.resend()
    expect(leadsBack(await entering.submit(await entering.code())).has('proof')).toBe(true)
  })

  it('locked: until when, or whom to ask', async () => {
    const entering = await enter(api)
    await api.system.sql`
      update challenge_heads set locked_until = now() + interval '30 minutes' where member_id = ${entering.memberId}`
    const page = await entering.page()
    expect(noticeOf(page)).toMatch(/日本時間\d{1,2}:\d{2}以降に/)
    expect(hasField(page)).toBe(false)
    await api.system.sql`update challenge_heads set locked_until = 'infinity' where member_id = ${entering.memberId}`
    expect(noticeOf(await entering.page())).toContain('JALマイレージバンクセンターへご連絡ください')
  })

  it('expired: send a new one, which the page then shows', async () => {
    const entering = await enter(api)
    const code = await entering.code()
    const form = { ...formOf(await entering.page(), entering.path), code }
    await api.system.shiftClock(600_500)
    const { headers } = await entering.browser.post(entering.path, form)
    const page = await entering.page(String(headers.location).slice(entering.path.length))
    expect(noticeOf(page)).toContain('有効期限が切れました')
    expect(hasField(page)).toBe(false)
    const { challenge_id: expired } = await challengeOf(entering)
    expect(await entering.resend()).toBe(entering.path)
    expect(hasField(await entering.page())).toBe(true)
    // The upstream that waits for the first is led to the newest (C14).
    const status = await api.call('GET', `/v1/challenges/${expired}`)
    expect(status.json()).toMatchObject({
      status: 'expired',
      continuedBy: (await challengeOf(entering)).challenge_id,
    })
    expect(leadsBack(await entering.submit(await entering.code())).has('proof')).toBe(true)
    await api.system.shiftClock(0)
  })

  it('superseded by another procedure: which one counts, and how to go on here', async () => {
    const entering = await enter(api)
    await enter(api, { memberId: entering.memberId })
    const page = await entering.page()
    expect(noticeOf(page)).toContain('別のお手続き')
    expect(hasField(page)).toBe(false)
    await entering.resend()
    expect(leadsBack(await entering.submit(await entering.code())).has('proof')).toBe(true)
  })

  it('cancelled by the upstream: back there, and nothing is sent any more', async () => {
    const entering = await enter(api)
    await api.call('DELETE', `/v1/challenges/${(await challengeOf(entering)).challenge_id}`)
    const page = await entering.page()
    expect(noticeOf(page)).toContain('このお手続きは終了しました')
    const [main] = elementsOf(parseHtml(page).document, 'main')
    expect(elementsOf(main!, 'form')).toEqual([])
    expect(page).toContain('https://bank.example/return?step=2&amp;state=s-1')
    const sent = await entering.browser.post(`${entering.path}/send`, { request: randomUUID() })
    expect(noticeOf(await entering.page(String(sent.headers.location).slice(entering.path.length)))).toContain('終了')
    expect(await countOf(entering)).toBe(1)
  })

  it('undeliverable, at the start: what to change, with a way to try again', async () => {
    const entering = await enter(api, { member: { channel: 'email', email: 'ab..cd@example.jp', phone: null } })
    const page = await entering.page(entering.location.slice(entering.path.length))
    expect(noticeOf(page)).toContain('メールアドレスに登録を更新してください')
    await api.system.sql`update members set email = 'abcd@example.jp' where member_id = ${entering.memberId}`
    const form = formOf(page, `${entering.path}/send`)
    expect((await entering.browser.post(`${entering.path}/send`, form)).headers.location).toBe(entering.path)
    expect(wordsOf(await entering.page())).toContain('a***@e***.jp')
  })

  it('undeliverable later: what to do, with the ways that are left', async () => {
    const entering = await enter(api, { member: { email: null } })
    await api.system.sql`
      select close_challenge(${(await challengeOf(entering)).challenge_id}, 'undeliverable', 'rejected', 'contact_center',
        ${api.system.sql.json(api.system.config.policy)}, false)`
    const page = await entering.page()
    expect(noticeOf(page)).toContain('お送りできません')
    expect(hasField(page)).toBe(false)
    expect(() => formOf(page, `${entering.path}/send`)).not.toThrow()
  })

  it('not delivered, as the provider tells: what to check, and the code counts all the same', async () => {
    const entering = await enter(api, { member: { email: null } })
    await failDelivery((await challengeOf(entering)).challenge_id)
    const page = await entering.page()
    expect(noticeOf(page)).toContain('メッセージをお届けできませんでした')
    expect(leadsBack(await entering.submit(await entering.code())).has('proof')).toBe(true)
  })
})

describe('send again', () => {
  it('starts one newer code, however often its form is sent, and the page shows it', async () => {
    const entering = await enter(api)
    const older = await entering.code()
    const action = `${entering.path}/send`
    const form = formOf(await entering.page(), action)
    const answers = await Promise.all([1, 2, 3].map(() => entering.browser.post(action, form)))
    expect(answers.map(({ headers }) => headers.location)).toEqual([entering.path, entering.path, entering.path])
    await entering.browser.post(action, form)
    expect(await countOf(entering)).toBe(2)
    expect(await entering.code()).not.toBe(older)
    expect(leadsBack(await entering.submit(await entering.code())).has('proof')).toBe(true)
  })

  it('comes in the language that the page was switched to (F23)', async () => {
    const { browser, memberId, path, ...entering } = await enter(api, { link: { locale: 'ja' } })
    await browser.post('/language', { language: 'en', back: path })
    await entering.resend()
    const codes = await api.system.until(async () => {
      const sent = await api.system.sql<{ language: string }[]>`
        select language from challenges where member_id = ${memberId} order by seq`
      return sent.length === 2 && sent
    })
    expect(codes.map(({ language }) => language)).toEqual(['ja', 'en'])
  })

  it('shows its cooldown, and when pressed too early until when', async () => {
    const entering = await enter(patient)
    expect(wordsOf(await entering.page())).toMatch(/再送信できるまで 0:(?:2\d|30)/)
    const location = await entering.resend()
    const notice = noticeOf(await entering.page(location.slice(entering.path.length)))
    expect(notice).toMatch(/まだ送信できません。 .*日本時間\d{1,2}:\d{2}以降に/)
    expect(await countOf(entering, patient)).toBe(1)
    await patient.system.shiftClock(31_000)
    expect(wordsOf(await entering.page())).not.toContain('再送信できるまで')
    expect(await entering.resend()).toBe(entering.path)
    await patient.system.shiftClock(0)
  })

  it('says when there were too many, also where it was the first for this page', async () => {
    const { memberId } = await enter(patient)
    for (const seconds of [31, 62]) {
      await patient.system.shiftClock(seconds * 1000)
      await enter(patient, { memberId })
    }
    await patient.system.shiftClock(93_000)
    const entering = await enter(patient, { memberId })
    const page = await entering.page(entering.location.slice(entering.path.length))
    expect(noticeOf(page)).toMatch(/日本時間\d{1,2}:\d{2}以降に/)
    expect(hasField(page)).toBe(false)
    expect(await countOf({ memberId }, patient)).toBe(3)
    await patient.system.shiftClock(700_000)
    expect(await entering.resend()).toBe(entering.path)
    expect(hasField(await entering.page())).toBe(true)
    await patient.system.shiftClock(0)
  })

  it('goes by the other channel where the member has one', async () => {
    const entering = await enter(api)
    expect(await entering.resend('email')).toBe(entering.path)
    expect(wordsOf(await entering.page())).toContain('m***@e***.jp')
    expect(await entering.resend('sms')).toBe(entering.path)
    expect(wordsOf(await entering.page())).toContain('***-****-')
  })

  it('offers no channel that is not usable', async () => {
    for (const member of [
      { email: null },
      { email: 'ab..cd@example.jp' },
      { channel: 'email', phone: null } as const,
    ]) {
      const entering = await enter(api, { member })
      await expect(entering.resend('email')).rejects.toThrow('no such form')
      await expect(entering.resend('sms')).rejects.toThrow('no such form')
    }
  })

  it('never offers e-mail where SMS is mandatory, and never sends one, whatever is posted', async () => {
    const memberId = await api.system.addMember({ channel: 'email' })
    await api.system
      .sql`update members set birth_date = '1980-01-01', family_card = false where member_id = ${memberId}`
    await api.system.sql`
      insert into enrollments (member_id, mandatory_since) values (${memberId}, now() - interval '1 day')`
    const entering = await enter(api, { memberId })
    expect(wordsOf(await entering.page())).toContain('***-****-')
    await expect(entering.resend('email')).rejects.toThrow('no such form')
    const form = formOf(await entering.page(), `${entering.path}/send`)
    await entering.browser.post(`${entering.path}/send`, { ...form, channel: 'email' })
    expect(await countOf(entering)).toBe(2)
    expect(wordsOf(await entering.page())).toContain('***-****-')
    expect(await api.system.simulators.messages(`m${memberId}@example.jp`)).toEqual([])
  })
})

describe('a code that is still being sent', () => {
  it('is told so, is not loaded anew while one types, and is there once it was taken', async () => {
    const slow = api.server({}, { OTP_SEND_WAIT_SECONDS: '1' })
    const memberId = await api.system.addMember()
    const [member] = await api.system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    await api.system.simulators.faults({ to: member.phone, latencyMs: 1_000 + patience(3), times: 1 })
    const browser = createMemberBrowser(slow)
    const url = await pageLink(api, { memberId, page: 'code-entry', purpose: 'redeem_benefit', returnUrl: RETURN_URL })
    const path = String((await browser.open(url)).headers.location)
    const { body } = await browser.get(path)
    expect(wordsOf(body)).toContain('送信しています')
    expect(body).not.toContain('http-equiv')
    expect(body).toContain(`<noscript><p><a href="${path}">送信できたか確認する</a></p></noscript>`)
    expect(hasField(body)).toBe(true)
    const state = (await browser.get(`${path}/state`)).json<{ version: string }>()
    expect(body).toContain(`data-version="${state.version}"`)
    const sent = await api.system.until(async () => {
      const { body: now } = await browser.get(path)
      return wordsOf(now).includes('お送りしました') ? now : undefined
    })
    expect(sent).not.toContain('http-equiv')
    expect((await browser.get(`${path}/state`)).json<{ version: string }>().version).not.toBe(state.version)
  })

  it('can be had by the other channel instead, where policy allows', async () => {
    const slow = api.server({}, { OTP_SEND_WAIT_SECONDS: '1' })
    const open = async (email?: null) => {
      const memberId = await api.system.addMember(email === null ? { email } : {})
      const [member] = await api.system.sql<[{ phone: string; email: string }]>`
        select phone, email from members where member_id = ${memberId}`
      await api.system.simulators.faults({ to: member.phone, latencyMs: 1_000 + patience(6), times: 1 })
      const browser = createMemberBrowser(slow)
      const body = { memberId, page: 'code-entry', purpose: 'redeem_benefit', returnUrl: RETURN_URL }
      const path = String((await browser.open(await pageLink(api, body))).headers.location)
      return { ...member, browser, path, page: (await browser.get(path)).body }
    }
    const { browser, path, page, email } = await open()
    expect(wordsOf(page)).toContain('送信しています')
    expect(() => formOf(page, `${path}/send`, { channel: 'sms' })).toThrow('no such form')
    await browser.post(`${path}/send`, formOf(page, `${path}/send`, { channel: 'email' }))
    const [message] = await api.system.until(async () => {
      const messages = await api.system.simulators.messages(email)
      return messages.length > 0 && messages
    })
    expect(message!.text).toMatch(/\d{6}/)
    expect(wordsOf((await browser.get(path)).body)).toContain('m***@e***.jp')

    const other = await open(null)
    expect(wordsOf(other.page)).toContain('送信しています')
    expect(() => formOf(other.page, `${other.path}/send`)).toThrow('no such form')
  })

  it('waits for its provider without a clock, and what is typed costs no attempt (F21)', async () => {
    const slow = api.server({}, { OTP_SEND_WAIT_SECONDS: '1' })
    const memberId = await api.system.addMember({ email: null })
    const [member] = await api.system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    await api.system.simulators.faults({ to: member.phone, status: 429, retryAfterSeconds: 3_600, times: 1 })
    const link = (id: string) =>
      pageLink(api, { memberId: id, page: 'code-entry', purpose: 'redeem_benefit', returnUrl: RETURN_URL })
    try {
      const browser = createMemberBrowser(slow)
      const path = String((await browser.open(await link(memberId))).headers.location)
      const page = await api.system.until(async () => {
        const { body } = await browser.get(path)
        return body.includes('data-countdown="expiry"') ? undefined : body
      })
      expect(wordsOf(page)).toContain('送信しています')
      const answer = await browser.post(path, { ...formOf(page, path), code: '123456' })
      const said = (await browser.get(String(answer.headers.location))).body
      expect(noticeOf(said)).toContain('まだ送信されていません')
      expect(said).not.toContain('data-countdown="expiry"')
      expect((await challengeOf({ memberId })).attempts).toBe(0)

      const other = createMemberBrowser(slow)
      const refused = String(
        (await other.open(await link(await api.system.addMember({ email: null })))).headers.location,
      )
      expect(noticeOf((await other.get(refused)).body)).toContain('現在、メッセージを送信できません')
    } finally {
      await api.system.sql`delete from provider_pace`
    }
  })

  it('cannot be begun while Temporal or Postgres is away: the page says so, and later it begins by itself', async () => {
    const broken = api.server({
      temporal: new Proxy(api.system.temporal, {
        get: (client, name) => {
          if (name === 'workflow') throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
          return Reflect.get(client, name) as unknown
        },
      }),
    })
    const memberId = await api.system.addMember()
    const url = await pageLink(api, { memberId, page: 'code-entry', purpose: 'redeem_benefit', returnUrl: RETURN_URL })
    const browser = createMemberBrowser(broken)
    const answer = await browser.open(url)
    expect(answer.statusCode).toBe(503)
    expect(wordsOf(answer.body)).toContain('ただいまご利用いただけません')
    const later = createMemberBrowser(api.app, browser.cookies)
    const opened = await later.open(url)
    expect(opened.statusCode).toBe(303)
    expect(hasField((await later.get(String(opened.headers.location))).body)).toBe(true)
    expect(await countOf({ memberId })).toBe(1)
  })
})
