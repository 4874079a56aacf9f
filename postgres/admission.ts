/**
 * Admission (C2 a): who is the member, where would the code go, and may it. The same for a start over HTTP and for one
 * that reaches Temporal directly, which is admitted in its workflow.
 */
import type { Policy } from '../config.ts'
import type { Advice, Channel } from '../domain/challenge.ts'
import { chooseDestination, chooseInstead, chooseFailover, smsPrefix, type SmsGuard } from '../domain/destination.ts'
import { admit, admittedUnder, moveToChannel, type Challenge, type Refused, type Way } from './challenges.ts'
import type { Sql } from './connect.ts'
import { keepRefusedStart } from './refused-starts.ts'

export interface AdmissionRequest {
  readonly challengeId: string
  readonly memberId: string
  readonly purpose: string
  /** The API caller, or `temporal`. */
  readonly caller: string
  /** What the caller asks for; `sms` is forced (D2). */
  readonly channel?: Channel
  /** That of the challenge which this one continues: as good as the member's preference. */
  readonly likeChannel?: Channel
  /** With the purpose `register_phone`, and only then. */
  readonly registering?: { readonly e164: string; readonly country: string }
  /** BCP 47; the member's own where absent. */
  readonly locale?: string
  readonly ipHash?: string
  /** A challenge that this one continues (C14). */
  readonly continues?: string
  /** Where the request stands in a trace (O4). */
  readonly traceparent?: string
  readonly idempotency?: { readonly key: string; readonly requestHash: string }
}

export interface Admitted {
  readonly kind: 'admitted' | 'existing'
  readonly challenge: Challenge
}

export type NotAdmitted =
  | Refused
  | { readonly kind: 'unknown_member' }
  | { readonly kind: 'unknown_purpose' }
  | { readonly kind: 'undeliverable'; readonly reason: string; readonly advice: Advice; readonly guard?: SmsGuard }

/** Why a start was not admitted, in one word for operators: a caller is told less. */
export function refusalWord(refusal: NotAdmitted): string {
  if (refusal.kind === 'refused') return refusal.limit ?? refusal.reason
  return refusal.kind === 'undeliverable' ? (refusal.guard ?? refusal.reason) : refusal.kind
}

/** A member as a code would reach them (M2): the later of what the member events say and what was set on our pages. */
export interface Member {
  readonly version: number
  /** Of what was set on our pages; 0 for nothing. */
  readonly destinationVersion: number
  readonly email: string | null
  readonly phone: string | null
  readonly phoneCountry: string | null
  readonly mobileCarrier: string | null
  readonly country: string | null
  readonly language: string | null
  readonly notificationPreference: Channel | null
  readonly smsMandatory: boolean
}

/** A member event may come between our look and the statement, or another start take the probe; more than once is already rare. */
const LOOKS = 5

/**
 * Admits a challenge, or says why not. A refusal has changed nothing, and is kept for support.
 *
 * Under an idempotency key the answer is that of the first time, whatever has become of the member since (C13).
 */
export async function admitChallenge(
  sql: Sql,
  policy: Policy,
  request: AdmissionRequest,
): Promise<Admitted | NotAdmitted> {
  const admission = await admitMember(sql, policy, request)
  const { idempotency, caller } = request
  const isKeyJudged = admission.kind !== 'unknown_member' && admission.kind !== 'undeliverable'
  const answer =
    idempotency === undefined || isKeyJudged
      ? admission
      : ((await admittedUnder(sql, caller, idempotency, policy)) ?? admission)
  if (answer.kind === 'refused' || answer.kind === 'undeliverable') {
    await keepRefusedStart(sql, request, refusalWord(answer))
  }
  return answer
}

async function admitMember(sql: Sql, policy: Policy, request: AdmissionRequest): Promise<Admitted | NotAdmitted> {
  const { registering, continues, ipHash, idempotency, traceparent, channel, likeChannel } = request
  if (
    !policy.purposes.includes(request.purpose) ||
    (request.purpose === 'register_phone') !== (registering !== undefined)
  ) {
    return { kind: 'unknown_purpose' }
  }
  for (let look = 1; look <= LOOKS; look++) {
    const member = await activeMember(sql, policy, request.memberId, { heedsReceipts: true })
    if (member === undefined) return { kind: 'unknown_member' }
    const asked = {
      member,
      smsMandatory: member.smsMandatory,
      smsRules: policy,
      ...(registering && { registering }),
      ...(channel && { channel }),
      ...(likeChannel && { likeChannel }),
    }
    const choice = chooseDestination(asked)
    if ('undeliverable' in choice) {
      const { undeliverable: reason, ...why } = choice
      return { kind: 'undeliverable', reason, ...why }
    }
    const isForeignNumber = registering !== undefined && registering.e164 !== member.phone
    const mobileCarrier = isForeignNumber ? null : member.mobileCarrier
    const admission = await admit(
      sql,
      {
        challengeId: request.challengeId,
        memberId: request.memberId,
        memberVersion: member.version,
        destinationVersion: member.destinationVersion,
        purpose: request.purpose,
        caller: request.caller,
        ways: [choice, chooseInstead(asked)].filter((way) => way !== undefined).map((way) => wayOf(way, mobileCarrier)),
        isSmsForced: channel === 'sms' && choice.channel === 'sms',
        isForeignNumber,
        language: request.locale ?? member.language ?? 'ja',
        ...(ipHash !== undefined && { ipHash }),
        ...(continues !== undefined && { continues }),
        ...(traceparent !== undefined && { traceparent }),
        ...(idempotency && { idempotencyKey: idempotency.key, requestHash: idempotency.requestHash }),
      },
      policy,
    )
    if (admission.kind !== 'look_again') return admission
  }
  throw new Error('the member, or their provider, changed at every look')
}

/**
 * P1: the channel that the member may choose instead of this challenge's, by the rule of an admission that asks for it.
 * None while a phone is registered, and never e-mail where SMS is mandatory.
 */
export async function otherChannel(sql: Sql, policy: Policy, challenge: Challenge): Promise<Channel | undefined> {
  if (challenge.channel === null || challenge.purpose === 'register_phone') return undefined
  const member = await activeMember(sql, policy, challenge.memberId, { heedsReceipts: true })
  if (member === undefined) return undefined
  const channel = challenge.channel === 'sms' ? 'email' : 'sms'
  const choice = chooseDestination({ member, smsMandatory: member.smsMandatory, smsRules: policy, channel })
  return 'channel' in choice && choice.channel === channel ? channel : undefined
}

/** `refused` says in one word, for operators, what was in the way; `stays` that the challenge's state was. */
export type Move = { readonly kind: 'moved' | 'stays' } | { readonly kind: 'refused'; readonly reason: string }

/**
 * D6: moves a challenge to the member's other channel, where policy allows that now: not while a phone is registered,
 * not from mandatory SMS to e-mail, not to a destination that is unusable, and not beyond the budget of its block.
 */
export async function moveToOtherChannel(sql: Sql, policy: Policy, challenge: Challenge): Promise<Move> {
  const { challengeId, memberId, purpose, channel } = challenge
  const member = await activeMember(sql, policy, memberId, { heedsReceipts: false })
  if (member === undefined) return { kind: 'refused', reason: 'unknown_member' }
  const { smsMandatory } = member
  const isRegistering = purpose === 'register_phone'
  const choice = chooseFailover(channel!, { member, smsMandatory, smsRules: policy, isRegistering })
  if ('refused' in choice) return { kind: 'refused', reason: choice.refused }
  return moveToChannel(sql, challengeId, wayOf(choice, member.mobileCarrier), policy)
}

/**
 * D2, D6: the way that a code may go while the provider of its channel takes none: as {@link moveToOtherChannel}, and not
 * where its caller forced SMS.
 */
export async function wayAroundPause(sql: Sql, policy: Policy, challenge: Challenge): Promise<Way | undefined> {
  const { memberId, purpose, channel, isSmsForced } = challenge
  const isRegistering = purpose === 'register_phone'
  if (channel === null || isRegistering || isSmsForced) return undefined
  const member = await activeMember(sql, policy, memberId, { heedsReceipts: false })
  if (member === undefined) return undefined
  const { smsMandatory } = member
  const choice = chooseFailover(channel, { member, smsMandatory, smsRules: policy, isRegistering })
  return 'refused' in choice ? undefined : wayOf(choice, member.mobileCarrier)
}

const wayOf = (
  { channel, destination }: { readonly channel: Channel; readonly destination: string },
  mobileCarrier: string | null,
): Way => ({
  channel,
  destination,
  mobileCarrier,
  ...(channel === 'sms' && { smsPrefix: smsPrefix(destination) }),
})

/** @returns nothing for a member who is not known, or has left */
export async function activeMember(
  sql: Sql,
  policy: Policy,
  memberId: string,
  { heedsReceipts }: { heedsReceipts: boolean },
): Promise<Member | undefined> {
  const [member] = await sql<[Member?]>`
    select
      m.version, coalesce(d.version, 0) as "destinationVersion", m.email, effective_phone(m, d) as phone,
      effective_phone_country(m, d) as "phoneCountry", effective_carrier(m, d) as "mobileCarrier", m.country, m.language,
      effective_preference(m, d) as "notificationPreference",
      sms_mandatory(m, ${sql.json(policy)}, ${heedsReceipts}) as "smsMandatory"
    from members m
    left join destinations d on d.member_id = m.member_id
    where m.member_id = ${memberId} and m.status = 'active'`
  return member
}
