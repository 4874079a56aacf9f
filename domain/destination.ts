/**
 * Which channel a code takes, and to where (D2).
 *
 * The rule, in order: a number being registered is reached by SMS; mandatory SMS beats every preference; the caller may
 * force SMS, and e-mail where SMS is not mandatory; else the member's own preference. What is unusable gives way to the
 * other channel where policy allows, never from mandatory or registering SMS to e-mail.
 */
import type { Advice, Channel } from './challenge.ts'
import { undeliverableCondition } from './email-address.ts'

export interface DestinationRequest {
  readonly member: {
    readonly email: string | null
    readonly phone: string | null
    /** ISO 3166-1 alpha-2 of the number. */
    readonly phoneCountry: string | null
    readonly country: string | null
    readonly notificationPreference: Channel | null
  }
  /** With the purpose `register_phone`: the number being registered. */
  readonly registering?: { readonly e164: string; readonly country: string }
  /** What the caller asks for. */
  readonly channel?: Channel
  readonly smsMandatory: boolean
  readonly smsCountries: readonly string[]
}

export type Destination =
  | { readonly channel: Channel; readonly destination: string }
  | { readonly undeliverable: string; readonly advice: Advice }

export function chooseDestination(request: DestinationRequest): Destination {
  const { member, registering, smsMandatory, smsCountries } = request
  const canReceiveSms = (country: string | null) => country !== null && smsCountries.includes(country)

  if (registering) {
    return canReceiveSms(registering.country)
      ? { channel: 'sms', destination: registering.e164 }
      : { undeliverable: 'phone_country_not_allowed', advice: 'contact_center' }
  }

  const sms = member.phone !== null && canReceiveSms(member.phoneCountry) ? member.phone : undefined
  const email = member.email !== null && undeliverableCondition(member.email) === undefined ? member.email : undefined
  const preferred = smsMandatory ? 'sms' : (request.channel ?? member.notificationPreference ?? 'email')

  if (preferred === 'sms' && sms !== undefined) return { channel: 'sms', destination: sms }
  if (email !== undefined && !smsMandatory) return { channel: 'email', destination: email }
  if (sms !== undefined) return { channel: 'sms', destination: sms }
  return whyUndeliverable(request)
}

/** The page: "please update your registration", and who lives outside Japan asks the Center. */
function whyUndeliverable({ member, smsMandatory }: DestinationRequest): Destination {
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
  senders: { readonly from: string; readonly fromSoftbank: string },
): string {
  return mobileCarrier === 'softbank' ? senders.fromSoftbank : senders.from
}

/** The block of 10,000 numbers that an hourly budget is kept for (C9, against SMS pumping). */
export const smsPrefix = (e164: string): string => e164.slice(0, -4)
