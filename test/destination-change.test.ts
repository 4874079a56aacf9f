/**
 * P2: the notification destination, by the four steps of the page. No step can be skipped, no form means more than it did when
 * it was drawn, and what is shown is what stands.
 */
import { randomUUID } from 'node:crypto'
import type { Client } from '@temporalio/client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../local/stack/ports.ts'
import { applyMemberChanges } from '../postgres/members.ts'
import { startApi, type Api } from './support/api.ts'
import { codeTo, DESTINATION_RETURN, visitDestination, type DestinationVisiting } from './support/destination-visit.ts'
import { startFlakyProxy } from './support/flaky-proxy.ts'
import { attributeOf, elementsOf, parseHtml } from './support/html.ts'
import { createMemberBrowser, formOf, wordsOf } from './support/member-browser.ts'
import { remoteApp } from './support/remote-app.ts'
import { temporalAddress } from './support/stack.ts'
import { wrongCode } from './support/system.ts'

let api: Api
beforeAll(async () => {
  api = await startApi({ OTP_SWEEP_INTERVAL_SECONDS: '1' })
})
afterAll(() => api?.stop())
beforeEach(() => api.system.shiftClock(0))

let numbers = 0
/** As it is typed; no two are alike. */
const newNumber = () => `080-3${String(++numbers).padStart(3, '0')}-5678`
const e164 = (typed: string) => `+81${typed.replaceAll('-', '').slice(1)}`

async function expectNothing({ memberId }: { memberId: string }) {
  const [row] = await api.system.sql`
    select (select count(*)::int from destinations where member_id = ${memberId}) as rows,
      (select count(*)::int from outbox where subject = ${memberId} and type = 'otp.destination.changed') as events,
      (select count(*)::int from member_notices where member_id = ${memberId}) as notices`
  expect(row).toEqual({ rows: 0, events: 0, notices: 0 })
}

const standingOf = async ({ memberId }: { memberId: string }) => {
  const [row] = await api.system.sql`
    select effective_phone(m, d) as phone, effective_preference(m, d) as preference
    from members m left join destinations d using (member_id) where m.member_id = ${memberId}`
  return row
}
const challengesOf = ({ memberId }: { memberId: string }) => api.system.sql`
  select purpose, outcome, destination from challenges where member_id = ${memberId} order by seq`
const canonical = (html: string) => html.replaceAll(/[0-9a-f-]{36}/g, '')

describe('the four steps', () => {
  it('lead from what stands to a registered number with SMS, and back to the upstream', async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    const first = await visit.page()
    expect(first).toMatchObject({ status: 200, path: '/' })
    expect(wordsOf(first.body)).toContain(`m***@e***.jp`)
    expect(first.body).not.toContain(visit.email)

    expect(await visit.send('/number', { number })).toBe('/identity')
    expect(await visit.send('/identity', { code: await codeTo(api, visit.email) })).toBe('/code')
    expect(wordsOf((await visit.page('/code')).body)).toContain(`***-****-${number.slice(-4)}`)
    expect(await visit.send('/code', { code: await codeTo(api, number) })).toBe('/choice')
    await expectNothing(visit)
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')

    const done = await visit.page('/done')
    expect(wordsOf(done.body)).toContain(`***-****-${number.slice(-4)}`)
    const back = elementsOf(parseHtml(done.body).document, 'a').map((link) => attributeOf(link, 'href'))
    expect(back).toContain(`${DESTINATION_RETURN}?state=s-1`)
    expect(await standingOf(visit)).toEqual({ phone: e164(number), preference: 'sms' })
    const [pending] = await api.system.sql`select phone from destination_visits where changed_at is not null
      and visit_id = ${visit.path.split('/').at(-1)!}`
    expect(pending).toEqual({ phone: null })

    // What the member set is where the next code goes.
    const started = await api.call('POST', '/v1/challenges', {
      body: { memberId: visit.memberId, purpose: 'redeem_benefit' },
    })
    expect(started.json()).toMatchObject({ channel: 'sms', destination: `***-****-${number.slice(-4)}` })
  })

  it('are as long for a first number: a password alone registers none', async () => {
    const number = newNumber()
    const visit = await visitDestination(api, { member: { phone: null, channel: 'email' } })
    await visit.prove(number)
    expect((await challengesOf(visit)).map(({ purpose, outcome }) => [purpose, outcome])).toEqual([
      ['change_membership', 'verified'],
      ['register_phone', 'verified'],
    ])
    expect(await visit.send('/choice', { choice: 'email' })).toBe('/done')
    expect(await standingOf(visit)).toEqual({ phone: e164(number), preference: 'email' })
  })

  it('tell the destinations once, and the event says what changed and no number', async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    await visit.prove(number)
    await visit.send('/choice', { choice: 'sms' })
    const told = await api.system.until(async () => {
      const rows = await api.system.sql`select state from member_notices where member_id = ${visit.memberId}`
      return rows.every(({ state }) => state === 'accepted') && rows.length
    })
    expect(told).toBe(3)
    const events = await api.system.sql`
      select data from outbox where subject = ${visit.memberId} and type = 'otp.destination.changed' order by id`
    expect(events.map(({ data }) => data as unknown)).toEqual([
      { memberId: visit.memberId, field: 'phone' },
      { memberId: visit.memberId, field: 'preference', channel: 'sms' },
    ])
  })

  it('are two for the choice alone, and the proof of who it is holds for the session', async () => {
    const visit = await visitDestination(api)
    expect((await visit.page('/choice')).path).toBe('/identity')
    expect(await visit.send('/identity/send')).toBe('/identity')
    expect(await visit.send('/identity', { code: await codeTo(api, visit.email) })).toBe('/choice')
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')
    expect(await standingOf(visit)).toEqual({ phone: visit.phone, preference: 'sms' })
    // Another link in the same browser.
    const again = await visitDestination(api, { memberId: visit.memberId, browser: visit.browser })
    expect((await again.page('/choice')).path).toBe('/choice')
    expect(await again.send('/choice', { choice: 'email' })).toBe('/done')
    expect(await standingOf(visit)).toEqual({ phone: visit.phone, preference: 'email' })
    // And in another one, from the beginning.
    const elsewhere = await visitDestination(api, { memberId: visit.memberId })
    expect((await elsewhere.page('/choice')).path).toBe('/identity')
  })

  it('take a number that a family member has registered', async () => {
    const number = newNumber()
    for (const visit of [await visitDestination(api), await visitDestination(api)]) {
      await visit.prove(number)
      expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')
    }
  })
})

describe('no step can be skipped', () => {
  it.each(['/code', '/choice', '/done', '/identity', '/number'])('%s leads to what comes first', async (step) => {
    const visit = await visitDestination(api)
    const expected = { '/code': '/number', '/choice': '/identity', '/done': '/' } as Record<string, string>
    expect((await visit.page(step)).path).toBe(expected[step] ?? step)
  })

  it('a choice that is posted right away changes nothing', async () => {
    const visit = await visitDestination(api)
    expect(await visit.post('/choice', { choice: 'sms', version: '0' })).toBe('/identity')
    await expectNothing(visit)
  })

  it.each(['.taro@example.jp', 'ta..ro@example.jp', 'ta(ro@example.jp', null])(
    'the choice of an address that nothing can be delivered to is refused: %s (F20)',
    async (email) => {
      const visit = await visitDestination(api, { member: { channel: 'sms', email } })
      const number = newNumber()
      await visit.send('/number', { number })
      await visit.send('/identity', { code: await codeTo(api, visit.phone!) })
      expect(await visit.send('/code', { code: await codeTo(api, number) })).toBe('/choice')
      expect(await visit.post('/choice', { choice: 'email', version: '0' })).toBe('/choice?notice=refused')
      expect(await standingOf(visit)).toEqual({ phone: visit.phone, preference: 'sms' })
      await expectNothing(visit)
    },
  )

  it('a number without its code, and one without the proof of who it is, change nothing', async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    await visit.send('/number', { number })
    expect(await visit.post('/choice', { choice: 'sms', version: '0' })).toBe('/identity')
    expect(await visit.post('/code/send', { request: randomUUID() })).toBe('/identity')
    await visit.send('/identity', { code: await codeTo(api, visit.email) })
    expect((await visit.page('/choice')).path).toBe('/code')
    expect(await visit.post('/choice', { choice: 'sms', version: '0' })).toBe('/done')
    // That was the choice alone: the number that stands is the one that stood.
    expect(await standingOf(visit)).toEqual({ phone: visit.phone, preference: 'sms' })
  })

  it('a number that was swapped after its proof has to be proven itself', async () => {
    const [proven, swapped] = [newNumber(), newNumber()]
    const visit = await visitDestination(api)
    await visit.prove(proven)
    expect(await visit.send('/number', { number: swapped })).toBe('/code')
    expect((await visit.page('/choice')).path).toBe('/code')
    const form = { choice: 'sms', version: '0' }
    await visit.post('/choice', form)
    expect((await standingOf(visit))!['phone']).toBe(visit.phone)
  })

  it('a number that is corrected in the same form is sent a code of its own', async () => {
    const visit = await visitDestination(api)
    await visit.prove(newNumber())
    const form = formOf((await visit.page('/number')).body, `${visit.path}/number`)
    const [mistyped, meant] = [newNumber(), newNumber()]
    expect(await visit.post('/number', { ...form, number: mistyped })).toBe('/code')
    expect(await visit.post('/number', { ...form, number: meant })).toBe('/code')
    expect(await visit.send('/code', { code: await codeTo(api, meant) })).toBe('/choice')
  })

  it('a code for the one is none for the other', async () => {
    const visit = await visitDestination(api)
    await visit.send('/number', { number: newNumber() })
    const code = await codeTo(api, visit.email)
    await visit.send('/identity', { code })
    expect(await visit.send('/code', { code })).toMatch(/^\/code\?attempt=/)
    expect((await visit.page('/choice')).path).toBe('/code')
  })

  it('a wrong code leaves everything as it is, and says so', async () => {
    const visit = await visitDestination(api)
    await visit.send('/number', { number: newNumber() })
    const led = await visit.send('/identity', { code: wrongCode(await codeTo(api, visit.email)) })
    expect(led).toMatch(/^\/identity\?attempt=/)
    expect((await visit.page(led)).body).toContain('notice error')
  })
})

describe('whose proof it is', () => {
  it('another member’s visit in the same browser is over, and changes nothing', async () => {
    const [mine, browser] = [await visitDestination(api), createMemberBrowser(api.app)]
    const earlier = await visitDestination(api, { browser, memberId: mine.memberId })
    await visitDestination(api, { browser })
    expect(await earlier.post('/choice', { choice: 'sms', version: '0' })).toBe('403')
    expect((await earlier.page()).status).toBe(403)
    await expectNothing(earlier)
  })

  it('a challenge that an upstream had verified elsewhere proves nothing here', async () => {
    const visit = await visitDestination(api)
    const started = await api.call('POST', '/v1/challenges', {
      body: { memberId: visit.memberId, purpose: 'change_membership' },
    })
    const { challengeId } = started.json<{ challengeId: string }>()
    const code = await codeTo(api, visit.email)
    const verified = await api.call('POST', `/v1/challenges/${challengeId}/verify`, { body: { code } })
    expect(verified.json()).toMatchObject({ result: 'verified' })
    expect((await visit.page('/choice')).path).toBe('/identity')
  })

  it('after ten minutes it has to be given again, and what was entered is kept', async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    await visit.prove(number)
    const form = formOf((await visit.page('/choice')).body, `${visit.path}/choice`)
    await api.system.shiftClock(601_000)
    expect(await visit.post('/choice', { ...form, choice: 'sms' })).toBe('/identity')
    await expectNothing(visit)
    const again = await visit.page('/identity')
    expect(wordsOf(again.body)).toContain('確認から時間が経過')
    expect(await visit.send('/identity/send')).toBe('/identity')
    const code = await api.system.until(async () => {
      const [message] = await api.system.simulators.messages(visit.email)
      return message !== undefined && codeTo(api, visit.email)
    })
    expect(await visit.send('/identity', { code })).toBe('/choice')
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')
    expect(await standingOf(visit)).toEqual({ phone: e164(number), preference: 'sms' })
  })

  it('a cross-site form changes nothing', async () => {
    const visit = await visitDestination(api)
    await visit.prove(newNumber())
    const answer = await visit.browser.post(
      `${visit.path}/choice`,
      { choice: 'sms', version: '0' },
      { 'sec-fetch-site': 'cross-site' },
    )
    expect(answer.statusCode).toBe(403)
    await expectNothing(visit)
  })
})

describe('forms that are sent again', () => {
  it('all of them twice at once: one code each, one change, one notice each', { repeats: 9 }, async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    const twice = async (step: string, fields: Record<string, string>) => {
      const form = { ...formOf((await visit.page(step)).body, `${visit.path}${step}`), ...fields }
      return Promise.all([visit.post(step, form), visit.post(step, form)])
    }
    expect(await twice('/number', { number })).toEqual(['/identity', '/identity'])
    expect(await twice('/identity', { code: await codeTo(api, visit.email) })).toEqual(['/code', '/code'])
    expect(await twice('/code', { code: await codeTo(api, number) })).toEqual(['/choice', '/choice'])
    expect(await twice('/choice', { choice: 'sms' })).toEqual(['/done', '/done'])
    expect(await challengesOf(visit)).toHaveLength(2)
    const [row] = await api.system.sql`
      select count(*)::int as notices from member_notices where member_id = ${visit.memberId}`
    expect(row).toEqual({ notices: 3 })
  })

  it('a choice that stands already is not said to have changed anything', async () => {
    const visit = await visitDestination(api)
    const number = newNumber()
    await visit.prove(number)
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/')
    expect(await standingOf(visit)).toEqual({ phone: e164(number), preference: 'sms' })
  })

  it('a choice from an earlier tab does not take back a later one', async () => {
    const visit = await visitDestination(api)
    await visit.send('/identity/send')
    await visit.send('/identity', { code: await codeTo(api, visit.email) })
    const stale = formOf((await visit.page('/choice')).body, `${visit.path}/choice`)
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')
    expect(await visit.send('/choice', { choice: 'email' })).toBe('/done')
    expect(await visit.post('/choice', { ...stale, choice: 'sms' })).toBe('/choice?notice=changed_meanwhile')
    expect((await standingOf(visit))!['preference']).toBe('email')
  })

  it('in two tabs with different numbers: a form sets the number that it names, or none', async () => {
    const [one, other] = [newNumber(), newNumber()]
    const visit = await visitDestination(api)
    await visit.prove(one)
    const tab = formOf((await visit.page('/choice')).body, `${visit.path}/choice`)
    await visit.send('/number', { number: other })
    await visit.send('/code', { code: await codeTo(api, other) })
    expect(await visit.post('/choice', { ...tab, choice: 'sms' })).toBe('/choice?notice=changed_meanwhile')
    expect((await standingOf(visit))!['phone']).toBe(visit.phone)
    const current = formOf((await visit.page('/choice')).body, `${visit.path}/choice`)
    await visit.post('/number/forget', {})
    expect(await visit.post('/choice', { ...current, choice: 'sms' })).toBe('/choice?notice=changed_meanwhile')
    expect((await standingOf(visit))!['phone']).toBe(visit.phone)
    await visit.prove(other)
    expect(await visit.send('/choice', { choice: 'sms' })).toBe('/done')
    expect((await standingOf(visit))!['phone']).toBe(e164(other))
  })

  it.each([
    ['/choice', { choice: 'fax', version: '0' }],
    ['/choice', { choice: 'sms', version: '-1' }],
    ['/choice', { choice: 'sms' }],
    ['/choice', {}],
    ['/number', {}],
    ['/identity', { code: '123456' }],
    ['/identity/send', { request: 'x' }],
  ])('%s with %j is no form of ours', async (step, fields) => {
    const visit = await visitDestination(api)
    if (step === '/identity') await visit.send('/identity/send')
    expect(await visit.post(step, fields as Record<string, string>)).toBe('400')
    await expectNothing(visit)
  })
})

describe('the number', () => {
  it.each([
    ['', '入力してください'],
    ['03-5460-0124', '固定電話'],
    ['050-1234-5678', '050から始まる'],
    ['090-1234-567', '桁数が足りません'],
    ['090-1234-56789', '桁数が多すぎます'],
    ['+1 202 555 0123', '日本国内の携帯電話番号のみ'],
    ['090-1234-5678, 080-1234-5678', '1つだけ'],
    ['09012345678\u0000', '数字とハイフンのみ'],
    ['"><script>alert(1)</script>', '数字とハイフンのみ'],
    ['0120-123-456', '日本国内の携帯電話番号ではありません'],
  ])('%j is refused in words, and stays in the field', async (number, words) => {
    const visit = await visitDestination(api)
    const form = formOf((await visit.page('/number')).body, `${visit.path}/number`)
    const answer = await visit.browser.post(`${visit.path}/number`, { ...form, number })
    expect(answer.statusCode).toBe(422)
    expect(wordsOf(answer.body)).toContain(words)
    const { document, errors } = parseHtml(answer.body)
    expect(elementsOf(document, 'script')).toHaveLength(1)
    const [field] = elementsOf(document, 'input').filter((input) => attributeOf(input, 'name') === 'number')
    expect(attributeOf(field!, 'aria-invalid')).toBe('true')
    expect([attributeOf(field!, 'value'), errors]).toEqual([number.replace('\u0000', '\ufffd'), expect.any(Array)])
    expect(await challengesOf(visit)).toHaveLength(0)
  })

  it('that stands already is told so', async () => {
    const number = newNumber()
    const visit = await visitDestination(api, { member: { phone: e164(number), channel: 'email' } })
    const form = formOf((await visit.page('/number')).body, `${visit.path}/number`)
    const answer = await visit.browser.post(`${visit.path}/number`, { ...form, number })
    expect(wordsOf(answer.body)).toContain('すでに登録されています')
  })

  it('may be typed at full width', async () => {
    const visit = await visitDestination(api)
    const number = newNumber()
    const wide = number
      .replaceAll(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0))
      .replaceAll('-', 'ー')
    expect(await visit.send('/number', { number: wide })).toBe('/identity')
  })

  it('can be given up, and another one taken', async () => {
    const [one, other] = [newNumber(), newNumber()]
    const visit = await visitDestination(api)
    await visit.prove(one)
    await visit.post('/number/forget', {})
    expect(wordsOf((await visit.page()).body)).not.toContain(one.slice(-4) === other.slice(-4) ? 'x' : one.slice(-4))
    await visit.send('/number', { number: other })
    await visit.send('/code', { code: await codeTo(api, other) })
    await visit.send('/choice', { choice: 'sms' })
    expect((await standingOf(visit))!['phone']).toBe(e164(other))
  })

  it('stands in no URL and on no page but in the field where it was typed', async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    await visit.prove(number)
    const pages = [await visit.page(), await visit.page('/choice'), await visit.page('/number')]
    await visit.send('/choice', { choice: 'sms' })
    pages.push(await visit.page('/done'))
    for (const { body } of pages) expect(canonical(body)).not.toMatch(/80-?3\d{3}-?5678/)
  })
})

describe('who cannot do it here', () => {
  it('a member abroad is sent to the Center', async () => {
    const visit = await visitDestination(api, { member: { country: 'FR', channel: 'email' } })
    const page = await visit.page('/number')
    expect(page.path).toBe('/')
    expect(wordsOf(page.body)).toContain('日本国内にお住まいの方のみ')
    expect(await visit.post('/number', { number: newNumber(), request: randomUUID() })).toBe('/')
    expect(await visit.post('/choice', { choice: 'sms', version: '0' })).not.toBe('/done')
    await expectNothing(visit)
  })

  it('a member with no usable destination is sent to the Center: there is nothing to prove with', async () => {
    const visit = await visitDestination(api, { member: { phone: null, email: '.x@example.jp' } })
    expect(wordsOf((await visit.page('/number')).body)).toContain('ご本人さまの確認が必要')
    expect(await visit.post('/number', { number: newNumber(), request: randomUUID() })).toBe('/')
    expect(await challengesOf(visit)).toHaveLength(0)
  })

  it('a member whose SMS is mandatory changes the number, is told why e-mail is not offered, and cannot have it', async () => {
    const number = newNumber()
    const visit = await visitDestination(api)
    await api.system.sql`insert into enrollments (member_id, mandatory_since) values (${visit.memberId}, now())`
    const words = wordsOf((await visit.page()).body)
    expect(words).toContain('Eメールは選択できません')
    expect(words).not.toContain('通知先のみ変更する')
    await visit.send('/number', { number })
    await visit.send('/identity', { code: await codeTo(api, visit.phone!) })
    await visit.send('/code', { code: await codeTo(api, number) })
    const { body } = await visit.page('/choice')
    expect(wordsOf(body)).toContain('Eメールは選択できません')
    expect(body).not.toContain('value="email"')
    const form = formOf(body, `${visit.path}/choice`)
    expect(await visit.post('/choice', { ...form, choice: 'email' })).toBe('/choice')
    await expectNothing(visit)
    expect(await visit.post('/choice', form)).toBe('/done')
    // The preference is for afterwards, and was not asked.
    expect(await standingOf(visit)).toEqual({ phone: e164(number), preference: 'email' })
  })

  it('a member for whom the new number makes SMS mandatory is told so, and is offered no e-mail', async () => {
    const number = newNumber()
    const visit = await visitDestination(api, { member: { channel: 'email', phone: null } })
    await api.system.sql`insert into enrollments (member_id, mandatory_since) values (${visit.memberId}, now())`
    expect(wordsOf((await visit.page()).body)).not.toContain('Eメールは選択できません')
    await visit.prove(number)
    const { body } = await visit.page('/choice')
    expect(wordsOf(body)).toContain('Eメールは選択できません')
    expect(body).not.toContain('value="email"')
    const form = formOf(body, `${visit.path}/choice`)
    // From a form that was drawn before it was mandatory.
    expect(await visit.post('/choice', { ...form, choice: 'email' })).toBe('/choice')
    expect(await visit.post('/choice', form)).toBe('/done')
    expect(wordsOf((await visit.page('/done')).body)).toContain('SMS')
    expect(await standingOf(visit)).toEqual({ phone: e164(number), preference: 'email' })
  })

  it('a member who is erased in the middle leaves nothing', async () => {
    const visit = await visitDestination(api)
    await visit.prove(newNumber())
    await applyMemberChanges(api.system.sql, 0, [
      { memberId: visit.memberId, offset: '9', status: 'erased', version: null },
    ])
    expect(await visit.post('/choice', { choice: 'sms', version: '0' })).toBe('403')
    const [row] = await api.system.sql`
      select count(*)::int as n from destination_visits where visit_id = ${visit.path.split('/').at(-1)!}`
    expect(row).toEqual({ n: 0 })
    await expectNothing(visit)
  })
})

describe('what goes wrong on the way', () => {
  it('the API cannot reach Temporal after the change: the notices go out all the same', async () => {
    const visit = await visitDestination(api)
    const number = newNumber()
    await visit.prove(number)
    const form = formOf((await visit.page('/choice')).body, `${visit.path}/choice`)
    const start = () => Promise.reject(new Error('no Temporal'))
    const workflow = { value: { start } }
    const cut = api.server({ temporal: Object.create(api.system.temporal, { workflow }) as Client })
    const answer = await cut.inject({
      method: 'POST',
      url: `${visit.path}/choice`,
      headers: {
        cookie: [...visit.browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-site': 'same-origin',
      },
      payload: new URLSearchParams({ ...form, choice: 'sms' }).toString(),
    })
    expect(answer.headers.location).toBe(`${visit.path}/done`)
    await api.system.shiftClock(10_000)
    await api.system.until(async () => {
      const rows = await api.system.sql`select state from member_notices where member_id = ${visit.memberId}`
      return rows.length === 3 && rows.every(({ state }) => state === 'accepted')
    })
  })

  it('the API is killed after the change, before it has told anybody of it: the notices go out all the same', async () => {
    const visit = await visitDestination(api)
    await visit.prove(newNumber())
    const form = formOf((await visit.page('/choice')).body, `${visit.path}/choice`)
    const [proxy, port] = [await startFlakyProxy(temporalAddress()), await freePort()]
    const server = await api.system.process('api/main.ts', { PORT: String(port), TEMPORAL_ADDRESS: proxy.address })
    proxy.hang()
    const browser = createMemberBrowser(remoteApp(`http://127.0.0.1:${port}`), visit.browser.cookies)
    const answer = await browser.post(`${visit.path}/choice`, { ...form, choice: 'sms' })
    await server.kill()
    await proxy.stop()
    expect(answer.headers.location).toBe(`${visit.path}/done`)
    const [before] = await api.system.sql`
      select count(*)::int as due from member_notices where member_id = ${visit.memberId} and state = 'due'`
    expect(before).toEqual({ due: 3 })
    await api.system.shiftClock(10_000)
    await api.system.until(async () => {
      const rows = await api.system.sql`select state from member_notices where member_id = ${visit.memberId}`
      return rows.length === 3 && rows.every(({ state }) => state === 'accepted')
    })
  })

  it('a limit that is reached is told on the page, and nothing is lost', async () => {
    const limited = api.server({}, { OTP_LIMIT_PER_10_MINUTES: '1' })
    const memberId = await api.system.addMember({ channel: 'email' })
    const visit: DestinationVisiting = await visitDestination(
      { ...api, app: limited },
      { memberId, browser: createMemberBrowser(limited) },
    )
    const number = newNumber()
    await visit.send('/number', { number })
    const led = await visit.send('/identity', { code: await codeTo(api, visit.email) })
    expect(led).toMatch(/^\/code\?refused=too_many_challenges/)
    const page = await visit.page(led)
    expect(page.body).toContain('notice warning')
    await api.system.shiftClock(590_000)
    await api.system
      .sql`update challenges set admitted_at = admitted_at - interval '1 minute', send_began_at = send_began_at - interval '1 minute'
        where member_id = ${memberId}`
    expect(await visit.send('/code/send')).toBe('/code')
    expect(await visit.send('/code', { code: await codeTo(api, number) })).toBe('/choice')
  })
})
