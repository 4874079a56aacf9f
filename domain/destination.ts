/**
 * Which channel a code takes, and to where (D2).
 *
 * The rule, in order: a number being registered is reached by SMS; mandatory SMS beats every preference; the caller may
 * force SMS, and e-mail where SMS is not mandatory; else the member's own preference. What is unusable gives way to the
 * other channel where policy allows, never from mandatory or registering SMS to e-mail. So does a channel whose provider
 * takes no codes at the moment, but that an SMS which the caller forced waits.
 */
import { networkOf } from './carrier.ts'
import type { Advice, Channel } from './challenge.ts'
import { undeliverableCondition } from './email-address.ts'

/** Where an SMS may go (C9, against SMS pumping). */
export interface SmsRules {
  /** ISO 3166-1 alpha-2 of numbers, not of members. */
  readonly smsCountries: readonly string[]
  /** E.164 with `+`: what begins so is refused. */
  readonly smsRefusedPrefixes: readonly string[]
}

/** Why a number gets no SMS, whatever its member prefers. */
export type SmsGuard = 'phone_country_not_allowed' | 'phone_range_not_allowed'

interface Reachable {
  readonly email: string | null
  readonly phone: string | null
  /** ISO 3166-1 alpha-2 of the number. */
  readonly phoneCountry: string | null
}

export interface DestinationRequest {
  readonly member: Reachable & {
    readonly country: string | null
    readonly notificationPreference: Channel | null
  }
  /** With the purpose `register_phone`: the number being registered. */
  readonly registering?: { readonly e164: string; readonly country: string }
  /** What the caller asks for. */
  readonly channel?: Channel
  /** That of the challenge which this one continues: as good as a preference. */
  readonly likeChannel?: Channel
  readonly smsMandatory: boolean
  readonly smsRules: SmsRules
}

interface Chosen {
  readonly channel: Channel
  readonly destination: string
}

/** `guard` is for operators: the number that would have been used, but for the rules. */
export type Destination =
  | Chosen
  | { readonly undeliverable: string; readonly advice: Advice; readonly guard?: SmsGuard }

export function chooseDestination(request: DestinationRequest): Destination {
  const { member, registering, smsRules } = request
  if (registering) {
    const guard = smsGuard(registering.e164, registering.country, smsRules)
    return guard === undefined
      ? { channel: 'sms', destination: registering.e164 }
      : { undeliverable: guard, advice: 'contact_center', guard }
  }

  const [chosen] = waysOf(request)
  if (chosen !== undefined) return chosen
  const { guard } = usableDestinations(member, smsRules)
  return { ...whyUndeliverable(request), ...(guard && { guard }) }
}

/** D6: where the code goes while the provider of the chosen channel takes none. An SMS that the caller forced waits. */
export function chooseInstead(request: DestinationRequest): Chosen | undefined {
  if (request.registering) return undefined
  const [chosen, instead] = waysOf(request)
  const isForced = chosen?.channel === 'sms' && request.channel === 'sms'
  return isForced ? undefined : instead
}

/** What policy allows and the member has, in the order in which it is tried. */
function waysOf({ member, channel, likeChannel, smsMandatory, smsRules }: DestinationRequest): Chosen[] {
  const { sms, email } = usableDestinations(member, smsRules)
  const wished = channel ?? likeChannel ?? member.notificationPreference ?? 'email'
  const bySms: Chosen[] = sms === undefined ? [] : [{ channel: 'sms', destination: sms }]
  const byEmail: Chosen[] = email === undefined || smsMandatory ? [] : [{ channel: 'email', destination: email }]

  return smsMandatory || wished === 'sms' ? [...bySms, ...byEmail] : [...byEmail, ...bySms]
}

/**
 * D2, D6: where the code goes when its message will not arrive by `from`: by the other channel, where policy allows.
 *
 * @returns else why not, in a word for operators
 */
export function chooseFailover(
  from: Channel,
  request: Pick<DestinationRequest, 'smsMandatory' | 'smsRules'> & {
    readonly member: Reachable
    readonly isRegistering: boolean
  },
): Chosen | { readonly refused: string } {
  if (request.isRegistering) return { refused: 'registering_phone' }
  const { sms, email, guard } = usableDestinations(request.member, request.smsRules)
  if (from === 'email') {
    return sms === undefined ? { refused: guard ?? 'no_phone' } : { channel: 'sms', destination: sms }
  }
  if (request.smsMandatory) return { refused: 'sms_mandatory' }
  return email === undefined ? { refused: 'no_usable_email' } : { channel: 'email', destination: email }
}

/** What a code could be sent to; with a phone that the rules refuse, why. */
export function usableDestinations({ email, phone, phoneCountry }: Reachable, smsRules: SmsRules) {
  const guard = phone === null ? undefined : smsGuard(phone, phoneCountry, smsRules)
  return {
    sms: phone !== null && guard === undefined ? phone : undefined,
    email: email !== null && undeliverableCondition(email) === undefined ? email : undefined,
    guard,
  }
}

/** @returns why no SMS goes to a number; undefined where one may */
export function smsGuard(
  e164: string,
  country: string | null,
  { smsCountries, smsRefusedPrefixes }: SmsRules,
): SmsGuard | undefined {
  if (country === null || !smsCountries.includes(country)) return 'phone_country_not_allowed'
  return smsRefusedPrefixes.some((prefix) => e164.startsWith(prefix)) ? 'phone_range_not_allowed' : undefined
}

/** The page: "please update your registration", and who lives outside Japan asks the Center. */
function whyUndeliverable({ member, smsMandatory }: DestinationRequest): { undeliverable: string; advice: Advice } {
  const inJapan = member.country === 'JP'
  if (smsMandatory) return { undeliverable: 'no_usable_phone', advice: inJapan ? 'register_phone' : 'contact_center' }
  return {
    undeliverable: member.email === null ? 'no_destination' : 'undeliverable_email',
    advice: inJapan ? 'update_email' : 'contact_center',
  }
}

/** D4, and the page: "For SoftBank users, messages will arrive from 22471". An unknown carrier gets the default. */
export function smsSender(
  mobileCarrier: string | null,
  senders: {
    readonly from: string
    readonly fromSoftbank: string
    readonly carrierBrands?: Readonly<Record<string, string>>
  },
): string {
  const network = mobileCarrier === null ? undefined : networkOf(mobileCarrier, senders.carrierBrands)
  return network === 'softbank' ? senders.fromSoftbank : senders.from
}

/** The block of 10,000 numbers that an hourly budget is kept for (C9, against SMS pumping). */
export const smsPrefix = (e164: string): string => e164.slice(0, -4)
