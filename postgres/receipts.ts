/**
 * The receipts of messages; what is promised is written above the SQL in `postgres/functions/60_receipts.sql`.
 */
import type { Sql } from './connect.ts'
import type { Channel } from '../domain/challenge.ts'
import type { Receipt } from '../domain/receipt.ts'

/**
 * Keeps the receipts of one webhook, in one statement; what is known already changes nothing.
 *
 * @returns how many were new
 */
export async function applyReceipts(
  sql: Sql,
  provider: 'sendgrid' | 'vonage',
  receipts: readonly Receipt[],
): Promise<number> {
  const column = <K extends keyof Receipt>(name: K) => receipts.map((receipt) => receipt[name])
  const [row] = await sql<[{ applied: number }]>`
    select apply_receipts(
      ${provider}, ${column('eventId')}, ${column('challengeId')}, ${column('messageId')}, ${column('kind')},
      ${column('reason')}, ${column('occurredAt')}) as applied`
  return row.applied
}

/** What a receipt that was kept a moment ago says of its challenge. */
export interface Delivery {
  readonly challengeId: string
  readonly traceparent: string | null
  readonly kind: 'delivered' | 'failed'
  readonly channel: Channel
  /** By our clock, until we were told; null where the receipt came before our own record of the send. */
  readonly tookSeconds: number | null
}

/** @returns one for each of these receipts that decides something about a challenge that is known */
export async function deliveriesOf(
  sql: Sql,
  provider: 'sendgrid' | 'vonage',
  eventIds: readonly string[],
): Promise<readonly Delivery[]> {
  return sql<Delivery[]>`
    select c.challenge_id as "challengeId", c.traceparent, r.kind, c.channel,
      extract(epoch from r.received_at - c.sent_at)::float8 as "tookSeconds"
    from receipts r join challenges c on c.challenge_id = r.challenge_id
    where r.provider = ${provider} and r.event_id = any(${eventIds as string[]}) and r.kind in ('delivered', 'failed')
      and c.channel is not null`
}
