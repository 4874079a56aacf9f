/**
 * P3: what a one-time password is and why it may not arrive, for everybody; the check of an address keeps to the rule of
 * the API (D3); residents of Japan change their address by themselves, others by the Center.
 */
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { undeliverableCondition } from '../domain/email-address.ts'
import { catalogFor, catalogs } from '../messages/catalog.ts'
import { writeSender } from '../phones/sender.ts'
import { startApi, type Api } from './support/api.ts'
import { attributeOf, elementsOf, hasClass, parseHtml, textsOf } from './support/html.ts'

const SETTINGS = {
  OTP_EMAIL_CHANGE_URL: 'https://bank.example/change-email',
  OTP_CENTER_URL: 'https://bank.example/center',
  OTP_EMAIL_FROM: 'codes@miles.example',
  OTP_SMS_FROM: '0398765432',
  OTP_SMS_FROM_SOFTBANK: '12345',
  OTP_CODE_TTL_SECONDS: '480',
}
const FORM = {
  'content-type': 'application/x-www-form-urlencoded',
  'sec-fetch-site': 'same-origin',
  cookie: 'otp-language=en',
}

let api: Api
beforeAll(async () => {
  api = await startApi(SETTINGS)
})
afterAll(() => api?.stop())

const open = async (url: string, cookie = 'otp-language=en') => {
  const answer = await api.app.inject({ url, headers: { cookie } })
  return { answer, ...parseHtml(answer.body) }
}
const check = (address: string, url = '/help', headers: Record<string, string> = {}) =>
  api.app.inject({
    method: 'POST',
    url,
    headers: { ...FORM, ...headers },
    payload: new URLSearchParams({ address }).toString(),
  })
const verdictOf = (body: string) => {
  const [place] = elementsOf(parseHtml(body).document).filter((element) => attributeOf(element, 'role') === 'status')
  return place === undefined ? '' : textsOf(place).join(' ').trim()
}

describe('the check of an address', () => {
  const english = catalogFor('en')
  const TEXTS = {
    1: english.text('pages.help.check.one'),
    2: english.text('pages.help.check.two'),
    3: english.text('pages.help.check.three'),
    invalid: english.text('pages.help.check.invalid'),
    deliverable: english.text('pages.help.check.deliverable'),
  }

  it('shows what was typed as text, whatever it is', async () => {
    const evil = `"><script>alert(1)</script>@x`
    const { document, errors } = parseHtml((await check(evil)).body)
    expect(errors).toEqual([])
    expect(elementsOf(document, 'script').map((script) => attributeOf(script, 'src'))).toEqual([
      expect.stringMatching(/^\/assets\//),
    ])
    const [field] = elementsOf(document, 'input').filter((input) => attributeOf(input, 'name') === 'address')
    expect(attributeOf(field!, 'value')).toBe(evil)
  })

  it('is refused to other sites, and beyond a bound to whoever asks too often', async () => {
    expect((await check('a@b.jp', '/help', { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403)
    const app = api.server()
    const ask = () =>
      app.inject({
        method: 'POST',
        url: '/help/verdict',
        headers: FORM,
        payload: 'address=a%40bank.jp',
        remoteAddress: '192.0.2.7',
      })
    const answers: LightMyRequestResponse[] = []
    for (let asked = 0; asked < 61; asked++) answers.push(await ask())
    expect(answers.findIndex(({ statusCode }) => statusCode !== 200)).toBe(60)
    const refused = answers.at(-1)
    expect(refused!.statusCode).toBe(429)
    expect(Number(refused!.headers['retry-after'])).toBeGreaterThan(0)
    expect(textsOf(parseHtml(refused!.body).document)).toContain(english.text('pages.problem.too_many.title'))
    const elsewhere = await app.inject({
      method: 'POST',
      url: '/help/verdict',
      headers: FORM,
      payload: 'address=a%40bank.jp',
      remoteAddress: '192.0.2.8',
    })
    expect(elsewhere.statusCode).toBe(200)
  })

  it.each([
    '.abcd@example.co.jp',
    'abcd.@example.co.jp',
    'ab..cd@example.co.jp',
    'abcd..@example.co.jp',
    'ab[cd@example.co.jp',
    'ab@cd@example.co.jp',
    'abcd',
    'hanako@example.co.jp',
    "h.a!n#a$k%o&'*+-/=?^_{|}~@example.co.jp",
    '日本@example.co.jp',
    '',
  ])('says of %j what the API’s rule says, on both pages', async (address) => {
    const expected = TEXTS[undeliverableCondition(address) ?? 'deliverable']
    for (const page of ['/help', '/help/email']) expect(verdictOf((await check(address, page)).body)).toBe(expected)
  })

  it('while one types says nothing of what is not yet an address, and the same of the rest', async () => {
    const typed = async (address: string) => (await check(address, '/help/verdict')).body
    expect(await typed('hana')).toBe('')
    expect(await typed('ab..')).toBe('')
    expect(await typed('ab..cd@e')).toContain(TEXTS[2])
    expect(await typed('hanako@example.jp')).toContain(TEXTS.deliverable)
  })

  it('keeps no address in a log or a URL', async () => {
    const answer = await check('tell.nobody@secret.example')
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(api.log()).not.toContain('secret.example')
    const forms = elementsOf(parseHtml(answer.body).document, 'form')
    expect(forms.every((form) => attributeOf(form, 'method') === 'post')).toBe(true)
  })

  it('marks the field that is not right, and leads there', async () => {
    const { document } = parseHtml((await check('ab..cd@example.jp')).body)
    const [form] = elementsOf(document, 'form').filter((each) => hasClass(each, 'check'))
    const [field] = elementsOf(form!, 'input').filter((input) => attributeOf(input, 'name') === 'address')
    expect(attributeOf(field!, 'aria-invalid')).toBe('true')
    expect(attributeOf(form!, 'action')).toBe(`/help#${attributeOf(form!, 'id')}`)
  })
})

describe('help', () => {
  it.each(catalogs.map(({ language }) => language))(
    'in %s names whom to let in, and how long a code lives, as configured',
    async (language) => {
      const { document, errors, answer } = await open('/help', `otp-language=${language}`)
      expect([answer.statusCode, errors]).toEqual([200, []])
      const said = textsOf(document).join('\n')
      for (const value of ['codes@miles.example', '@miles.example', '03-9876-5432', '12345', '8'])
        expect(said).toContain(value)
      for (const key of ['what', 'notes', 'missing', 'addresses', 'register', 'faq'] as const) {
        expect(said).toContain(catalogFor(language).text(`pages.help.${key}.title`))
      }
      expect(said).toContain('STEP 4')
      const links = elementsOf(document, 'a').map((link) => attributeOf(link, 'href'))
      expect(links).toContain('https://bank.example/center')
    },
  )

  it('has a place on the page for each entry of its contents', async () => {
    const { document } = await open('/help')
    const ids = new Set(elementsOf(document).map((element) => attributeOf(element, 'id')))
    const anchors = elementsOf(document, 'a')
      .map((link) => attributeOf(link, 'href')!)
      .filter((href) => href.startsWith('#'))
    expect(anchors.length).toBeGreaterThanOrEqual(7)
    expect(anchors.filter((href) => !ids.has(href.slice(1)))).toEqual([])
  })

  it('leads back to where one came from, and to no other site', async () => {
    const backFrom = async (back: string) =>
      elementsOf((await open(`/help?back=${encodeURIComponent(back)}`)).document, 'a')
        .filter((link) => textsOf(link)[0] === catalogFor('en').text('pages.help.return'))
        .map((link) => attributeOf(link, 'href'))
    expect(await backFrom('/code-entry/1?attempt=2')).toEqual(['/code-entry/1?attempt=2'])
    for (const evil of ['//evil.example', 'https://evil.example', 'javascript:alert(1)', '/\\evil.example']) {
      expect(await backFrom(evil)).toEqual([])
    }
  })

  it('shows Japan’s numbers as they are written there, and others as they are', () => {
    expect(['0354600124', '+81354600124', '22471', 'JAL', '+12025550123'].map(writeSender)).toEqual([
      '03-5460-0124',
      '03-5460-0124',
      '22471',
      'JAL',
      '+12025550123',
    ])
  })
})

it('the change of an address leads residents of Japan to the page of their own, and others to the Center', async () => {
  const { document, errors, answer } = await open('/help/email')
  expect([answer.statusCode, errors]).toEqual([200, []])
  const buttons = elementsOf(document, 'a').filter((link) => hasClass(link, 'button'))
  expect(buttons.map((link) => [textsOf(link)[0], attributeOf(link, 'href')])).toEqual([
    [catalogFor('en').text('pages.email.japan.link'), 'https://bank.example/change-email'],
    [catalogFor('en').text('pages.email.abroad.link'), 'https://bank.example/center'],
  ])
})
