/**
 * The receipts of messages; what is promised is written above the SQL in `postgres/functions/60_receipts.sql`.
 */
import type { Sql } from './connect.ts'
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
