/**
 * The receipts of messages; what is promised is written above the SQL in `postgres/functions/60_receipts.sql`.
 */
import type { Sql } from './connect.ts'
import type { Channel } from '../domain/challenge.ts'
import type { Blame, Receipt } from '../domain/receipt.ts'

/** What a new receipt says of its challenge. */
export interface Delivery {
  readonly challengeId: string
  readonly traceparent: string | null
  readonly kind: 'delivered' | 'failed'
  readonly channel: Channel
  /** By our clock, until we were told; null where the receipt came before our own record of the send. */
  readonly tookSeconds: number | null
}

export interface Applied {
  /** How many were new. */
  readonly applied: number
  /** How many name no reference, and no message of a challenge: of another sender of the account. */
  readonly ignored: number
  /** How many new failures blame whom. */
  readonly failures: Readonly<Partial<Record<Blame | 'nobody', number>>>
  /** What the new ones say that decide something about a challenge that is known. */
  readonly deliveries: readonly Delivery[]
}

/** Keeps the receipts of one webhook, in one statement; what is known already changes nothing. */
export async function applyReceipts(
  sql: Sql,
  provider: 'sendgrid' | 'vonage',
  receipts: readonly Receipt[],
): Promise<Applied> {
  const column = <K extends keyof Receipt>(name: K) => receipts.map((receipt) => receipt[name])
  const [row] = await sql<[{ answer: Applied }]>`
    select apply_receipts(
      ${provider}, ${column('eventId')}, ${column('reference')}, ${column('messageId')}, ${column('kind')},
      ${column('reason')}, ${column('occurredAt')}, ${column('blames')}) as answer`
  return row.answer
}
