/**
 * Made-up members of a mileage bank, as many as one likes: the nth of a seed is always the same.
 *
 * Shares are those of such a bank by and large, not of any real one. Addresses are of domains that nobody has (RFC 2606,
 * JPRS); numbers may well be somebody's: nothing made here belongs near a real provider.
 */
import type { MemberData as Told } from '../../kafka/member-event.ts'
import { createRandom, type Random, type Weighted } from './random.ts'

/** All of a member's state, as an event carries it. */
export type MemberData = Required<Told>

/** Ids of generated members begin here: above those of the sample members. */
const FIRST_ID = 200_000_000
/** Ages are counted at this day, so that the same seed makes the same people next year. */
const COUNTED_ON = Date.UTC(2026, 10, 1)
const YEAR_MS = 365.25 * 86_400_000

/** Of residence. */
const COUNTRIES: readonly Weighted<string>[] = [
  [93, 'JP'],
  [2.2, 'US'],
  [1.2, 'TW'],
  [1, 'CN'],
  [0.8, 'KR'],
  [0.5, 'HK'],
  [0.4, 'SG'],
  [0.4, 'GB'],
  [0.3, 'TH'],
  [0.2, 'DE'],
]
const LANGUAGES: Readonly<Record<string, readonly Weighted<string>[]>> = {
  JP: [
    [94, 'ja'],
    [3, 'en'],
    [1.6, 'zh-Hans'],
    [0.5, 'zh-Hant'],
    [0.9, 'ko'],
  ],
  TW: [
    [9, 'zh-Hant'],
    [1, 'ja'],
  ],
  HK: [
    [8, 'zh-Hant'],
    [2, 'en'],
  ],
  CN: [
    [9, 'zh-Hans'],
    [1, 'ja'],
  ],
  KR: [
    [9, 'ko'],
    [1, 'ja'],
  ],
}
const ELSEWHERE: readonly Weighted<string>[] = [
  [7, 'en'],
  [3, 'ja'],
]
/** Whose network a Japanese mobile number is on; null where the membership system was never told. */
const CARRIERS: readonly Weighted<string | null>[] = [
  [35, 'docomo'],
  [26, 'au'],
  [20, 'softbank'],
  [4, 'rakuten'],
  [11, 'mvno'],
  [4, null],
]
const GIVEN = ['hanako', 'taro', 'yui', 'haruto', 'aoi', 'ren', 'sakura', 'kenji', 'naomi', 'takashi', 'emi', 'jun']
const FAMILY = ['sato', 'suzuki', 'takahashi', 'tanaka', 'ito', 'watanabe', 'yamamoto', 'nakamura', 'kobayashi', 'kato']
const DOMAINS: readonly Weighted<string>[] = [
  [45, 'example.com'],
  [25, 'example.jp'],
  [18, 'example.ne.jp'],
  [12, 'example.co.jp'],
]

export const memberIdOf = (index: number): string => String(FIRST_ID + index)

/** The member with that number, from 0, as first registered (version 1). */
export function generateMember(seed: number, index: number): MemberData {
  const random = createRandom(seed, index)
  const country = random.weighted(COUNTRIES)
  const isMinor = random.chance(0.045)
  const phone = random.chance(isMinor ? 0.35 : 0.87) ? generatePhone(random, country, index) : NO_PHONE
  return {
    memberId: memberIdOf(index),
    version: 1,
    email: random.chance(0.97) ? generateEmail(random, index) : null,
    ...phone,
    birthDate: random.chance(0.004) ? null : generateBirthDate(random, isMinor),
    familyCard: random.chance(0.12),
    country,
    language: random.weighted(LANGUAGES[country] ?? ELSEWHERE),
    // Who has no phone can still have chosen SMS once.
    notificationPreference: random.chance(phone.mobilePhone === null ? 0.02 : 0.22) ? 'sms' : 'email',
  }
}

type Phone = Pick<MemberData, 'mobilePhone' | 'mobileCarrier'>
export const NO_PHONE: Phone = { mobilePhone: null, mobileCarrier: null }

/** A number of the member's own; some are foreign, and some of what stands in the field is no mobile number at all. */
export function generatePhone(random: Random, country: string, index: number): Phone {
  const kind = random.weighted(country === 'JP' ? AT_HOME : ABROAD)
  if (kind === 'japanese')
    return { mobilePhone: japaneseMobile(random, index), mobileCarrier: random.weighted(CARRIERS) }
  const line = String(index % 10_000).padStart(4, '0')
  if (kind === 'landline') return { mobilePhone: `03-${3000 + (index % 7000)}-${line}`, mobileCarrier: null }
  if (kind === 'internet') return { mobilePhone: `050-${3000 + (index % 2000)}-${line}`, mobileCarrier: null }
  return { mobilePhone: `${random.pick(FOREIGN[country] ?? FOREIGN['US']!)}${line}`, mobileCarrier: null }
}

const AT_HOME: readonly Weighted<string>[] = [
  [97, 'japanese'],
  [1, 'foreign'],
  [1.5, 'landline'],
  [0.5, 'internet'],
]
const ABROAD: readonly Weighted<string>[] = [
  [80, 'foreign'],
  [20, 'japanese'],
]
/** All but the last four digits, of ranges that are mobile. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  US: ['+1 212-555-', '+1 415-555-', '+1 808-555-'],
  TW: ['+886 912 34', '+886 933 21'],
  CN: ['+86 138 1234 ', '+86 159 8765 '],
  KR: ['+82 10-2345-', '+82 10-8765-'],
  HK: ['+852 9123 ', '+852 6234 '],
  SG: ['+65 9123 ', '+65 8234 '],
  GB: ['+44 7400 12', '+44 7911 12'],
  TH: ['+66 81 234 ', '+66 89 876 '],
  DE: ['+49 1512 345', '+49 1703 45'],
}

const JAPANESE_NUMBERS = 90_000_000
/** Has no factor in common with 90,000,000: neighbours lie far apart, and no two members share a number. */
const STRIDE = 48_271_363

function japaneseMobile(random: Random, index: number): string {
  // In Number's exact range for any index below 180 million.
  const digits = String(10_000_000 + ((index * STRIDE) % JAPANESE_NUMBERS))
  const prefix = ['090', '080', '070'][Math.floor(index / JAPANESE_NUMBERS) % 3]!
  const parts = [prefix, digits.slice(0, 4), digits.slice(4)]
  return random.weighted([
    [60, () => parts.join('-')],
    [34, () => parts.join('')],
    [5, () => `+81${parts.join('').slice(1)}`],
    // As a Japanese keyboard writes it.
    [1, () => parts.join('').replace(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0))],
  ])()
}

/** The local part ends with the member's number: an address of the member's own. */
function generateEmail(random: Random, index: number): string {
  const name = `${random.pick(GIVEN)}.${random.pick(FAMILY)}${index}`
  const domain = random.weighted(DOMAINS)
  // D3: the page's three conditions; such addresses were given out by carriers, and people still have them.
  return random.weighted([
    [98.8, `${name}@${domain}`],
    [0.5, `${name}.@${domain}`],
    [0.2, `.${name}@${domain}`],
    [0.4, `${name.replace('.', '..')}@${domain}`],
    [0.1, `${name}[home]@${domain}`],
  ])
}

function generateBirthDate(random: Random, isMinor: boolean): string {
  // Adults: most around fifty, few at either end.
  const age = isMinor ? random.next() * 18 : 18 + (random.next() + random.next()) * 34
  return new Date(COUNTED_ON - age * YEAR_MS).toISOString().slice(0, 10)
}
