/**
 * What the sweep finds and writes (C11). Each search has an index of its own that holds only what is left to do, so that its
 * cost does not grow with the challenges that are kept. The clock stands in a query of its own, since an index is searched for
 * nothing that is volatile.
 */
import type { Policy } from '../config.ts'
import type { Challenge } from './challenges.ts'
import type { Sql } from './connect.ts'

/**
 * When an execution that could not be told of its outcome is tried again: after 30 s, then each time after twice as long, up to
 * ten minutes. Eight tries take 45 minutes. By then the engine has ended each execution that we started
 * (`OTP_EXECUTION_TIMEOUT_SECONDS`), so there is nobody left to tell.
 */
const FIRST_PAUSE_SECONDS = 30
const MOST_PAUSE_SECONDS = 600
const MOST_TRIES = 8

/**
 * Closed challenges whose execution has not been told within `graceSeconds`: those that were not tried yet, the newest first,
 * and behind them those that are due again; at most `most` of either, so that neither holds up the other.
 */
export async function untoldChallenges(sql: Sql, graceSeconds: number, most: number): Promise<Challenge[]> {
  const rows = await sql<{ answer: Challenge }[]>`
    (select challenge_view(c) as answer from challenges c
      where outcome is not null and not told and sweep_tries = 0
        and closed_at < (select challenge_now()) - make_interval(secs => ${graceSeconds})
      order by closed_at desc limit ${most})
    union all
    (select challenge_view(c) from challenges c
      where outcome is not null and not told and sweep_tries > 0 and sweep_after <= (select challenge_now())
      order by sweep_after limit ${most})`
  return rows.map((row) => row.answer)
}

/** C2: admitted, never opened, and void by now; those first that were looked at longest ago. Their workflow may still wait for a worker. */
export async function voidAdmissions(sql: Sql, policy: Policy, most: number): Promise<Challenge[]> {
  const rows = await sql<{ answer: Challenge }[]>`
    select challenge_view(c) as answer from challenges c
    where outcome is null and send_began_at is null
      and admitted_at < (select challenge_now()) - make_interval(secs => ${policy.voidAfterSeconds})
    order by coalesce(sweep_after, admitted_at) limit ${most}`
  return rows.map((row) => row.answer)
}

/** Open challenges that one of these runs opened; those first that were looked at longest ago. */
export async function openChallengesOf(sql: Sql, runIds: readonly string[], most: number): Promise<Challenge[]> {
  if (runIds.length === 0) return []
  const rows = await sql<{ answer: Challenge }[]>`
    select challenge_view(c) as answer from challenges c
    where outcome is null and run_id = any(${runIds as string[]})
    order by coalesce(sweep_after, admitted_at) limit ${most}`
  return rows.map((row) => row.answer)
}

/** Its execution goes on in another run. */
export async function followRun(
  sql: Sql,
  challengeId: string,
  { from, to }: { from: string; to: string },
): Promise<void> {
  await sql`select follow_run(${challengeId}, ${from}, ${to})`
}

/** @returns how many were closed */
export async function closeOverdue(sql: Sql, policy: Policy, most: number): Promise<number> {
  const [row] = await sql<[{ answer: number }]>`
    select close_overdue(${sql.json(policy)}, ${most}) as answer`
  return row.answer
}

/** Nothing is to be done about these yet: they are looked at again after all others. */
export async function passOver(sql: Sql, challengeIds: readonly string[]): Promise<void> {
  if (challengeIds.length === 0) return
  await sql`
    update challenges set sweep_after = greatest(sweep_after, challenge_now())
    where challenge_id = any(${challengeIds as string[]}::uuid[]) and outcome is null`
}

/**
 * These were tried, and are tried again later.
 *
 * @returns how many closed ones are given up instead
 */
export async function putOff(sql: Sql, challengeIds: readonly string[]): Promise<number> {
  if (challengeIds.length === 0) return 0
  const [row] = await sql<[{ count: number }]>`
    with tried as (
      update challenges
      set sweep_tries = sweep_tries + 1,
        sweep_after = challenge_now()
          + make_interval(secs => least(${FIRST_PAUSE_SECONDS}::int * 2 ^ sweep_tries, ${MOST_PAUSE_SECONDS}::int)),
        told = told or (outcome is not null and sweep_tries + 1 >= ${MOST_TRIES}::int)
      where challenge_id = any(${challengeIds as string[]}::uuid[]) and not told
      returning told
    )
    select count(*)::int from tried where told`
  return row.count
}

/** Their executions know that the message failed (D7). */
export async function markHinted(sql: Sql, challengeIds: readonly string[]): Promise<void> {
  if (challengeIds.length === 0) return
  await sql`
    update challenges set sweep_after = 'infinity'
    where challenge_id = any(${challengeIds as string[]}::uuid[]) and outcome is null`
}
