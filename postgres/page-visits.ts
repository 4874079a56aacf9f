/**
 * Links, sessions and visits of the members' pages (P1). What the functions promise is written above the SQL in
 * `postgres/functions/80_page_links.sql`.
 */
import type { Verdict } from '../domain/challenge.ts'
import type { Challenge } from './challenges.ts'
import type { Sql } from './connect.ts'

/** How long a link can be spent; spec P1. */
export const LINK_SECONDS = 120
/** How long a session lasts after a link was opened: longer than a code, a few resends, and the way back. */
export const SESSION_SECONDS = 3_600

export const PAGES = ['code-entry', 'notification-destination'] as const
export type PageName = (typeof PAGES)[number]

export interface PageLinkRequest {
  /** SHA-256 of the token. */
  readonly tokenHash: Uint8Array
  readonly memberId: string
  readonly page: PageName
  readonly caller: string
  /** Whether the challenge may be one that somebody else started. */
  readonly anyCaller: boolean
  readonly challengeId?: string
  readonly purpose?: string
  readonly returnUrl?: string
  readonly state?: string
  readonly locale?: string
  /** With the token, where the same request under the same key is to get the same link (C13). */
  readonly requestKey?: string
  readonly requestHash?: string
}

export type PageLink =
  /** `tokenHash`, in hex, is that of the first time. */
  | { readonly kind: 'made'; readonly expiresAt: string; readonly tokenHash: string }
  | { readonly kind: 'unknown_member' | 'unknown_challenge' | 'idempotency_key_reused' }

export async function makePageLink(sql: Sql, { tokenHash, ...link }: PageLinkRequest): Promise<PageLink> {
  const request = { ...link, tokenHash: hex(tokenHash), lifeSeconds: LINK_SECONDS }
  const [row] = await sql<[{ answer: PageLink }]>`select make_page_link(${sql.json(request)}) as answer`
  return row.answer
}

/** What one link began in a browser. */
export interface Visit {
  readonly visitId: string
  readonly memberId: string
  readonly page: PageName
  /** The upstream that made the link. */
  readonly caller: string
  readonly returnUrl: string | null
  readonly state: string | null
  /** BCP 47, as the link said. */
  readonly locale: string | null
  /** Of the challenge that begins with the visit. */
  readonly purpose: string | null
  /** A challenge of the chain that the visit is about; null where none has begun. */
  readonly challengeId: string | null
}

export type OpenedLink =
  | { readonly kind: 'opened'; readonly visit: Visit; readonly session: 'shown' | 'fresh' }
  | { readonly kind: 'unknown' | 'used' | 'expired' }

/** All hashes are SHA-256: of the link's token, of the session that the browser showed, and of the one it may get. */
export async function openPageLink(
  sql: Sql,
  link: { tokenHash: Uint8Array; shown?: Uint8Array; fresh: Uint8Array; visitId: string },
): Promise<OpenedLink> {
  const request = {
    tokenHash: hex(link.tokenHash),
    ...(link.shown && { shown: hex(link.shown) }),
    fresh: hex(link.fresh),
    visitId: link.visitId,
    lifeSeconds: SESSION_SECONDS,
  }
  const [row] = await sql<[{ answer: OpenedLink }]>`select open_page_link(${sql.json(request)}) as answer`
  return row.answer
}

/** @returns nothing where the visit is not this session's, or the session is over */
export async function readVisit(sql: Sql, sessionHash: Uint8Array, visitId: string): Promise<Visit | undefined> {
  const [row] = await sql<[{ answer: Visit }?]>`
    select page_visit_view(v) as answer from page_visits v join page_sessions s using (session_hash)
    where v.visit_id = ${visitId} and v.session_hash = ${sessionHash} and s.expires_at > challenge_now()`
  return row?.answer
}

/** The visit is about this challenge, and those that continue it. */
export async function setVisitChallenge(sql: Sql, visitId: string, challengeId: string): Promise<void> {
  await sql`update page_visits set challenge_id = ${challengeId} where visit_id = ${visitId}`
}

/** A challenge as its page shows it: the newest of its chain. Seconds are by the judging clock, with fractions. */
export interface CodeEntry {
  readonly challenge: Challenge
  /** What was said of the attempt that was asked about, where it was judged. */
  readonly said: { readonly verdict: Verdict; readonly attemptsLeft: number } | null
  /** Until the code expires; all of its life while its send has not begun. */
  readonly secondsLeft: number
  /** Until the same destination may be sent another code (C9's cooldown). */
  readonly resendSeconds: number
  /** 0 for not locked, -1 for until an operator unlocks (C7). */
  readonly lockedSeconds: number
  /** Until the proof expires; 0 where there is none. */
  readonly proofSeconds: number
}

export interface EntryRules {
  readonly cooldownSeconds: number
  readonly ttlSeconds: number
  readonly voidAfterSeconds: number
  readonly proofSeconds: number
}

export async function readCodeEntry(
  sql: Sql,
  challengeId: string,
  attemptId: string | undefined,
  { cooldownSeconds, ttlSeconds, voidAfterSeconds, proofSeconds }: EntryRules,
): Promise<CodeEntry | undefined> {
  const rules = { cooldownSeconds, ttlSeconds, voidAfterSeconds, proofSeconds }
  const [row] = await sql<[{ answer: CodeEntry | null }]>`
    select code_entry(${challengeId}, ${attemptId ?? null}, ${sql.json(rules)}) as answer`
  return row.answer ?? undefined
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
