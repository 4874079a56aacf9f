/**
 * How far a visit to the page of the notification destination has come (P2).
 */
import type { EligibilityRules } from '../domain/eligibility.ts'
import type { Sql } from './connect.ts'

/** What a visit holds; `phone` is personal data. */
export interface DestinationVisit {
  /** Of the chain of the visit's own `change_membership` challenge. */
  readonly stepUpId: string | null
  /** A challenge that proves the member right now, begun by this session. */
  readonly provenBy: string | null
  /** The number that is being registered: E.164, and its country. */
  readonly phone: string | null
  readonly phoneCountry: string | null
  /** Of the chain of the `register_phone` challenge for it. */
  readonly registerId: string | null
  /** The challenge of that chain that was verified at it. */
  readonly registeredBy: string | null
  /** Whether SMS is mandatory once that number counts. */
  readonly smsMandatoryAfter: boolean
  /** When the visit last changed something; ISO 8601. */
  readonly changedAt: string | null
}

/** @returns undefined where the visit or its member has gone meanwhile */
export async function readDestinationVisit(
  sql: Sql,
  visitId: string,
  stepUpSeconds: number,
  rules: EligibilityRules,
): Promise<DestinationVisit | undefined> {
  const [row] = await sql<[{ answer: DestinationVisit | null }?]>`
    select read_destination_visit(${visitId}, ${stepUpSeconds}) || jsonb_build_object(
      'smsMandatoryAfter', sms_mandatory_after(${visitId}, ${sql.json(rules as never)})) as answer`
  return row?.answer ?? undefined
}

/** The visit is about this number from now on, or about none. */
export async function setVisitNumber(
  sql: Sql,
  visitId: string,
  number: { readonly e164: string; readonly country: string } | undefined,
): Promise<void> {
  const [phone, country] = [number?.e164 ?? null, number?.country ?? null]
  await sql`
    insert into destination_visits as stands (visit_id, phone, phone_country) values (${visitId}, ${phone}, ${country})
    on conflict (visit_id) do update set
      phone = excluded.phone, phone_country = excluded.phone_country,
      register_id = case when stands.phone = excluded.phone then stands.register_id end`
}

/** The challenge that is to prove the member in this visit. */
export async function setVisitStepUp(sql: Sql, visitId: string, challengeId: string): Promise<void> {
  await sql`
    insert into destination_visits (visit_id, step_up_id) values (${visitId}, ${challengeId})
    on conflict (visit_id) do update set step_up_id = excluded.step_up_id`
}

/** The challenge that is to prove this number, where the visit is still about it; null for none yet. */
export async function setVisitRegistration(
  sql: Sql,
  visitId: string,
  phone: string,
  challengeId: string | null,
): Promise<void> {
  await sql`
    update destination_visits set register_id = ${challengeId} where visit_id = ${visitId} and phone = ${phone}`
}
