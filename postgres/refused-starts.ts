/**
 * Starts that were refused, as support can be asked about them (C9). What the functions promise is written above the SQL in
 * `postgres/functions/21_refused_starts.sql`.
 */
import type { Sql } from './connect.ts'

/** Of a member. */
const MOST_KEPT = 20

/** Does nothing where the member is not known. @param reason one word, as `otp_refusals_total` has it */
export async function keepRefusedStart(
  sql: Sql,
  { memberId, purpose, caller }: { readonly memberId: string; readonly purpose: string; readonly caller: string },
  reason: string,
): Promise<void> {
  await sql`select keep_refused_start(${memberId}, ${purpose}, ${caller}, ${reason}, ${MOST_KEPT})`
}
