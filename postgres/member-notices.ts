/**
 * Notices to members of a change of theirs (P2), a function each; the SQL is `postgres/functions/81_destinations.sql`.
 */
import type { Channel } from '../domain/challenge.ts'
import type { Sql } from './connect.ts'

/** How a notice ended: nothing is left to be done about it. */
export type NoticeState = 'accepted' | 'refused' | 'dropped'

/** A notice in its sender's hands; the destination and the number are personal data. */
export interface MemberNotice {
  readonly kind: 'send'
  readonly memberId: string
  /** A number was registered; or that is where codes go from now on. */
  readonly about: 'phone' | Channel
  readonly channel: Channel
  readonly destination: string
  /** E.164; none with `email`. */
  readonly newPhone: string | null
  readonly mobileCarrier: string | null
  readonly language: string | null
  /** ISO 8601 */
  readonly changedAt: string
  /** With this one. */
  readonly tries: number
}

export type TakenNotice =
  | MemberNotice
  /** It is in other hands, or not due yet. */
  | { readonly kind: 'wait'; readonly inMs: number }
  /** Null: there is none, or no longer, since the member was erased. */
  | { readonly kind: 'settled'; readonly state: NoticeState | null }

export async function takeMemberNotice(sql: Sql, noticeId: string, leaseSeconds: number): Promise<TakenNotice> {
  const [row] = await sql<[{ answer: TakenNotice }]>`
    select take_member_notice(${noticeId}, ${leaseSeconds}) as answer`
  return row.answer
}

export type NoticeAnswer =
  | { readonly result: 'accepted'; readonly provider: string; readonly messageId: string }
  | { readonly result: 'refused' | 'dropped' }
  | { readonly result: 'later'; readonly waitMs: number }

/** @returns the state that stands; `due` where it is tried again, null where the member was erased meanwhile */
export async function recordMemberNotice(
  sql: Sql,
  noticeId: string,
  answer: NoticeAnswer,
): Promise<NoticeState | 'due' | null> {
  const { provider, messageId } = answer.result === 'accepted' ? answer : { provider: null, messageId: null }
  const waitMs = answer.result === 'later' ? answer.waitMs : null
  const [row] = await sql<[{ state: NoticeState | 'due' | null }]>`
    select record_member_notice(${noticeId}, ${answer.result}, ${provider}, ${messageId}, ${waitMs}) as state`
  return row.state
}

/** @returns the ids of notices that have been due for so long, the newest first */
export async function overdueMemberNotices(sql: Sql, graceSeconds: number, most: number): Promise<string[]> {
  const [row] = await sql<[{ ids: string[] }]>`select overdue_member_notices(${graceSeconds}, ${most}) as ids`
  return row.ids
}

/** Nobody could be found to send these: they are due again in five minutes, and hold up no newer ones until then. */
export async function putOffMemberNotices(sql: Sql, noticeIds: readonly string[]): Promise<void> {
  if (noticeIds.length === 0) return
  await sql`
    update member_notices set due_at = challenge_now() + interval '5 minutes'
    where notice_id = any(${noticeIds as string[]}::uuid[]) and state in ('due', 'sending')`
}
