/**
 * All that is known of one challenge, in one read.
 */
import type { Verdict } from '../domain/challenge.ts'
import type { Challenge } from './challenges.ts'
import type { Sql } from './connect.ts'

/** Times are ISO 8601. */
export interface ChallengeRecord {
  readonly challenge: Challenge
  /** Who took the message; null while nobody has. */
  readonly provider: string | null
  /** The channel that was given up for the one it has. */
  readonly failedOverFrom: 'sms' | 'email' | null
  readonly attempts: readonly {
    readonly at: string
    /** How it came: an id of the caller's, or of the workflow's message. */
    readonly attemptId: string
    readonly verdict: Verdict
    readonly attemptsLeft: number
  }[]
  readonly receipts: readonly {
    /** By the provider's clock. */
    readonly at: string
    readonly provider: string
    readonly kind: 'delivered' | 'failed'
    readonly reason: string | null
  }[]
}

export async function readChallengeRecord(sql: Sql, challengeId: string): Promise<ChallengeRecord | undefined> {
  const [row] = await sql<ChallengeRecord[]>`
    select challenge_view(c) as challenge, c.provider, c.failed_over_from as "failedOverFrom",
      (select coalesce(jsonb_agg(jsonb_build_object('at', judged_at, 'attemptId', attempt_id, 'verdict', verdict,
          'attemptsLeft', attempts_left) order by judged_at), '[]')
        from attempts a where a.challenge_id = c.challenge_id) as attempts,
      (select coalesce(jsonb_agg(jsonb_build_object('at', occurred_at, 'provider', r.provider, 'kind', kind,
          'reason', r.reason) order by occurred_at), '[]')
        from receipts r where r.reference = c.challenge_id and kind in ('delivered', 'failed')) as receipts
    from challenges c where c.challenge_id = ${challengeId}`
  return row
}
