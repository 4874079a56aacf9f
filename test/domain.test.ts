/**
 * D2, D4, C5, C12: the pure rules. Those of addresses stand in `undeliverable-addresses.test.ts`.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { isChallengeInput, isVerifyCodeInput, normaliseCode } from '../domain/challenge.ts'
import { smsPrefix, smsSender } from '../domain/destination.ts'
import { maskDestination } from '../domain/mask.ts'

describe('a code as a person types it', () => {
  it.each([
    ['012345', '012345'],
    ['０１２３４５', '012345'],
    [' 012 345 ', '012345'],
    ['012-345', '012345'],
    ['０１２ー３４５', '012345'],
    ['012\u3000345', '012345'],
  ])('%j is %j', (typed, code) => {
    expect(normaliseCode(typed, 6)).toBe(code)
  })

  it.each([
    ['12345'],
    ['1234567'],
    ['12345a'],
    ['①②③④⑤⑥'],
    ['٠١٢٣٤٥'],
    [''],
    ['1e5   '],
    ['0x1234'],
    [123456],
    [true],
    [null],
    [['123456']],
    [{}],
    ['1'.repeat(65)],
  ])('%j cannot be one', (typed) => {
    expect(normaliseCode(typed, 6)).toBeUndefined()
  })
})

describe('a message of any shape', () => {
  it('is looked at without an error', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        isChallengeInput(value)
        isVerifyCodeInput(value)
        normaliseCode(value, 6)
      }),
    )
  })
})

describe('a masked destination', () => {
  it.each([
    ['sms', '+819012345678', '***-****-5678'],
    ['email', 'hanako@example.jp', 'h***@e***.jp'],
    ['email', 'a@b.co.jp', 'a***@b***.jp'],
  ] as const)('by %s shows little of %s', (channel, destination, masked) => {
    expect(maskDestination(channel, destination)).toBe(masked)
  })
})

describe('the destination', () => {
  it('has the sender that the page names', () => {
    const senders = { from: '0354600124', fromSoftbank: '22471' }
    expect(smsSender('softbank', senders)).toBe('22471')
    for (const carrier of ['docomo', 'SoftBank Air', null]) expect(smsSender(carrier, senders)).toBe('0354600124')
  })

  it.each(
    // Every brand on SoftBank's network (D4), as lists and people write it.
    ['SoftBank', 'SOFTBANK', 'Soft Bank', 'softbank mobile', 'ソフトバンク', 'ｿﾌﾄﾊﾞﾝｸ', 'ソフトバンク・モバイル'].concat(
      [
        'Y!mobile',
        'Y!Mobile',
        'ymobile',
        'Y-mobile',
        'Y mobile',
        'Ｙ！ｍｏｂｉｌｅ',
        'ワイモバイル',
        'LINEMO',
        'linemo',
        'ラインモ',
      ],
    ),
  )('has the sender of SoftBank’s network for %s', (brand) => {
    expect(smsSender(brand, { from: '0354600124', fromSoftbank: '22471' })).toBe('22471')
  })

  it.each(['docomo', 'ahamo', 'au', 'UQ mobile', 'povo', '楽天モバイル', 'soft', 'SoftBank Air', '', '!'])(
    'has the default sender for %j',
    (brand) => {
      expect(smsSender(brand, { from: '0354600124', fromSoftbank: '22471' })).toBe('0354600124')
    },
  )

  it('has the sender of the network that an operator names for a brand', () => {
    const { vonage } = loadConfig(['providers'], {
      SENDGRID_API_KEY: 'x',
      VONAGE_APPLICATION_ID: randomUUID(),
      VONAGE_PRIVATE_KEY: '-----BEGIN',
      OTP_CARRIER_BRANDS: 'mineoS=SoftBank,LINEMO=docomo',
    }).providers
    expect(smsSender('mineo S', vonage)).toBe('22471')
    expect(smsSender('Mineo-s', vonage)).toBe('22471')
    expect(smsSender('LINEMO', vonage)).toBe('0354600124')
    expect(smsSender('Y!mobile', vonage)).toBe('22471')
  })

  it('belongs to a block of 10,000 numbers', () => {
    expect(smsPrefix('+819012345678')).toBe('+81901234')
  })
})
