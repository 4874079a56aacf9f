/**
 * D2: the decision table. Each row of what is asked for names the channels in the order in which they are tried; it is
 * crossed with everything that a member can have registered, and with where they live.
 */
import { describe, expect, it } from 'vitest'
import type { Advice, Channel } from '../domain/challenge.ts'
import { chooseDestination, chooseFailover } from '../domain/destination.ts'

type Preference = Channel | null
type Wish = Channel | undefined

// prettier-ignore
const TRIED: [mandatory: boolean, wish: Wish, preference: Preference, channels: Channel[]][] = [
  [false, undefined, 'email', ['email', 'sms']],
  [false, undefined, 'sms',   ['sms', 'email']],
  [false, undefined, null,    ['email', 'sms']],
  [false, 'sms',     'email', ['sms', 'email']],
  [false, 'sms',     'sms',   ['sms', 'email']],
  [false, 'sms',     null,    ['sms', 'email']],
  [false, 'email',   'email', ['email', 'sms']],
  [false, 'email',   'sms',   ['email', 'sms']],
  [false, 'email',   null,    ['email', 'sms']],
  [true,  undefined, 'email', ['sms']],
  [true,  undefined, 'sms',   ['sms']],
  [true,  undefined, null,    ['sms']],
  [true,  'sms',     'email', ['sms']],
  [true,  'sms',     'sms',   ['sms']],
  [true,  'sms',     null,    ['sms']],
  [true,  'email',   'email', ['sms']],
  [true,  'email',   'sms',   ['sms']],
  [true,  'email',   null,    ['sms']],
]

const SMS_RULES = { smsCountries: ['JP'], smsRefusedPrefixes: ['+81990', '+81705555'] }

const PHONES = [
  { name: 'a mobile phone of Japan', phone: '+819012345678', phoneCountry: 'JP', guard: null },
  {
    name: 'a phone of a country that is not allowed',
    phone: '+12025550123',
    phoneCountry: 'US',
    guard: 'phone_country_not_allowed',
  },
  {
    name: 'a phone of a block that is refused',
    phone: '+817055551234',
    phoneCountry: 'JP',
    guard: 'phone_range_not_allowed',
  },
  { name: 'no phone', phone: null, phoneCountry: null, guard: undefined },
]
const EMAILS = [
  { name: 'an address', email: 'hanako@example.jp', usable: true },
  { name: 'an undeliverable address', email: 'ha..nako@example.jp', usable: false },
  { name: 'no address', email: null, usable: false },
]
const COUNTRIES = ['JP', 'FR', null]

/** What a member is told for whom every channel that was tried is unusable. */
const WHY: [mandatory: boolean, email: string | null, reason: string, inJapan: Advice][] = [
  [true, 'hanako@example.jp', 'no_usable_phone', 'register_phone'],
  [true, 'ha..nako@example.jp', 'no_usable_phone', 'register_phone'],
  [true, null, 'no_usable_phone', 'register_phone'],
  [false, 'ha..nako@example.jp', 'undeliverable_email', 'update_email'],
  [false, null, 'no_destination', 'update_email'],
]

const CASES = TRIED.flatMap(([smsMandatory, wish, preference, channels]) =>
  PHONES.flatMap((phone) =>
    EMAILS.flatMap((email) =>
      COUNTRIES.map((country) => ({ smsMandatory, wish, preference, channels, phone, email, country })),
    ),
  ),
)

describe('the destination of a code', () => {
  it('has a row for every combination', () => {
    expect(new Set(TRIED.map(([mandatory, wish, preference]) => `${mandatory} ${wish} ${preference}`)).size).toBe(
      2 * 3 * 3,
    )
    expect(CASES).toHaveLength(18 * 4 * 3 * 3)
  })

  it.each(CASES)(
    'mandatory $smsMandatory, asked for $wish, prefers $preference, $phone.name, $email.name, in $country',
    ({ smsMandatory, wish, preference, channels, phone, email, country }) => {
      const chosen = chooseDestination({
        member: { ...phone, ...email, country, notificationPreference: preference },
        smsMandatory,
        smsRules: SMS_RULES,
        ...(wish && { channel: wish }),
      })
      const usable = { sms: phone.guard === null, email: email.usable }
      const destinations = { sms: phone.phone, email: email.email }
      const channel = channels.find((each) => usable[each])
      const [, , reason, inJapan] = WHY.find((row) => row[0] === smsMandatory && row[1] === email.email) ?? []
      expect(chosen).toEqual(
        channel
          ? { channel, destination: destinations[channel] }
          : {
              undeliverable: reason,
              advice: country === 'JP' ? inJapan : 'contact_center',
              ...(phone.guard && { guard: phone.guard }),
            },
      )
    },
  )

  it.each(CASES)(
    'while registering a phone is that phone: mandatory $smsMandatory, asked for $wish, prefers $preference, $phone.name, $email.name, in $country',
    ({ smsMandatory, wish, preference, phone, email, country }) => {
      const registering = { e164: '+818011112222', country: 'JP' }
      const chosen = chooseDestination({
        member: { ...phone, ...email, country, notificationPreference: preference },
        registering,
        smsMandatory,
        smsRules: SMS_RULES,
        ...(wish && { channel: wish }),
      })
      expect(chosen).toEqual({ channel: 'sms', destination: registering.e164 })
    },
  )

  it.each([
    ['of a country that is not allowed', { e164: '+12025550123', country: 'US' }, 'phone_country_not_allowed'],
    ['of a block that is refused', { e164: '+817055551234', country: 'JP' }, 'phone_range_not_allowed'],
  ])('is none for a number being registered %s, whatever else there is', (_what, registering, guard) => {
    const [phone, email] = [PHONES[0]!, EMAILS[0]!]
    const member = { ...phone, ...email, country: 'JP', notificationPreference: 'email' as const }
    const chosen = chooseDestination({ member, registering, smsMandatory: false, smsRules: SMS_RULES })
    expect(chosen).toEqual({ undeliverable: guard, advice: 'contact_center', guard })
  })
})

describe('the other channel, when a message will not arrive', () => {
  const FAILOVERS = PHONES.flatMap((phone) =>
    EMAILS.flatMap((email) =>
      [true, false].flatMap((smsMandatory) =>
        (['sms', 'email'] as const).map((from) => ({ phone, email, smsMandatory, from })),
      ),
    ),
  )

  it.each(FAILOVERS)(
    'from $from: mandatory $smsMandatory, $phone.name, $email.name',
    ({ phone, email, smsMandatory, from }) => {
      const request = { member: { ...phone, ...email }, smsMandatory, smsRules: SMS_RULES }
      const bySms =
        phone.guard === null ? { channel: 'sms', destination: phone.phone } : { refused: phone.guard ?? 'no_phone' }
      const byEmail = email.usable ? { channel: 'email', destination: email.email } : { refused: 'no_usable_email' }
      const expected = from === 'email' ? bySms : smsMandatory ? { refused: 'sms_mandatory' } : byEmail
      expect(chooseFailover(from, { ...request, isRegistering: false })).toEqual(expected)
      expect(chooseFailover(from, { ...request, isRegistering: true })).toEqual({ refused: 'registering_phone' })
    },
  )
})
