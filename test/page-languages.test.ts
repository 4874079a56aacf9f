/**
 * P4: a member chooses a language on any page, it is remembered, and leads back to that page of ours and nowhere else;
 * nothing on a page stands outside the catalogues.
 */
import { parse, type MessageFormatElement } from '@formatjs/icu-messageformat-parser'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownPath } from '../api/pages/own-path.ts'
import { catalogs } from '../messages/catalog.ts'
import { startApi, type Api } from './support/api.ts'
import { attributeOf, elementsOf, parseHtml, textsOf } from './support/html.ts'

const ORIGIN = 'http://127.0.0.1:8080'
const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' }
const LANGUAGES = catalogs.map(({ language }) => language)

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const choose = (fields: Record<string, string>, headers: Record<string, string> = FORM) =>
  api.app.inject({ method: 'POST', url: '/language', headers, payload: new URLSearchParams(fields).toString() })
const open = (url: string, headers: Record<string, string> = {}) => api.app.inject({ url, headers })
const languageOf = (body: string) => attributeOf(elementsOf(parseHtml(body).document, 'html')[0]!, 'lang')

describe('the style and the script', () => {
  it('are there by the name that a process of another version gave them, and are not kept under it', async () => {
    const paths = [...(await open('/help')).body.matchAll(/\/assets\/members-[0-9a-f]{12}\.(?:css|js)/g)].map(
      ([path]) => path,
    )
    expect(paths).toHaveLength(2)
    for (const path of paths) {
      const [current, older] = [await open(path), await open(path.replace(/[0-9a-f]{12}/, '0123456789ab'))]
      expect(current.headers['cache-control']).toContain('immutable')
      expect([older.statusCode, older.headers['cache-control'], older.body]).toEqual([200, 'no-cache', current.body])
      expect(older.headers['content-type']).toBe(current.headers['content-type'])
      expect((await open(path.replace(/[0-9a-f]{12}/, 'x'))).statusCode).toBe(404)
    }
  })
})

describe('where nobody posts a form', () => {
  const BROWSER = {
    accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    cookie: 'otp-language=ko',
  }
  const VISIT = '019ab000-0000-7000-8000-000000000001'

  it.each(['/nothing', '/', '/code-entry/x/y/z', '/v2/nothing'])(
    'a browser that asks for %s reads in its language that there is no such page; a program gets a problem',
    async (path) => {
      const page = await open(path, BROWSER)
      expect([page.statusCode, languageOf(page.body)]).toEqual([404, 'ko'])
      for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
        const problem = await open(path, headers)
        expect([problem.statusCode, problem.json<{ code: string }>().code]).toEqual([404, 'not_found'])
      }
      const posted = await api.app.inject({ method: 'POST', url: path, headers: BROWSER })
      expect(posted.statusCode).toBe(404)
    },
  )

  it.each([
    [`/code-entry/${VISIT}/send`, `/code-entry/${VISIT}`],
    [`/code-entry/${VISIT}/send?x=/y/z`, `/code-entry/${VISIT}`],
    [`/notification-destination/${VISIT}/number/forget`, `/notification-destination/${VISIT}/number`],
    [`/notification-destination/${VISIT}/identity/send`, `/notification-destination/${VISIT}/identity`],
    [`/notification-destination/${VISIT}/code/send`, `/notification-destination/${VISIT}/code`],
    ['/language', '/help'],
    ['/help/verdict', '/help'],
  ])('GET %s leads to the page of its form', async (path, page) => {
    const answer = await open(path, BROWSER)
    expect([answer.statusCode, answer.headers.location]).toEqual([303, page])
  })
})

describe('the way back from the choice', () => {
  it.each([
    'https://evil.example/',
    '//evil.example/',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/.//evil.example',
    '/a/..//evil.example',
    '/%2e//evil.example',
    '/\r\nset-cookie: otp-session=x',
    '/help\r\nlocation: https://evil.example',
    ' /help',
    'help',
    'javascript:alert(1)',
    'https:/evil.example',
    `${ORIGIN}.evil.example/`,
    `/${'x'.repeat(1_500)}`,
    '',
  ])('is never %j', async (back) => {
    const answer = await choose({ language: 'ko', back })
    expect([answer.statusCode, answer.headers.location]).toEqual([303, '/help'])
    expect(answer.cookies.map(({ name }) => name)).toEqual(['otp-language'])
  })

  it.each([
    ['/help', '/help'],
    [
      '/code-entry/019ab000-0000-7000-8000-000000000001?attempt=x',
      '/code-entry/019ab000-0000-7000-8000-000000000001?attempt=x',
    ],
    ['/help/../help/email#x', '/help/email'],
    ['/help?back=%2F%2Fevil.example', '/help?back=%2F%2Fevil.example'],
  ])('is %s of ours', async (back, location) => {
    const answer = await choose({ language: 'ko', back })
    expect([answer.statusCode, answer.headers.location]).toEqual([303, location])
  })

  it('stays with us wherever a browser would go from what was let through', () => {
    const hostile = [
      '/@evil.example',
      '/%09/evil.example',
      '/%5cevil.example',
      '/?//evil.example',
      '/;//evil.example',
      '/a//b',
    ]
    for (const given of hostile) {
      const path = ownPath(given)
      expect(new URL(path ?? '/', ORIGIN).origin).toBe(ORIGIN)
    }
    expect([undefined, null, 7, ['/help'], {}].map(ownPath)).toEqual(Array(5).fill(undefined))
  })

  it('of a page that could not be shown is the one its form stood on, and ours', async () => {
    const shown = async (referer: string) => {
      const answer = await api.app.inject({
        method: 'POST',
        url: '/language',
        headers: { ...FORM, referer },
        payload: 'language=xx',
      })
      expect(answer.statusCode).toBe(400)
      return elementsOf(parseHtml(answer.body).document, 'input').map((input) => attributeOf(input, 'value'))[0]
    }
    expect(await shown(`${ORIGIN}/help?back=%2Fx`)).toBe('/help?back=%2Fx')
    expect(await shown('https://evil.example/a')).toBe('/help')
    expect(await shown(`${ORIGIN}.evil.example/a`)).toBe('/help')
  })
})

describe('a choice', () => {
  it.each(['xx', 'EN', '', 'ja; Max-Age=1', '../en', '__proto__'])('of %j is none', async (language) => {
    const answer = await choose({ language, back: '/help' })
    expect([answer.statusCode, answer.headers['set-cookie']]).toEqual([400, undefined])
  })

  it('that another site makes is refused', async () => {
    const headers = { ...FORM, 'sec-fetch-site': 'cross-site' }
    expect((await choose({ language: 'ko', back: '/help' }, headers)).statusCode).toBe(403)
  })

  it.each(LANGUAGES)('of %s is remembered for a year, and read on every page', async (language) => {
    const { headers } = await choose({ language, back: '/help' })
    const cookie = String(headers['set-cookie'])
    expect(cookie).toBe(`otp-language=${language}; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax`)
    for (const path of ['/help', '/help/email', '/open/none', '/code-entry/none']) {
      const { body } = await open(path, { cookie: cookie.split(';')[0]!, 'accept-language': 'fr, en;q=0.5' })
      expect(languageOf(body)).toBe(language)
    }
  })

  it('that is not made is the browser’s, or Japanese', async () => {
    const first = async (wanted: string) => languageOf((await open('/help', { 'accept-language': wanted })).body)
    expect(await first('zh-TW,zh;q=0.9,en;q=0.8')).toBe('zh-Hant')
    expect(await first('zh-CN')).toBe('zh-Hans')
    expect(await first('ko-KR')).toBe('ko')
    expect(await first('fr-FR, ja;q=0.4')).toBe('ja')
    expect(await first('fr')).toBe('en')
    expect(await first('*')).toBe('ja')
    expect(LANGUAGES).toContain(await first(';;;,,,q='))
    // Of thousands of tags a handful is looked at: all of them took the event loop a tenth of a second.
    expect(await first(`${'b,'.repeat(9)}ko`)).toBe('ko')
    expect(await first(`${'b,'.repeat(7_000)}ko`)).toBe('en')
    expect(languageOf((await open('/help')).body)).toBe('ja')
    expect(languageOf((await open('/help', { cookie: 'otp-language=xx' })).body)).toBe('ja')
  })
})

describe('the switch', () => {
  it('has Japanese and English as buttons, and the others in a pull-down with its own button, each in itself', async () => {
    const { document } = parseHtml((await open('/help', { cookie: 'otp-language=ko' })).body)
    const named = (tag: string) =>
      elementsOf(document, tag)
        .filter((element) => attributeOf(element, 'lang') !== undefined)
        .map((element) => [attributeOf(element, 'lang'), attributeOf(element, 'value'), textsOf(element)[0]])
    expect(named('button')).toEqual([
      ['ja', 'ja', '日本語'],
      ['en', 'en', 'English'],
    ])
    expect(named('option')).toEqual([
      ['ko', 'ko', '한국어'],
      ['zh-Hans', 'zh-Hans', '简体中文'],
      ['zh-Hant', 'zh-Hant', '繁體中文'],
    ])
    const chosen = elementsOf(document, 'option').filter((option) => attributeOf(option, 'selected') !== undefined)
    expect(chosen.map((option) => attributeOf(option, 'value'))).toEqual(['ko'])
  })

  it('leads back to the very page, its query included', async () => {
    const { document } = parseHtml((await open('/help?back=%2Fcode-entry%2F1%3Fattempt%3D2')).body)
    const backs = elementsOf(document, 'input').filter((input) => attributeOf(input, 'name') === 'back')
    expect(backs.map((input) => attributeOf(input, 'value'))).toContain('/help?back=%2Fcode-entry%2F1%3Fattempt%3D2')
  })
})

const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)

describe('every text of a page', () => {
  /** What a text of this language can have become, whatever was filled in. */
  function textsIn(language: string): RegExp[] {
    const file = JSON.parse(
      readFileSync(new URL(`../messages/languages/${language}.json`, import.meta.url), 'utf8'),
    ) as object
    return leavesOf(file).map((text) => new RegExp(`^${patternOf(parse(text, { ignoreTag: true }))}$`, 'su'))
  }
  const leavesOf = (value: object): string[] =>
    Object.values(value).flatMap((inner: string | object) => (typeof inner === 'string' ? [inner] : leavesOf(inner)))
  const patternOf = (elements: readonly MessageFormatElement[]): string =>
    elements.map((element) => (element.type === 0 ? escaped(element.value) : '.+')).join('')

  /** Two texts stand beside each other in one node at most; digits, marks and addresses are nobody's text. */
  const isKnown = (text: string, known: readonly RegExp[]) => {
    const words = text.trim().replaceAll(/\s+/g, ' ')
    if (!/\p{L}/u.test(words) || /^\S+@\S+$/.test(words) || known.some((one) => one.test(words))) return true
    return [...words.matchAll(/ /g)].some(({ index }) =>
      [words.slice(0, index), words.slice(index + 1)].every((part) => known.some((one) => one.test(part))),
    )
  }

  it.each(LANGUAGES)('in %s is of its catalogue, or a language’s own name', async (language) => {
    const known = [
      ...textsIn(language),
      ...catalogs.flatMap((each) =>
        [each.text('language.name'), each.text('language.short')].map((name) => new RegExp(`^${escaped(name)}$`)),
      ),
    ]
    const brand = new RegExp(
      `^.+ \\| ${escaped(catalogs.find((each) => each.language === language)!.text('pages.frame.brand'))}$`,
    )
    const cookie = `otp-language=${language}`
    for (const path of ['/help?back=%2Fx', '/help/email', '/open/none', '/code-entry/none']) {
      const { document } = parseHtml((await open(path, { cookie })).body)
      const unknown = textsOf(document).filter((text) => !isKnown(text, known) && !brand.test(text))
      expect(unknown).toEqual([])
    }
  })

  it('in a language is not one of another', () => {
    expect(isKnown('Send again', textsIn('ko'))).toBe(false)
    expect(isKnown('ワンタイムパスワードとは', textsIn('ja'))).toBe(true)
  })
})
