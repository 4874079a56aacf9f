/**
 * The transactional outbox (U4): events wait here, written together with the change that they tell of.
 */
import type { Sql } from './connect.ts'

export interface OutboxRow {
  readonly id: number
  readonly eventId: string
  /** `otp.challenge.verified` */
  readonly type: string
  /** A member, or a campaign: the key of the event. */
  readonly subject: string
  readonly data: unknown
  readonly occurredAt: Date
}

/** Any number that nothing else in this database locks. */
const RELAY_LOCK = 7_019_604_206

/**
 * Takes the relay's lock for this session, or finds it taken, and reads the oldest rows under it. Asking again for a
 * lock that the session holds is no wait and no harm, so each call asks: a session that was lost on the way, and its
 * lock with it, is noticed in the same statement.
 *
 * @param sql a pool of one connection: the lock belongs to the session
 * @returns undefined while another relay has the lock
 */
export async function takeOutbox(sql: Sql, limit: number): Promise<OutboxRow[] | undefined> {
  const rows = await sql<(Partial<OutboxRow> & { held: boolean })[]>`
    with lock as (select pg_try_advisory_lock(${RELAY_LOCK}::bigint) as held)
    select held, id, event_id as "eventId", type, subject, data, occurred_at as "occurredAt"
    from lock left join lateral (select * from outbox where held order by id limit ${limit}) as oldest on true
    order by id`
  if (!rows[0]?.held) return undefined
  return rows.filter((row): row is OutboxRow & { held: boolean } => row.id !== null)
}

/** Removes rows that the broker has; there may be some that are gone already. */
export async function removeFromOutbox(sql: Sql, rows: readonly OutboxRow[]): Promise<void> {
  await sql`delete from outbox where id = any(${rows.map((row) => row.id)}::bigint[])`
}
