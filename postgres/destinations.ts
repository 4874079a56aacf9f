/**
 * Where a member's codes go, as the member sets it (P2), and the notices of it. What is promised is written above the SQL in
 * `postgres/functions/81_destinations.sql`.
 */
import type { Channel } from '../domain/challenge.ts'
import type { EligibilityRules } from '../domain/eligibility.ts'
import type { Sql } from './connect.ts'

/** As the page shows it; personal data. */
export interface MemberDestination {
  /** Of what was set on our pages; 0 for nothing. */
  readonly version: number
  /** ISO 3166-1 alpha-2, of residence. */
  readonly country: string | null
  readonly language: string | null
  readonly email: string | null
  /** E.164 */
  readonly phone: string | null
  /** ISO 3166-1 alpha-2, of the number. */
  readonly phoneCountry: string | null
  readonly preference: Channel | null
  readonly smsMandatory: boolean
}

/** @returns undefined for a member who is not active */
export async function readDestination(
  sql: Sql,
  memberId: string,
  rules: EligibilityRules,
): Promise<MemberDestination | undefined> {
  const [row] = await sql<[{ answer: MemberDestination | null }?]>`
    select read_destination(${memberId}, ${sql.json(rules as never)}) as answer`
  return row?.answer ?? undefined
}

export interface DestinationRules extends EligibilityRules {
  /** For how long a verified `change_membership` challenge allows a change. */
  readonly stepUpSeconds: number
}

export interface DestinationChange {
  readonly memberId: string
  /** The visit in which it is made: the number that it was about is forgotten with it. */
  readonly visitId?: string
  /** As {@link readDestination} gave it when the form was drawn. */
  readonly version: number
  /** The session's `change_membership` challenge. */
  readonly stepUpId: string | null
  /** The number, and the `register_phone` challenge that was verified at it. */
  readonly registration?: { readonly challengeId: string; readonly phone: string; readonly country: string }
  readonly choice?: Channel
}

export type DestinationRefusal =
  | 'unknown_member'
  | 'not_resident'
  | 'changed_meanwhile'
  | 'step_up_required'
  | 'number_not_verified'
  | 'no_usable_phone'
  | 'no_usable_email'
  | 'sms_mandatory'

export type DestinationAnswer =
  /** `notices`: to be sent now. */
  | { readonly kind: 'changed'; readonly notices: readonly string[] }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly reason: DestinationRefusal }

/** Sets a number, a choice, or both, with everything that follows from it, or nothing of it. Safe to repeat. */
export async function setDestination(
  sql: Sql,
  change: DestinationChange,
  { stepUpSeconds, adultAge, smsCountries, smsRefusedPrefixes }: DestinationRules,
): Promise<DestinationAnswer> {
  const rules = sql.json({ stepUpSeconds, adultAge, smsCountries, smsRefusedPrefixes })
  const [row] = await sql<[{ answer: DestinationAnswer }]>`
    select set_destination(${sql.json(change as never)}, ${rules}) as answer`
  return row.answer
}
