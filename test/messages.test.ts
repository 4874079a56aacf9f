/**
 * D5: messages in five languages; an SMS of one segment that ends with the origin-bound line; no links; e-mail in two
 * parts that says what the page promises.
 */
import { describe, expect, test } from 'vitest'
import { catalogs, isOneSegment, languagesOverOneSegment, messageLanguage, renderMessage } from '../domain/messages.ts'
import type { MessageInput } from '../domain/messages.ts'

const LANGUAGES = ['en', 'ja', 'ko', 'zh-Hans', 'zh-Hant']
const input: MessageInput = {
  channel: 'sms',
  code: '012345',
  purpose: 'view_membership',
  originHost: 'www.jal.co.jp',
  ttlMinutes: 10,
}

describe('hostile input', () => {
  test('a code like a replacement pattern stands as it is', () => {
    expect(renderMessage({ ...input, code: '$&$1' }).text).toMatch(/@www\.jal\.co\.jp #\$&\$1$/)
  })

  test('what is filled into the HTML part is escaped', () => {
    const { html } = renderMessage({ ...input, channel: 'email', code: '<b>"&' })
    expect(html).toContain('&lt;b&gt;&quot;&amp;')
    expect(html).not.toContain('<b>')
  })

  test.each(['__proto__', 'constructor', 'toString', 'unheard_of'])('purpose %s reads as any other', (purpose) => {
    const { text } = renderMessage({ ...input, channel: 'email', language: 'en', purpose })
    expect(text).toContain('Requested for: a JAL Mileage Bank procedure')
  })

  test.each(['', '-', 'xx', 'constructor', '__proto__', 'q'.repeat(1000), null, undefined])(
    'language %s is answered in English',
    (tag) => {
      expect(messageLanguage(tag)).toBe('en')
    },
  )
})

describe('languages', () => {
  test('there are five', () => {
    expect(Object.keys(catalogs).toSorted()).toEqual(LANGUAGES)
  })

  test.each([
    ['ja', 'ja'],
    ['ja-JP', 'ja'],
    ['JA', 'ja'],
    ['en-GB', 'en'],
    ['ko_KR', 'ko'],
    ['zh', 'zh-Hans'],
    ['zh-CN', 'zh-Hans'],
    ['zh-SG', 'zh-Hans'],
    ['zh-TW', 'zh-Hant'],
    ['zh_HK', 'zh-Hant'],
    ['zh-MO', 'zh-Hant'],
    ['zh-hant', 'zh-Hant'],
    ['zh-Hant-TW', 'zh-Hant'],
    ['zh-Hans-HK', 'zh-Hans'],
    ['fr', 'en'],
  ])('%s is answered in %s', (tag, language) => {
    expect(messageLanguage(tag)).toBe(language)
  })

  test.each(LANGUAGES)('%s has every text, with the same placeholders as English', (language) => {
    expect(shape(catalogs[language])).toEqual(shape(catalogs['en']))
  })
})

describe.each(LANGUAGES)('SMS in %s', (language) => {
  test.each(['012345', '01234567'])('code %s fits one segment', (code) => {
    expect(isOneSegment(renderMessage({ ...input, language, code }).text)).toBe(true)
  })

  test('ends with the origin-bound line', () => {
    expect(
      renderMessage({ ...input, language })
        .text.split('\n')
        .at(-1),
    ).toBe('@www.jal.co.jp #012345')
  })

  test('shows the code before its 40th character, and how long it is valid', () => {
    const { text } = renderMessage({ ...input, language })
    expect(text.indexOf('012345')).toBeGreaterThanOrEqual(0)
    expect(text.indexOf('012345')).toBeLessThan(40)
    expect(text).toContain('10')
  })

  test('has neither a link nor a placeholder left over, nor a subject', () => {
    const { text, subject, html } = renderMessage({ ...input, language })
    expect(text).not.toMatch(/https?:|\/\/|[{}]/)
    expect([subject, html]).toEqual([undefined, undefined])
  })
})

describe.each(LANGUAGES)('e-mail in %s', (language) => {
  const message = renderMessage({ ...input, channel: 'email', language })
  const { email, purposes } = catalogs[language]!

  test('has the code in both parts and not in the subject', () => {
    expect(message.text.indexOf('012345')).toBeLessThan(40)
    expect(message.html).toContain('012345')
    expect(message.subject).not.toMatch(/\d/)
  })

  test('says what it is for, how long it is valid, that the newest counts, and that staff never ask', () => {
    for (const part of [message.text, message.html]) {
      expect(part).toContain(purposes['view_membership'])
      expect(part).toContain(email.valid.replace('{minutes}', '10'))
      expect(part).toContain(email.newest)
      expect(part).toContain(email.staff)
    }
  })

  test('names its language, and has neither a link nor a picture nor a placeholder left over', () => {
    expect(message.html).toContain(`<html lang="${language}">`)
    expect(message.text + message.html!.replaceAll(/style="[^"]*"/g, '')).not.toMatch(
      /https?:|\/\/|www\.|<a |<img|[{}]/,
    )
  })
})

describe('one segment', () => {
  test('is 160 characters of GSM-7 and 70 of anything else', () => {
    expect(isOneSegment('a'.repeat(160))).toBe(true)
    expect(isOneSegment('a'.repeat(161))).toBe(false)
    expect(isOneSegment('あ'.repeat(70))).toBe(true)
    expect(isOneSegment('あ'.repeat(71))).toBe(false)
    expect(isOneSegment(`あ${'a'.repeat(70)}`)).toBe(false)
  })

  test('counts a character outside the basic plane twice', () => {
    expect(isOneSegment('𠮷'.repeat(35))).toBe(true)
    expect(isOneSegment('𠮷'.repeat(36))).toBe(false)
  })

  test.each(['`', '€', '[', '{', '~', '\t'])('%j is not of the table of single septets', (character) => {
    expect(isOneSegment(character + 'a'.repeat(70))).toBe(false)
  })

  test('holds every language with the default host, and codes of up to 8 digits', () => {
    expect(languagesOverOneSegment({ originHost: 'www.jal.co.jp', digits: 6, ttlMinutes: 10 })).toEqual([])
    expect(languagesOverOneSegment({ originHost: 'www.jal.co.jp', digits: 8, ttlMinutes: 10 })).toEqual([])
  })

  test('a host that is too long is named with the languages that it breaks', () => {
    const broken = languagesOverOneSegment({
      originHost: 'a'.repeat(40),
      digits: 6,
      ttlMinutes: 10,
    })
    expect(broken).toEqual(['ja', 'ko', 'zh-Hans', 'zh-Hant'])
  })

  test('a life of less than a minute is told as one minute', () => {
    expect(renderMessage({ ...input, language: 'en', ttlMinutes: 0.1 }).text).toContain('valid for 1 min')
  })
})

/** The keys of a catalog, each with the placeholders of its text. */
function shape(texts: unknown): unknown {
  if (typeof texts === 'string') return (texts.match(/\{\w+\}/g) ?? []).toSorted()
  return Object.fromEntries(
    Object.entries(texts as object)
      .map(([key, value]: [string, unknown]) => [key, shape(value)] as const)
      .toSorted(([a], [b]) => a.localeCompare(b)),
  )
}
