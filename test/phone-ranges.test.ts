/**
 * C9, M3: an SMS goes to mobile numbers alone. Premium, shared-cost, toll-free, pager, VoIP, landline and satellite ranges
 * of countries that may be allowed are no mobile number, however they are written. Ranges by ITU-T E.164 and the national
 * numbering plans.
 */
import { describe, expect, it } from 'vitest'
import { toMobileNumber } from '../phones/mobile-number.ts'

const MOBILE: [country: string, written: string, e164: string][] = [
  ['JP', '060-1234-5678', '+816012345678'],
  ['JP', '070-1234-5678', '+817012345678'],
  ['JP', '080-1234-5678', '+818012345678'],
  ['JP', '090-1234-5678', '+819012345678'],
  ['TW', '0912-345-678', '+886912345678'],
  ['KR', '010-1234-5678', '+821012345678'],
  ['CN', '138 1234 5678', '+8613812345678'],
  ['HK', '5123 4567', '+85251234567'],
  ['SG', '8123 4567', '+6581234567'],
  ['GB', '07400 123456', '+447400123456'],
  ['FR', '06 12 34 56 78', '+33612345678'],
  // North American numbers do not tell.
  ['US', '(202) 555-0123', '+12025550123'],
]

const OTHERS: [country: string, what: string, written: string][] = [
  ['JP', 'a landline of Tokyo', '03-1234-5678'],
  ['JP', 'a landline of Osaka', '06-1234-5678'],
  ['JP', 'a landline, internationally', '+81 3 1234 5678'],
  ['JP', 'toll-free', '0120-123-456'],
  ['JP', 'toll-free, internationally', '+81 120 123 456'],
  ['JP', 'toll-free that looks like a mobile', '0800-123-4567'],
  ['JP', 'premium', '0990-123-456'],
  ['JP', 'premium, internationally', '+81 990 123 456'],
  ['JP', 'Navi Dial', '0570-123-456'],
  ['JP', 'VoIP', '050-1234-5678'],
  ['JP', 'a pager', '020-4612-3456'],
  ['JP', 'a machine', '020-1234-5678'],
  ['JP', 'the police', '110'],
  ['JP', 'directory assistance', '104'],
  ['TW', 'a landline', '02-2123-4567'],
  ['TW', 'premium', '020-312-3456'],
  ['TW', 'toll-free', '0800-000-123'],
  ['KR', 'a landline', '02-212-3456'],
  ['KR', 'VoIP', '070-1234-5678'],
  ['KR', 'a pager', '015-9012-3456'],
  ['CN', 'a landline', '010-1234-5678'],
  ['CN', 'premium', '16812345'],
  ['SG', 'a landline', '6123 4567'],
  ['SG', 'premium', '1900 123 4567'],
  ['GB', 'a landline', '020 7183 8750'],
  ['GB', 'a personal number', '070 1234 5678'],
  ['GB', 'premium', '0901 234 5678'],
  ['FR', 'premium', '0899 12 34 56'],
  ['US', 'premium', '1-900-555-1234'],
  ['US', 'toll-free', '1-800-555-1234'],
  ['JP', 'Inmarsat', '+870 773 111 632'],
  ['JP', 'Iridium', '+881 612 345 678'],
  ['JP', 'Thuraya', '+882 16 1234567'],
  ['JP', 'an international network', '+883 510 001 234567'],
  ['JP', 'international toll-free', '+800 1234 5678'],
  ['JP', 'international premium', '+979 1 1234 5678'],
]

describe('a number', () => {
  it.each(MOBILE)('of %s that is mobile is one: %s', (country, written, e164) => {
    expect(toMobileNumber(written, country)).toEqual({ e164, country })
    expect(toMobileNumber(e164, 'JP')).toEqual({ e164, country })
  })

  it.each(OTHERS)('in %s that is %s is none: %s', (country, _what, written) => {
    expect(toMobileNumber(written, country)).toBeUndefined()
  })
})
