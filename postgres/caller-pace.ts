/**
 * How fast callers call, over all instances (U1); what is promised is written above the SQL in
 * `postgres/functions/26_caller_pace.sql`.
 */
import type { Sql } from './connect.ts'

export interface TakenRequests {
  readonly granted: number
  /** How many more there were, for any instance. */
  readonly left: number
  /** Where none was granted: until there is one. */
  readonly inMs: number
}

/** @param wanted at least 1 */
export async function takeRequests(
  sql: Sql,
  caller: string,
  perSecond: number,
  wanted: number,
): Promise<TakenRequests> {
  const [row] = await sql<[{ answer: TakenRequests }]>`
    select take_requests(${caller}, ${perSecond}, ${wanted}) as answer`
  return row.answer
}
