/**
 * The transactional outbox (U4): events wait here, written together with the change that they tell of; those that were
 * sent are kept for a while, to be sent again where a consumer has lost them.
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
 * What operators asked to have sent again is back in the outbox by then.
 *
 * @param sql a pool of one connection: the lock belongs to the session
 * @returns undefined while another relay has the lock
 */
export async function takeOutbox(sql: Sql, limit: number): Promise<OutboxRow[] | undefined> {
  const rows = await sql<(Partial<OutboxRow> & { held: boolean; asked: boolean })[]>`
    with lock as (select pg_try_advisory_lock(${RELAY_LOCK}::bigint) as held)
    select held, exists (select from outbox_replays where done_at is null) as asked,
      id, event_id as "eventId", type, subject, data, occurred_at as "occurredAt"
    from lock left join lateral (select * from outbox where held order by id limit ${limit}) as oldest on true
    order by id`
  if (!rows[0]?.held) return undefined
  if (rows[0].asked) {
    await sql.begin(async (transaction) => {
      // However long: millions may have been asked for. A limit set within the function would come too late for its own call.
      await transaction`set local statement_timeout = 0`
      await transaction`select carry_out_replays()`
    })
    return takeOutbox(sql, limit)
  }
  return rows.filter((row): row is OutboxRow & { held: boolean; asked: boolean } => row.id !== null)
}

/** Sets rows apart that the broker has; some may have been by now. */
export async function markSent(sql: Sql, rows: readonly OutboxRow[]): Promise<void> {
  await sql`
    with sent as (delete from outbox where id = any(${rows.map((row) => row.id)}::bigint[]) returning *)
    insert into outbox_sent (id, event_id, type, subject, data, occurred_at)
    select id, event_id, type, subject, data, occurred_at from sent`
}

/** Which events shall be sent again. Times are ISO 8601. */
export interface ReplayRequest {
  /** UUID. The same id is the same request. */
  readonly replayId: string
  /** Those that occurred then or later, */
  readonly from: string
  /** and before that. */
  readonly to?: string | undefined
  readonly memberId?: string | undefined
  readonly askedBy: string
}

/** Times as Postgres writes them in JSON. */
export interface Replay {
  readonly replayId: string
  readonly from: string
  readonly to: string | null
  readonly memberId: string | null
  readonly askedAt: string
  /** Null until the relay has put them back into the outbox, */
  readonly doneAt: string | null
  /** so many of them. */
  readonly events: number | null
}

/** @returns undefined where the id was used for another request */
export async function askReplay(sql: Sql, request: ReplayRequest): Promise<Replay | undefined> {
  const { replayId, from, to = null, memberId = null, askedBy } = request
  const [row] = await sql<Replay[]>`
    select ${shownReplay(sql)} from ask_replay(${replayId}, ${from}, ${to}, ${memberId}, ${askedBy}) r
    where r.replay_id is not null`
  return row
}

export async function readReplay(sql: Sql, replayId: string): Promise<Replay | undefined> {
  const [row] = await sql<Replay[]>`select ${shownReplay(sql)} from outbox_replays r where replay_id = ${replayId}`
  return row
}

const shownReplay = (sql: Sql) => sql`
  r.replay_id as "replayId", to_json(r.from_time) as from, to_json(r.to_time) as to, r.member_id as "memberId",
  to_json(r.asked_at) as "askedAt", to_json(r.done_at) as "doneAt", r.events`

/** So many rows are counted at most: the figures are looked up within 2 s, above all when much waits. */
const MOST_COUNTED = 100_000

/** What waits to be published (at most {@link MOST_COUNTED} are counted), and for how long that which goes out next has waited. */
export async function outboxBacklog(sql: Sql): Promise<{ rows: number; oldestSeconds: number }> {
  const [row] = await sql<[{ rows: number; oldestSeconds: number }]>`
    select
      (select count(*) from (select from outbox limit ${MOST_COUNTED}) as counted) as rows,
      coalesce(
        (select extract(epoch from challenge_now() - occurred_at) from outbox order by id limit 1), 0)::float8 as "oldestSeconds"`
  return row
}
