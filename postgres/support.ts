/**
 * What support sees of members, and does for them (U1). What the functions promise is written above the SQL in
 * `postgres/functions/45_support.sql`.
 */
import type { Challenge } from './challenges.ts'
import type { Sql } from './connect.ts'

export interface SupportView {
  readonly status: 'active' | 'withdrawn'
  /** Wrong attempts in a row, over all challenges (C7). */
  readonly failures: number
  readonly isLocked: boolean
  /** Null for a member who is not locked, and for one whom only an operator unlocks. */
  readonly lockedUntil: string | null
  /** R4: when a campaign made SMS mandatory, whatever has come in between since. */
  readonly mandatorySince: string | null
  readonly exemption: {
    readonly until: string
    readonly by: string
    readonly claimed: boolean
    readonly why: string
    readonly at: string
  } | null
  /** The last time. */
  readonly unlocked: { readonly at: string; readonly by: string; readonly why: string | null } | null
  /** The newest first; of the last day. `reason` is one word for operators. */
  readonly refusedStarts: readonly {
    readonly purpose: string
    readonly caller: string
    readonly reason: string
    readonly at: string
  }[]
  /** The newest first. */
  readonly challenges: readonly (Challenge & { readonly admittedAt: string })[]
}

/** @returns nothing for a member who is not known, or was erased */
export async function readSupportView(
  sql: Sql,
  memberId: string,
  mostChallenges: number,
): Promise<SupportView | undefined> {
  const [row] = await sql<[{ answer: SupportView | null }]>`
    select support_view(${memberId}, ${mostChallenges}) as answer`
  return row.answer ?? undefined
}

export interface UnlockRequest {
  readonly memberId: string
  /** The authenticated caller. */
  readonly by: string
  readonly why: string
  readonly requestKey?: string
  readonly requestHash?: string
}

export type Unlocked =
  /** `isUnlocked`: there was something to forgive. */
  | { readonly kind: 'done'; readonly isUnlocked: boolean; readonly at: string }
  | { readonly kind: 'unknown_member' | 'idempotency_key_reused' }

export async function unlockMember(sql: Sql, request: UnlockRequest): Promise<Unlocked> {
  const [row] = await sql<[{ answer: Unlocked }]>`select unlock_for_support(${sql.json({ ...request })}) as answer`
  return row.answer
}
