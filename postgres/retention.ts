/**
 * Forgetting what was kept long enough; the SQL in `postgres/functions/65_forget.sql` and `67_ledgers.sql` says what.
 */
import type { Sql } from './connect.ts'

/** C9, C13, D7: forgets what was kept long enough, at most `most` rows of each kind. @returns whether there is more */
export async function forgetOld(sql: Sql, receiptDays: number, most: number): Promise<boolean> {
  const [row] = await sql<[{ answer: boolean }]>`select forget_old(${receiptDays}, ${most}) as answer`
  return row.answer
}

/** In days: where codes went, closed challenges, and what ended campaigns left. */
export interface LedgerDays {
  readonly destinationDays: number
  readonly challengeDays: number
  readonly campaignDays: number
}

/** Forgets what the ledgers held long enough, at most `most` rows of each kind. @returns whether there is more */
export async function forgetLedgers(
  sql: Sql,
  { destinationDays, challengeDays, campaignDays }: LedgerDays,
  most: number,
): Promise<boolean> {
  const [row] = await sql<[{ answer: boolean }]>`
    select forget_ledgers(${destinationDays}, ${challengeDays}, ${campaignDays}, ${most}) as answer`
  return row.answer
}
