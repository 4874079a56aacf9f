/**
 * Admission (C2 a): who is the member, where would the code go, and may it. The same for a start over HTTP and for one
 * that reaches Temporal directly, which is admitted in its workflow.
 */
import type { Policy } from '../config.ts'
import type { Advice, Channel } from '../domain/challenge.ts'
import { chooseDestination, smsPrefix } from '../domain/destination.ts'
import { admit, failOver, type Challenge, type RefusalReason } from './challenges.ts'
import type { Sql } from './connect.ts'

export interface AdmissionRequest {
  readonly challengeId: string
  readonly memberId: string
  readonly purpose: string
  /** The API caller, or `temporal`. */
  readonly caller: string
  readonly channel?: Channel
  /** With the purpose `register_phone`, and only then. */
  readonly registering?: { readonly e164: string; readonly country: string }
  /** BCP 47; the member's own where absent. */
  readonly locale?: string
  readonly ipHash?: string
  /** A challenge that this one continues (C14). */
  readonly continues?: string
  readonly idempotency?: { readonly key: string; readonly requestHash: string }
}

export interface Admitted {
  readonly kind: 'admitted' | 'existing'
  readonly challenge: Challenge
}

export type NotAdmitted =
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly retryAfter?: number }
  | { readonly kind: 'unknown_member' }
  | { readonly kind: 'unknown_purpose' }
  | { readonly kind: 'undeliverable'; readonly reason: string; readonly advice: Advice }

interface Member {
  readonly version: number
  readonly email: string | null
  readonly phone: string | null
  readonly phoneCountry: string | null
  readonly mobileCarrier: string | null
  readonly country: string | null
  readonly language: string | null
  readonly notificationPreference: Channel | null
  readonly smsMandatory: boolean
}

/** A member event may come between our look and the statement; more than once is already rare. */
const LOOKS = 5

export async function admitChallenge(
  sql: Sql,
  policy: Policy,
  request: AdmissionRequest,
): Promise<Admitted | NotAdmitted> {
  const { registering, continues, ipHash, idempotency } = request
  if (
    !policy.purposes.includes(request.purpose) ||
    (request.purpose === 'register_phone') !== (registering !== undefined)
  ) {
    return { kind: 'unknown_purpose' }
  }
  for (let look = 1; look <= LOOKS; look++) {
    const member = await activeMember(sql, policy, request.memberId)
    if (member === undefined) return { kind: 'unknown_member' }
    const choice = chooseDestination({
      member,
      smsMandatory: member.smsMandatory,
      smsCountries: policy.smsCountries,
      ...(registering && { registering }),
      ...(request.channel && { channel: request.channel }),
    })
    if ('undeliverable' in choice) {
      return { kind: 'undeliverable', reason: choice.undeliverable, advice: choice.advice }
    }
    const admission = await admit(
      sql,
      {
        challengeId: request.challengeId,
        memberId: request.memberId,
        memberVersion: member.version,
        purpose: request.purpose,
        caller: request.caller,
        ...addressed(choice),
        language: request.locale ?? member.language ?? 'ja',
        mobileCarrier: registering ? null : member.mobileCarrier,
        ...(ipHash !== undefined && { ipHash }),
        ...(continues !== undefined && { continues }),
        ...(idempotency && { idempotencyKey: idempotency.key, requestHash: idempotency.requestHash }),
      },
      policy,
    )
    if (admission.kind !== 'member_changed') return admission
  }
  throw new Error('the member changed at every look')
}

/**
 * D6: moves a challenge to the member's other channel, where policy allows that now: not while a phone is registered,
 * not from mandatory SMS to e-mail, and not to a destination that is unusable.
 *
 * @returns whether its code may be sent there
 */
export async function moveToOtherChannel(sql: Sql, policy: Policy, challenge: Challenge): Promise<boolean> {
  const { challengeId, memberId, purpose } = challenge
  const member = await activeMember(sql, policy, memberId)
  if (member === undefined || purpose === 'register_phone') return false
  const channel = challenge.channel === 'sms' ? 'email' : 'sms'
  const { smsMandatory } = member
  const choice = chooseDestination({ member, channel, smsMandatory, smsCountries: policy.smsCountries })
  if ('undeliverable' in choice || choice.channel !== channel) return false
  return failOver(sql, challengeId, { ...addressed(choice), mobileCarrier: member.mobileCarrier }, policy)
}

const addressed = ({ channel, destination }: { channel: Channel; destination: string }) => ({
  channel,
  destination,
  ...(channel === 'sms' && { smsPrefix: smsPrefix(destination) }),
})

async function activeMember(sql: Sql, policy: Policy, memberId: string): Promise<Member | undefined> {
  const [member] = await sql<[Member?]>`
    select
      version, email, phone, phone_country as "phoneCountry", mobile_carrier as "mobileCarrier", country, language,
      notification_preference as "notificationPreference",
      sms_mandatory(m, ${sql.json(policy as never)}) as "smsMandatory"
    from members m
    where m.member_id = ${memberId} and m.status = 'active'`
  return member
}
