/**
 * P2: a number is validated as a Japanese mobile number, and each mistake has a message of its own.
 */
import { expect, it } from 'vitest'
import { readJapaneseMobile } from '../phones/japanese-mobile.ts'

it.each([
  ['', 'missing'],
  [' \u3000 ', 'missing'],
  ['03-5460-0124', 'landline'],
  ['06-1234-5678', 'landline'],
  ['+81354600124', 'landline'],
  ['050-1234-5678', 'ip_phone'],
  ['０５０１２３４５６７８', 'ip_phone'],
  ['090-1234-567', 'too_short'],
  ['090', 'too_short'],
  ['123', 'too_short'],
  ['090-1234-56789', 'too_long'],
  ['9'.repeat(65), 'too_long'],
  ['+1 202 555 0123', 'foreign'],
  ['+44 7911 123456', 'foreign'],
  ['+886 912 345 678', 'foreign'],
  ['090-1234-5678, 080-1234-5678', 'two_numbers'],
  ['090-1234-5678;080-1234-5678', 'two_numbers'],
  ['09012345678 08012345678', 'two_numbers'],
  ['09012345678、08012345678', 'two_numbers'],
  ['09012345678\u0000', 'characters'],
  ['090-1234-5678 x12', 'characters'],
  ['090-ABCD-5678', 'characters'],
  ['<script>', 'characters'],
  ['hanako@example.jp', 'characters'],
  ['0120-123-456', 'not_mobile'],
  ['0800-123-4567', 'not_mobile'],
  ['0990-123-456', 'not_mobile'],
  ['090-0123-4567', 'not_mobile'],
])('%j is refused as %s', (typed, mistake) => {
  expect(readJapaneseMobile(typed)).toEqual({ mistake })
})

it.each([
  '09012345678',
  '090-1234-5678',
  '090 1234 5678',
  '(090) 1234-5678',
  '90-1234-5678',
  '０９０−１２３４−５６７８',
  '０９０ー１２３４ー５６７８',
  '\u3000090-1234-5678 ',
  '+81 90 1234 5678',
  '+81-90-1234-5678',
  '+81 (0)90-1234-5678',
])('%j is a number', (typed) => {
  expect(readJapaneseMobile(typed)).toEqual({ e164: '+819012345678', country: 'JP' })
})

it('060, 070 and 080 are mobile numbers too', () => {
  for (const prefix of ['060', '070', '080']) {
    expect(readJapaneseMobile(`${prefix}-1234-5678`)).toMatchObject({ e164: `+81${prefix.slice(1)}12345678` })
  }
})
