/**
 * M3: a bad event is told from a good one, with its reason; what is not a mobile number counts as no phone.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readMemberEvent } from '../kafka/member-event.ts'
import { toMobileNumber } from '../phones/mobile-number.ts'

const NOW = Date.parse('2026-11-23T12:00:00Z')
const KEY = Buffer.from('123456789')

const data = {
  memberId: '123456789',
  version: 7,
  email: 'hanako@example.jp',
  mobilePhone: '090-1234-5678',
  mobileCarrier: 'softbank',
  birthDate: '1990-04-01',
  familyCard: false,
  country: 'JP',
  language: 'ja',
  notificationPreference: 'email',
}
const event = {
  specversion: '1.0',
  id: '7b0c',
  source: '/membership',
  type: 'member.updated',
  subject: '123456789',
  time: '2026-11-01T00:00:00Z',
  datacontenttype: 'application/json',
  data,
}

const readRaw = (value: Buffer | null, key: Buffer | null = KEY) => readMemberEvent({ key, value, offset: '5' }, NOW)
const read = (json: unknown, key: Buffer | null = KEY) => readRaw(Buffer.from(JSON.stringify(json)), key)
const withData = (fields: Record<string, unknown>) => read({ ...event, data: { ...data, ...fields } })
const reasonOf = (result: ReturnType<typeof read>) => ('bad' in result ? result.bad : 'good')

describe('the event of the specification', () => {
  test('is read whole', () => {
    expect(read(event)).toEqual({
      change: {
        memberId: '123456789',
        offset: '5',
        version: 7,
        status: 'active',
        email: 'hanako@example.jp',
        phone: '+819012345678',
        phoneCountry: 'JP',
        mobileCarrier: 'softbank',
        birthDate: '1990-04-01',
        familyCard: false,
        country: 'JP',
        language: 'ja',
        notificationPreference: 'email',
        eventTime: '2026-11-01T00:00:00Z',
      },
    })
  })
  test('may carry fields that we do not know', () => {
    expect(reasonOf(read({ ...event, traceparent: '00-…', data: { ...data, tier: 'sapphire' } }))).toBe('good')
  })
  test('withdraws a member although the source has cleared the rest', () => {
    const withdrawn = { ...event, type: 'member.withdrawn', data: { memberId: '123456789', version: 8 } }
    expect(read(withdrawn)).toMatchObject({ change: { status: 'withdrawn', version: 8, email: null } })
  })
  test.for(['.abcd@x.jp', 'abcd.@x.jp', 'ab..cd@x.jp', 'ab[cd@x.jp', 'a@b@c.jp', 'あ@x.jp', null])(
    'arrives with the address %s, which is judged elsewhere',
    (email) => {
      expect(withData({ email })).toMatchObject({ change: { email } })
    },
  )
})

describe('a bad event', () => {
  test.for([
    ['', 'not_json'],
    ['{', 'not_json'],
    ['{"a":1}}', 'not_json'],
    ['NaN', 'not_json'],
    [JSON.stringify(event).replace('hanako', 'han\u0000ako'), 'not_json'],
    ['null', 'wrong_shape'],
    ['[]', 'wrong_shape'],
    ['"member.updated"', 'wrong_shape'],
    ['7', 'wrong_shape'],
    ['{}', 'wrong_shape'],
    ['{"type":"member.updated"}', 'wrong_shape'],
    ['{"__proto__":{"type":"member.updated"}}', 'wrong_shape'],
    ['{"type":"__proto__"}', 'unknown_type'],
    ['{"type":"constructor"}', 'unknown_type'],
    [JSON.stringify({ ...event, type: 'member.merged' }), 'unknown_type'],
    ['['.repeat(200_000), 'not_json'],
  ] as const)('%#: %.30s is %s', ([value, reason]) => {
    expect(readRaw(Buffer.from(value))).toEqual({ bad: reason })
  })

  test('holds bytes that are no UTF-8', () => {
    expect(readRaw(Buffer.from(JSON.stringify(event).replace('hanako', 'han\xffko'), 'latin1'))).toEqual({
      bad: 'not_json',
    })
  })

  test.for([
    { version: '7' },
    { version: 0 },
    { version: -1 },
    { version: 1.5 },
    { version: 9007199254740992 },
    { version: null },
    { version: true },
    { email: 42 },
    { email: ['hanako@example.jp'] },
    { email: `${'a'.repeat(320)}@x.jp` },
    { email: 'a@x.jp\r\nBcc: b@x.jp' },
    { email: 'a\u0000@x.jp' },
    { email: '\ud800@x.jp' },
    { mobilePhone: 9012345678 },
    { mobilePhone: { toString: '090' } },
    { mobileCarrier: 1 },
    { familyCard: 'false' },
    { familyCard: 0 },
    { familyCard: undefined },
    { country: 'JPN' },
    { country: 'jp' },
    { country: 81 },
    { language: '' },
    { language: 'ja_JP' },
    { notificationPreference: 'fax' },
    { notificationPreference: 'SMS' },
    { birthDate: 19900401 },
    { birthDate: '1990-4-1' },
    { birthDate: '1990-04-01T00:00:00Z' },
    { memberId: 123456789 },
    { memberId: '' },
    { memberId: "1' or '1'='1" },
  ])('has the wrong type or shape in %o', (fields) => {
    expect(reasonOf(withData(fields))).toBe('wrong_shape')
  })

  test.for([
    '1990-02-30',
    '1990-02-29',
    '1900-02-29',
    '1990-13-01',
    '1990-00-10',
    '1990-04-31',
    '1990-04-00',
    '0000-01-01',
    '1899-12-31',
    '2026-11-25',
    '9999-12-31',
  ])('says that somebody was born on %s', (birthDate) => {
    expect(withData({ birthDate })).toEqual({ bad: 'impossible_date' })
  })
  test('does not say so of a leap day, or of today where the day begins first', () => {
    expect(['2000-02-29', '2008-02-29', '2026-11-24'].map((birthDate) => reasonOf(withData({ birthDate })))).toEqual(
      Array(3).fill('good'),
    )
  })

  test.for([
    ['2026-02-30T00:00:00Z', 'impossible_date'],
    ['2026-11-01T24:00:00Z', 'impossible_date'],
    ['2026-11-01T00:60:00Z', 'impossible_date'],
    ['2026-11-01T00:00:00+23:00', 'impossible_date'],
    ['0000-01-01T00:00:00Z', 'impossible_date'],
    ['2026-11-01', 'wrong_shape'],
    ['2026-11-01 00:00:00', 'wrong_shape'],
    ['yesterday', 'wrong_shape'],
    ['infinity', 'wrong_shape'],
    [1793491200, 'wrong_shape'],
  ])('tells the time as %s: %s', ([time, reason]) => {
    expect(read({ ...event, time })).toEqual({ bad: reason })
  })

  test.for([
    { specversion: '0.3' },
    { specversion: 1.0 },
    { id: '' },
    { id: undefined },
    { source: null },
    { subject: undefined },
    { data: null },
    { data: [data] },
    { data: JSON.stringify(data) },
  ])('has an envelope that is none: %o', (fields) => {
    expect(reasonOf(read({ ...event, ...fields }))).toBe('wrong_shape')
  })

  test('names another member in its key, its subject or its data', () => {
    expect(read(event, Buffer.from('987654321'))).toEqual({ bad: 'wrong_key' })
    expect(read(event, null)).toEqual({ bad: 'wrong_key' })
    expect(read({ ...event, subject: '987654321' })).toEqual({ bad: 'wrong_key' })
    expect(withData({ memberId: '987654321' })).toEqual({ bad: 'wrong_key' })
  })
})

describe('a tombstone', () => {
  test('erases the member of its key', () => {
    expect(readRaw(null)).toEqual({ change: { memberId: '123456789', offset: '5', version: null, status: 'erased' } })
  })
  test.for([null, '', 'a b', 'é', 'a'.repeat(65), 'a\u0000'])('without a member id for a key is bad: %o', (key) => {
    expect(readRaw(null, key === null ? null : Buffer.from(key))).toEqual({ bad: 'wrong_key' })
  })
  test('is not the same as an empty value', () => {
    expect(readRaw(Buffer.alloc(0))).toEqual({ bad: 'not_json' })
  })
})

test('whatever bytes come, reading answers', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => reasonOf(readRaw(Buffer.from(bytes))) !== 'good'))
  fc.assert(fc.property(fc.json(), (json) => reasonOf(readRaw(Buffer.from(json))) !== 'good'))
})

describe('a mobile number', () => {
  test.for([
    ['090-1234-5678', 'JP', '+819012345678'],
    ['08012345678', 'JP', '+818012345678'],
    ['070 1234 5678', 'JP', '+817012345678'],
    ['060-1234-5678', 'JP', '+816012345678'],
    ['+81 90-1234-5678', 'US', '+819012345678'],
    ['+81 (0)90 1234 5678', 'JP', '+819012345678'],
    ['(090)1234-5678', 'JP', '+819012345678'],
    ['０９０－１２３４－５６７８', 'JP', '+819012345678'],
    ['＋８１　９０　１２３４　５６７８', 'JP', '+819012345678'],
    ['0912-345-678', 'TW', '+886912345678'],
    ['010-1234-5678', 'KR', '+821012345678'],
    ['(212) 555-0123', 'US', '+12125550123'],
  ] as const)('%s in %s is %s', ([input, country, e164]) => {
    expect(toMobileNumber(input, country)?.e164).toBe(e164)
  })
  test('tells its own country, not the member’s', () => {
    expect(toMobileNumber('+886912345678', 'JP')).toEqual({ e164: '+886912345678', country: 'TW' })
  })
  test.for([
    ['050-1234-5678', 'JP'],
    ['03-1234-5678', 'JP'],
    ['0120-123-456', 'JP'],
    ['020-1234-5678', 'JP'],
    ['090-1234-567', 'JP'],
    ['090-1234-56789', 'JP'],
    ['090-0234-5678', 'JP'],
    ['090-1234-5678', 'ZZ'],
    ['090-1234-5678', ''],
    ['090-1234-5678', '__proto__'],
    ['090-1234-5678;080-1234-5678', 'JP'],
    ['090-1234-5678 / 080-1234-5678', 'JP'],
    ['09012345678\u0000', 'JP'],
    ['0901234567\u0000', 'JP'],
    ['09012345678 ext 5', 'JP'],
    ['09012345678x5', 'JP'],
    ['+819012345678;ext=5', 'JP'],
    ['tel:+819012345678', 'JP'],
    ['1-800-FLOWERS', 'US'],
    ['①②③', 'JP'],
    ['+', 'JP'],
    ['', 'JP'],
    ['----', 'JP'],
    ['0'.repeat(10_000), 'JP'],
    ['110', 'JP'],
  ] as const)('is not what stands in %.40s (%s)', ([input, country]) => {
    expect(toMobileNumber(input, country)).toBeUndefined()
  })
  test('whatever is written, reading answers', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('JP', 'US', 'KR'), (input, country) => {
        const number = toMobileNumber(input, country)
        return number === undefined || /^\+\d{8,15}$/.test(number.e164)
      }),
    )
  })
  test('the short way to a Japanese number and the library agree', () => {
    const digits = fc.integer({ min: 0, max: 99_999_999 }).map((rest) => String(rest).padStart(8, '0'))
    fc.assert(
      fc.property(
        fc.constantFrom('06', '07', '08', '09', '05', '02'),
        fc.constantFrom('0', '1'),
        digits,
        (start, second, rest) => {
          const plain = `${start}${second}${rest}`
          expect(toMobileNumber(plain, 'JP')).toEqual(toMobileNumber(`(${plain})`, 'JP'))
        },
      ),
    )
  })
})

describe('a name that stands twice in one object makes an event ambiguous (F24)', () => {
  const json = JSON.stringify(event)
  test.for([
    ['two types', json.replace('"type":"member.updated"', '"type":"member.updated","type":"member.withdrawn"')],
    ['two versions', json.replace('"version":7', '"version":7,"version":8')],
    ['the same twice', json.replace('"version":7', '"version":7,"version":7')],
    ['one of them escaped', json.replace('"version":7', '"version":7,"ver\\u0073ion":8')],
    ['two states', json.replace('"data":', '"data":{},"data":')],
    [
      'in the depth of a field that we do not know',
      json.replace('"version":7', '"version":7,"a":[{"b":{"c":1,"c":2}}]'),
    ],
    ['an envelope of another type', '{"type":"other","type":"member.updated"}'],
  ])('%s', ([, text = '']) => {
    expect(reasonOf(readRaw(Buffer.from(text)))).toBe('ambiguous')
  })
  test.for([
    ['colons and quotes in a text', { a: '"b":1,"b":2', c: '\\":', d: '\\\\' }],
    ['the same name in two objects', { a: { version: 1 }, b: [{ version: 1 }, { version: 2 }] }],
    ['a name such as __proto__', JSON.parse('{"__proto__":{"x":1}}') as object],
    ['no fields', { a: {}, b: [], c: null, '': '' }],
  ])('and none does with %s', ([, extra]) => {
    expect(reasonOf(withData({ extra }))).toBe('good')
  })
  test('whatever else stands in it', () => {
    fc.assert(
      fc.property(fc.json(), (extra) => {
        const text = json.replace('"version":7', () => `"version":7,"extra":${extra}`)
        // JSON.parse itself keeps one of two: what it writes again has no name twice.
        const clean = JSON.stringify(JSON.parse(text))
        expect(reasonOf(readRaw(Buffer.from(clean)))).toBe('good')
        expect(reasonOf(readRaw(Buffer.from(clean.replace('"version":7', '"version":6,"version":7'))))).toBe(
          'ambiguous',
        )
      }),
    )
  })
})
