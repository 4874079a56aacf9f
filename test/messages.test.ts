/**
 * D5: the code early and once; an SMS of one segment that ends with the origin-bound line; no links; e-mail in two parts
 * that say the same, and what the page promises.
 */
import { describe, expect, test } from 'vitest'
import { catalogs } from '../messages/catalog.ts'
import { languagesOverOneSegment, renderMessage, type MessageInput } from '../messages/code-message.ts'
import { smsSize } from '../messages/sms-size.ts'
import { attributeOf, elementsOf, parseHtml, textsOf } from './support/html.ts'

const CODES = ['0123', '01234', '012345', '0123456', '01234567']
const PURPOSES = ['view_membership', 'change_membership', 'redeem_benefit', 'register_phone']
const input: MessageInput = {
  channel: 'sms',
  code: '012345',
  purpose: 'view_membership',
  originHost: 'www.jal.co.jp',
  ttlMinutes: 10,
}
const LINK = /https?:|:\/\/|\/\/|www\./i

describe('hostile input', () => {
  test.each(['$&$1', "{code} '{'", '#', '<b>'])('a code like %s stands as it is', (code) => {
    expect(renderMessage({ ...input, code }).text.endsWith(`\n@www.jal.co.jp #${code}`)).toBe(true)
    expect(renderMessage({ ...input, channel: 'email', code }).text).toContain(`\n${code}\n`)
  })

  test('what is filled into the HTML part is text there', () => {
    const code = `"'><script>alert(1)</script>&amp;<!--`
    const { html } = renderMessage({ ...input, channel: 'email', code, language: '"><script>', purpose: '<script>' })
    const { document, errors } = parseHtml(html!)
    expect(errors).toEqual([])
    expect(elementsOf(document).map(({ tagName }) => tagName)).not.toContain('script')
    expect(linesOf(document)).toContain(code)
  })

  test.each(['__proto__', 'constructor', 'toString', 'unheard_of', 'other', '', 'x.y'])(
    'purpose %j reads as any other',
    (purpose) => {
      const { text } = renderMessage({ ...input, channel: 'email', language: 'en', purpose })
      expect(text).toContain('Requested for: a JAL Mileage Bank procedure')
    },
  )
})

describe.each(catalogs)('SMS in $language', ({ language }) => {
  test.each(CODES)('with code %s fits one segment', (code) => {
    expect(smsSize(renderMessage({ ...input, language, code }).text).segments).toBe(1)
  })

  test.each(CODES)('ends with the origin-bound line, and has the code %s once before it, at the very front', (code) => {
    const lines = renderMessage({ ...input, language, code }).text.split('\n')
    expect(lines.at(-1)).toBe(`@www.jal.co.jp #${code}`)
    const forPeople = lines.slice(0, -1).join('\n')
    expect(forPeople.split(code)).toHaveLength(2)
    expect(forPeople.indexOf(code)).toBeLessThan(10)
  })

  test('says how long the code is valid, and nothing of a link, a subject or HTML', () => {
    const { text, ...others } = renderMessage({ ...input, language })
    expect(text).toContain('10')
    expect(text.replace('@www.jal.co.jp', '')).not.toMatch(LINK)
    expect(text).not.toMatch(/[{}]/)
    expect(others).toEqual({})
  })
})

describe.each(catalogs)('e-mail in $language', (catalog) => {
  const { language } = catalog
  const message = renderMessage({ ...input, channel: 'email', language })
  const { document, errors } = parseHtml(message.html!)

  test.each(CODES)('has the code %s once in each part, early, and not in the subject', (code) => {
    const { subject, text, html } = renderMessage({ ...input, channel: 'email', language, code })
    expect(text.split(code)).toHaveLength(2)
    expect(text.indexOf(code)).toBeLessThan(40)
    expect(html!.split(code)).toHaveLength(2)
    expect(subject).not.toMatch(/\d/)
  })

  test('has HTML without a mistake, which names its language and charset', () => {
    expect(errors).toEqual([])
    const [root] = elementsOf(document)
    expect(attributeOf(root!, 'lang')).toBe(language)
    expect(elementsOf(document).flatMap((element) => attributeOf(element, 'charset') ?? [])).toEqual(['utf-8'])
  })

  test('says the same in both parts, in the same order, and hides nothing', () => {
    expect(linesOf(document)).toEqual(message.text.split('\n').filter((line) => line !== ''))
    expect(message.html).not.toMatch(/display:\s*none|visibility|opacity|font-size:\s*[01]px/)
  })

  test('says what the page promises: ten minutes, once, the newest, the screen; and that staff never ask', () => {
    const lines = message.text.split('\n')
    expect(lines[1]).toBe('012345')
    for (const promised of [
      catalog.text('code.email.valid', { minutes: 10 }),
      catalog.text('code.email.newest'),
      catalog.text('code.email.screen'),
      catalog.text('code.email.staff'),
    ]) {
      expect(lines).toContain(promised)
    }
  })

  test.each(PURPOSES)('names the purpose %s in its own words', (purpose) => {
    const { text } = renderMessage({ ...input, channel: 'email', language, purpose })
    const words = catalog.text(`purposes.${purpose}` as 'purposes.redeem_benefit')
    expect(text).toContain(words)
    expect(words).not.toBe(catalog.text('purposes.other'))
  })

  test('has no link, no picture, nothing that is fetched or run, and no argument left over', () => {
    expect(message.subject + message.text).not.toMatch(/[{}]/)
    expect(message.subject + message.text + message.html).not.toMatch(LINK)
    const tags = new Set(elementsOf(document).map(({ tagName }) => tagName))
    expect(tags).toEqual(new Set(['html', 'head', 'meta', 'title', 'style', 'body', 'div', 'h1', 'p']))
    expect(message.html).not.toMatch(/url\(|@import|javascript:| on\w+=/i)
  })
})

describe('one segment', () => {
  test('is 160 characters of GSM-7 and 70 of anything else; of several, each holds a little less', () => {
    expect(smsSize('a'.repeat(160))).toEqual({ encoding: 'GSM-7', used: 160, room: 160, segments: 1 })
    expect(smsSize('a'.repeat(161)).segments).toBe(2)
    expect(smsSize('a'.repeat(307)).segments).toBe(3)
    expect(smsSize('あ'.repeat(70))).toEqual({ encoding: 'UCS-2', used: 70, room: 70, segments: 1 })
    expect(smsSize('あ'.repeat(71)).segments).toBe(2)
    expect(smsSize('あ'.repeat(135)).segments).toBe(3)
    expect(smsSize(`あ${'a'.repeat(70)}`).segments).toBe(2)
  })

  test('counts a character outside the basic plane twice', () => {
    expect(smsSize('𠮷'.repeat(35)).segments).toBe(1)
    expect(smsSize('𠮷'.repeat(36)).segments).toBe(2)
  })

  test.each(['`', '€', '[', '{', '~', '\t', '\u202f', '\u00a0', '’'])(
    '%j is not of the table of single septets',
    (character) => {
      expect(smsSize(character).encoding).toBe('UCS-2')
    },
  )

  test.each([4, 5, 6, 7, 8])('holds every language with the default host, and a code of %i digits', (digits) => {
    expect(languagesOverOneSegment({ originHost: 'www.jal.co.jp', digits, ttlMinutes: 10 })).toEqual([])
  })

  test('a host that is too long is named with the languages that it breaks', () => {
    const broken = languagesOverOneSegment({ originHost: 'a'.repeat(40), digits: 6, ttlMinutes: 10 })
    expect(broken).toEqual(['ja', 'ko', 'zh-Hans', 'zh-Hant'])
  })

  test('a life of less than a minute is told as one minute', () => {
    expect(renderMessage({ ...input, language: 'en', ttlMinutes: 0.1 }).text).toContain('valid for 1 min')
  })
})

/** What the body says, each piece of text a line. */
function linesOf(document: ReturnType<typeof parseHtml>['document']): string[] {
  return textsOf(elementsOf(document, 'body')[0]!)
}
