/**
 * D5: one file a language, which a translator can edit; what a translator can get wrong is refused, by name.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CatalogError, catalogFor, catalogs, readCatalogs } from '../messages/catalog.ts'

const directory = new URL('../messages/languages/', import.meta.url)
const files = Object.fromEntries(
  readdirSync(directory).map((name) => [name.replace('.json', ''), readFileSync(new URL(name, directory), 'utf8')]),
)

/** What is wrong with the five languages and these files, a line each. */
function mistakesWith(others: Record<string, string>): string[] {
  try {
    readCatalogs({ ...files, ...others })
    return []
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
}

/** The Korean file with one passage replaced. */
function korean(passage: string, by: string): Record<string, string> {
  expect(files['ko']).toContain(passage)
  return { ko: files['ko']!.replace(passage, by) }
}

describe('refused at the start', () => {
  test('a key that is missing, and one that English does not have', () => {
    expect(mistakesWith(korean('"lead"', '"laed"'))).toEqual([
      'ko.json: code.email.lead: is missing',
      'ko.json: code.email.laed: is no key of en.json',
    ])
  })

  test.each([['{minutes'], ['{}'], ['}{'], ['{minutes, plural, one {#}}'], ['{minutes, nonsense}']])(
    'a text that is no ICU message: %s',
    (text) => {
      const mistakes = mistakesWith(korean('{minutes}분간', text))
      expect(mistakes[0]).toMatch(/^ko\.json: code\.email\.valid: is no ICU message/)
    },
  )

  test('an argument that is not filled in here', () => {
    expect(mistakesWith(korean('{purpose}', '{purpose} {name}'))).toEqual([
      'ko.json: code.email.purpose: {name} is nothing that is filled in here',
    ])
  })

  test('an argument that only one case of a plural uses wrongly', () => {
    const text = '{minutes, plural, one {{constructor}} other {#}}'
    expect(mistakesWith(korean('{minutes}분간', text))).toEqual([
      'ko.json: code.email.valid: {constructor} is nothing that is filled in here',
    ])
  })

  test('an argument that a text leaves out', () => {
    expect(mistakesWith(korean('{purpose}', ''))).toEqual(['ko.json: code.email.purpose: {purpose} is not used'])
  })

  test.each([
    ['{minutes, number}', '{minutes} is a number, and is used in another way'],
    ['{minutes, date, short}', '{minutes} is a number, and is used in another way'],
    ['{minutes, select, other {x}}', '{minutes} is a number, and is used in another way'],
  ])('a form that could bring in characters of its own: %s', (text, mistake) => {
    expect(mistakesWith(korean('{minutes}분간', text))).toEqual([`ko.json: code.email.valid: ${mistake}`])
  })

  test('a code that is used as a number, which would lose its leading zeros', () => {
    expect(mistakesWith(korean('{code}', '{code, plural, other {#}}'))).toEqual([
      'ko.json: code.sms: {code} is a string, and is used in another way',
    ])
  })

  test.each(['""', '"  "', '7', 'null', '[]', '{}'])('%s where a text should be', (value) => {
    expect(mistakesWith(korean('"한국어"', value))).toContain('ko.json: language.name: is missing')
  })

  test.each(['', '{', 'null', '[]', '"text"'])('a file that holds %j', (content) => {
    expect(mistakesWith({ ko: content })).toContain('ko.json: code.sms: is missing')
  })

  test.each(['korean!', 'KO', 'zh-hans', 'zh_Hans', ''])('a file named %s.json', (tag) => {
    expect(mistakesWith({ [tag]: files['ko']! })).toEqual([
      `${tag}.json: wants a BCP 47 tag as its name, such as zh-Hans`,
    ])
  })

  test('languages without English, whose keys are the measure', () => {
    expect(mistakesWith({ en: '{}' })[0]).toBe("en.json: is missing or empty; its keys are every language's")
  })

  test('all mistakes of all files at once', () => {
    const mistakes = mistakesWith({ ...korean('{purpose}', ''), ja: '{}', de: files['en']!.replace('{code}', '') })
    expect(new Set(mistakes.map((mistake) => mistake.split('.')[0]))).toEqual(new Set(['de', 'ja', 'ko']))
  })
})

describe('a language', () => {
  test('is added by its file alone', () => {
    const added = readCatalogs({ ...files, th: files['en']! }).find(({ language }) => language === 'th')!
    expect(added.text('code.email.lead')).toBe('Your one-time password')
  })

  test('reads what looks like HTML as text', () => {
    const [, , ko] = readCatalogs({ ...files, ...korean('"한국어"', '"<b>한국어"') })
    expect(ko!.text('language.name')).toBe('<b>한국어')
  })

  test.each([
    [1, 'Valid for 1 minute.'],
    [10, 'Valid for 10 minutes.'],
  ])('counts as its grammar wants: %i', (minutes, sentence) => {
    expect(catalogFor('en').text('code.email.valid', { minutes })).toContain(sentence)
  })

  test.each(catalogs)('$language calls a button, the Center and an e-mail address by one name each', (catalog) => {
    expect(catalog.text('pages.help.faq.expired.answer')).toContain(catalog.text('pages.code.again.button'))
    expect(catalog.text('pages.code.locked.center')).toContain(catalog.text('pages.frame.brand'))
    expect(catalog.pieces('').join(' ')).not.toMatch(/(?<!E)メールアドレス/)
  })

  test.each(catalogs)('$language has no link in any text', (catalog) => {
    expect(catalog.pieces('').join(' ')).not.toMatch(/http|www\.|:\/\/|\.(com|jp)\b/i)
  })
})

describe('the language that a member is written to in', () => {
  test('is one of five', () => {
    expect(catalogs.map(({ language }) => language)).toEqual(['en', 'ja', 'ko', 'zh-Hans', 'zh-Hant'])
  })

  test.each(['', '-', 'xx', 'constructor', '__proto__', 'q'.repeat(1000), 'fr', 'en-', null, undefined])(
    'for %s is English',
    (tag) => {
      expect(catalogFor(tag).language).toBe('en')
    },
  )

  test.each([
    ['ja', 'ja'],
    ['ja-JP', 'ja'],
    ['ja-Latn', 'ja'],
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
    ['zh-TW-u-ca-roc', 'zh-Hant'],
  ])('for %s is %s', (tag, language) => {
    expect(catalogFor(tag).language).toBe(language)
  })
})
