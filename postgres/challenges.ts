/**
 * The statements of a challenge, a function each. What they promise, and the locks they take, is written above the
 * SQL in `postgres/functions/`: 20_admit, 30_send, 40_judge, 50_close.
 */
import type { Sql } from './connect.ts'
import type { Policy } from '../config.ts'
import type { Advice, Channel, ChallengeResult, Outcome, Verdict } from '../domain/challenge.ts'
import { admissionPaceOf, type Pace, type SlotRequest, type SlotWait } from './provider-pace.ts'

/** A challenge as it stands. Times are ISO 8601; `destination` is personal data. */
export interface Challenge {
  readonly challengeId: string
  readonly memberId: string
  /** Per member; null for one that was refused in its workflow. */
  readonly seq: number | null
  readonly purpose: string
  readonly caller: string
  readonly channel: Channel | null
  /** D2: its caller wants SMS whatever the member prefers. */
  readonly isSmsForced: boolean
  readonly destination: string | null
  /** BCP 47; null for one that was refused in its workflow. */
  readonly language: string | null
  readonly continues: string | null
  readonly continuedBy: string | null
  readonly runId: string | null
  readonly admittedAt: string
  readonly sendBeganAt: string | null
  readonly sentAt: string | null
  /** Null while the code only waits to be sent (C4). */
  readonly expiresAt: string | null
  readonly closedAt: string | null
  readonly attempts: number
  /** What receipts say of its message (D7); null while none decides it. */
  readonly delivery: 'delivered' | 'failed' | null
  readonly outcome: Outcome | null
  readonly reason: string | null
  readonly advice: Advice | null
  /** Where its start stands in a trace (O4). */
  readonly traceparent: string | null
}

/** The result of a closed challenge, as its execution gives it. */
export function resultOf({ challengeId, outcome, reason, advice, closedAt }: Challenge): ChallengeResult {
  return {
    challengeId,
    outcome: outcome!,
    ...(reason !== null && { reason }),
    ...(advice !== null && { advice }),
    ...(closedAt !== null && { closedAt: new Date(closedAt).toISOString() }),
  }
}

/** A way that a code may go. */
export interface Way {
  readonly channel: Channel
  readonly destination: string
  readonly mobileCarrier: string | null
  readonly smsPrefix?: string
}

export interface AdmitRequest {
  readonly challengeId: string
  readonly memberId: string
  readonly memberVersion: number
  readonly destinationVersion: number
  readonly purpose: string
  readonly caller: string
  /** Those that policy allows, the preferred one first. */
  readonly ways: readonly Way[]
  readonly isSmsForced: boolean
  /** A number that is being registered, and is not the member's yet. */
  readonly isForeignNumber: boolean
  readonly language: string
  /** HMAC of the end user's address, hex. */
  readonly ipHash?: string
  readonly continues?: string
  readonly traceparent?: string
  readonly idempotencyKey?: string
  /** SHA-256 of the request, hex; goes with the idempotency key. */
  readonly requestHash?: string
}

export type RefusalReason =
  | 'locked'
  | 'too_many_challenges'
  | 'challenge_closed'
  | 'idempotency_key_reused'
  /** No provider that policy allows would take a code now. */
  | 'delivery_unavailable'

/** Which limit was reached, with `too_many_challenges`: for operators, since it tells callers about each other. */
export type Limit = 'member' | 'destination' | 'registration' | 'cooldown' | 'ip' | 'sms_prefix'

export interface Refused {
  readonly kind: 'refused'
  readonly reason: RefusalReason
  /** In seconds; none with `locked`: until an operator unlocks. */
  readonly retryAfter?: number
  readonly limit?: Limit
  /** With `challenge_closed`: how what should be continued ended; null where there is no such challenge. */
  readonly outcome?: Outcome | null
}

export type Admission =
  | { readonly kind: 'admitted' | 'existing'; readonly challenge: Challenge }
  | Refused
  /** The member has changed since the look at them, or another start took the probe: look again. */
  | { readonly kind: 'look_again' }

/** C2 (a): see `postgres/functions/20_admit.sql`. */
export async function admit(sql: Sql, request: AdmitRequest, policy: Policy): Promise<Admission> {
  const rules = json(sql, { ...policy, pace: admissionPaceOf(policy) })
  const [row] = await sql<[{ answer: Admission }]>`select admit(${json(sql, request)}, ${rules}) as answer`
  return row.answer
}

/** C13. @returns what stands under an idempotency key of a caller; nothing for a new one, or where the start is void */
export async function admittedUnder(
  sql: Sql,
  caller: string,
  { key, requestHash }: { readonly key: string; readonly requestHash: string },
  policy: Policy,
): Promise<Exclude<Admission, { kind: 'look_again' }> | undefined> {
  const [row] = await sql<[{ answer: Exclude<Admission, { kind: 'look_again' }> | null }]>`
    select admitted_under(${caller}, ${key}, decode(${requestHash}, 'hex'), challenge_now(), ${json(sql, policy)}) as answer`
  return row.answer ?? undefined
}

export async function giveWay(sql: Sql, challengeId: string, policy: Policy): Promise<Challenge> {
  const [row] = await sql<[{ answer: Challenge }]>`select give_way(${challengeId}, ${json(sql, policy)}) as answer`
  return row.answer
}

export type SendStamp =
  | {
      readonly kind: 'send'
      readonly challenge: Challenge
      readonly language: string
      readonly mobileCarrier: string | null
      readonly keyId: string
      /** Hex. */
      readonly nonce: string
      readonly alreadySent: boolean
      /** The provider is paused, and this request asks whether it still is. */
      readonly isProbe: boolean
      /** A provider may have taken an earlier request of this challenge. */
      readonly askedBefore: boolean
      readonly remainingMs: number
    }
  | SlotWait
  | { readonly kind: 'closed'; readonly challenge: Challenge }
  | { readonly kind: 'unadmitted' }
  | { readonly kind: 'id_used' }

export async function openAndStamp(
  sql: Sql,
  {
    challengeId,
    memberId,
    runId,
    keyId,
    nonce,
  }: Record<'challengeId' | 'memberId' | 'runId' | 'keyId', string> & {
    nonce: Uint8Array
  },
  policy: Policy,
  pace?: Pace & SlotRequest,
): Promise<SendStamp> {
  const rules = json(sql, { ...policy, ...(pace && { pace }) })
  const [row] = await sql<[{ answer: SendStamp }]>`
    select open_and_stamp(${challengeId}, ${memberId}, ${runId}, ${keyId}, ${nonce}, ${rules}) as answer`
  return row.answer
}

/** C4: the provider said for certain that it did not take the only message that was handed to it. */
export async function takeBackRequest(sql: Sql, challengeId: string): Promise<void> {
  await sql`select take_back_request(${challengeId})`
}

/** @returns whether the code goes by this way now, since the provider of its own channel is paused, and that of this one is not */
export async function moveAroundPause(
  sql: Sql,
  challengeId: string,
  { channel, destination, mobileCarrier, smsPrefix }: Way,
  policy: Policy,
): Promise<boolean> {
  const rules = json(sql, { ...policy, pace: admissionPaceOf(policy) })
  const [row] = await sql<[{ answer: boolean }]>`
    select move_around_pause(
      ${challengeId}, ${channel}, ${destination}, ${mobileCarrier}, ${smsPrefix ?? null}, ${rules}) as answer`
  return row.answer
}

/**
 * A provider accepted the message.
 *
 * @param tookMs from the request to the answer
 * @returns the challenge as it stands, and the milliseconds its code still lives
 */
export async function recordSent(
  sql: Sql,
  challengeId: string,
  provider: string,
  providerMessageId: string,
  tookMs: number,
): Promise<{ challenge: Challenge; remainingMs: number }> {
  const [row] = await sql<[{ answer: { challenge: Challenge; remainingMs: number } }]>`
    select record_sent(${challengeId}, ${provider}, ${providerMessageId}, ${Math.ceil(tookMs)}) as answer`
  return row.answer
}

export async function moveToChannel(
  sql: Sql,
  challengeId: string,
  to: Way,
  policy: Policy,
): Promise<{ kind: 'moved' | 'stays' } | { kind: 'refused'; reason: 'sms_prefix' }> {
  const [row] = await sql<[{ answer: { kind: 'moved' | 'stays' } | { kind: 'refused'; reason: 'sms_prefix' } }]>`
    select move_to_channel(
      ${challengeId}, ${to.channel}, ${to.destination}, ${to.mobileCarrier}, ${to.smsPrefix ?? null},
      ${json(sql, policy)}) as answer`
  return row.answer
}

/** @returns whether this call is the first to say so; see `postgres/functions/35_fail_over.sql` */
export async function refuseFailover(sql: Sql, challengeId: string, reason: string): Promise<boolean> {
  const [row] = await sql<[{ answer: boolean }]>`select refuse_failover(${challengeId}, ${reason}) as answer`
  return row.answer
}

export async function recordRefusal(
  sql: Sql,
  refusal: {
    challengeId: string
    memberId: string
    purpose: string
    runId: string
    outcome: Outcome
    reason?: string
    advice?: Advice
  },
): Promise<void> {
  const { challengeId, memberId, purpose, runId, outcome, reason = null, advice = null } = refusal
  await sql`select record_refusal(${challengeId}, ${memberId}, ${purpose}, ${runId}, ${outcome}, ${reason}, ${advice})`
}

/** What it takes to derive a code. */
export interface StoredMaterial {
  readonly challengeId: string
  readonly keyId: string
  /** Hex. */
  readonly nonce: string
}

export interface JudgingMaterial {
  readonly memberId: string
  readonly caller: string
  /** A closed challenge is answered without computing anything. */
  readonly isOpen: boolean
  readonly submissions: number
  /** Absent until the challenge is opened. */
  readonly own: StoredMaterial | null
  /** The member's superseded challenges of the last minutes (C8). */
  readonly older: readonly StoredMaterial[]
}

/** What a submitted code is compared with. All of it is immutable once written, so it is read without a lock. */
export async function judgingMaterial(
  sql: Sql,
  challengeId: string,
  policy: Policy,
): Promise<JudgingMaterial | undefined> {
  const [row] = await sql<[JudgingMaterial?]>`
    select
      c.member_id as "memberId", c.caller, c.outcome is null as "isOpen", c.submissions,
      case when c.nonce is not null then jsonb_build_object(
        'challengeId', c.challenge_id, 'keyId', c.key_id, 'nonce', encode(c.nonce, 'hex')) end as own,
      case when c.outcome is null then coalesce((
        select jsonb_agg(jsonb_build_object(
          'challengeId', o.challenge_id, 'keyId', o.key_id, 'nonce', encode(o.nonce, 'hex')))
        from (
          select * from challenges o
          where o.member_id = c.member_id and o.seq between c.seq - 20 and c.seq - 1
            -- Until this one's own code goes out, the earlier challenge is still open.
            and (o.outcome = 'superseded' or (o.outcome is null and c.send_began_at is null))
            and o.send_began_at > challenge_now() - make_interval(secs => ${policy.olderCodeSeconds})
          order by o.seq desc limit 10
        ) o), '[]') else '[]' end as older
    from challenges c where c.challenge_id = ${challengeId}`
  return row
}

export interface Judgement {
  readonly result: Verdict
  readonly attemptsLeft: number
  readonly verifiedAt?: string
  readonly newestSentAt?: string
  readonly challenge: Challenge
  /** This very call gave the challenge its outcome. */
  readonly closedNow: boolean
}

export async function judge(
  sql: Sql,
  {
    challengeId,
    attemptId,
    matches,
    fromWorkflow,
  }: {
    challengeId: string
    attemptId: string
    matches: 'code' | 'older' | 'none'
    fromWorkflow: boolean
  },
  policy: Policy,
): Promise<Judgement | undefined> {
  const [row] = await sql<[{ answer: Judgement | null }]>`
    select judge(${challengeId}, ${attemptId}, ${matches}, ${json(sql, policy)}, ${fromWorkflow}) as answer`
  return row.answer ?? undefined
}

/** @returns the challenge as it stands, and with `expired` asked for too early the milliseconds that are left */
export async function closeChallenge(
  sql: Sql,
  {
    challengeId,
    as,
    reason,
    advice,
    fromWorkflow,
  }: {
    challengeId: string
    as: 'expired' | 'cancelled' | 'undeliverable'
    reason?: string
    advice?: Advice
    fromWorkflow: boolean
  },
  policy: Policy,
): Promise<{ challenge: Challenge; remainingMs?: number } | undefined> {
  const [row] = await sql<[{ answer: { challenge: Challenge; remainingMs?: number } | null }]>`
    select close_challenge(
      ${challengeId}, ${as}, ${reason ?? null}, ${advice ?? null}, ${json(sql, policy)}, ${fromWorkflow}) as answer`
  return row.answer ?? undefined
}

/** The outcome that stands, for its own execution, which is told with this. */
export async function tellOutcome(sql: Sql, challengeId: string): Promise<Challenge | undefined> {
  const [row] = await sql<[{ answer: Challenge }?]>`
    update challenges c set told = true where challenge_id = ${challengeId} and outcome is not null
    returning challenge_view(c) as answer`
  return row?.answer
}

export async function readChallenge(sql: Sql, challengeId: string): Promise<Challenge | undefined> {
  const [row] = await sql<[{ answer: Challenge }?]>`
    select challenge_view(c) as answer from challenges c where challenge_id = ${challengeId}`
  return row?.answer
}

/**
 * D7: open challenges whose message has failed, by a receipt of the last minutes, and of which nobody has decided yet whether they
 * fail over: those of `among`; else those whose execution was not told of it, the newest first.
 */
export async function undeliveredChallenges(sql: Sql, most: number, among?: readonly string[]): Promise<Challenge[]> {
  // Where nobody is named, receipts come first: few of them are so young, whatever the number of challenges that are open. The
  // clock is volatile: only as a query of its own it can be what an index is searched for.
  const candidates = among
    ? sql`select reference from unnest(${among as string[]}::uuid[]) reference`
    : sql`select distinct r.reference from receipts r where r.kind = 'failed' and ${isYoung(sql)}`
  const rows = await sql<{ answer: Challenge }[]>`
    with candidates as materialized (${candidates})
    select challenge_view(c) as answer from candidates join challenges c on c.challenge_id = candidates.reference
    where c.outcome is null and c.failed_over_from is null and c.failover_refused is null and c.run_id is not null
      and ${
        among
          ? sql`exists (select from receipts r where r.reference = c.challenge_id and r.kind = 'failed' and ${isYoung(sql)})`
          : sql`coalesce(c.sweep_after, '-infinity') <= challenge_now()`
      }
      and delivery_of(c) = 'failed'
    order by c.sent_at desc limit ${most}`
  return rows.map((row) => row.answer)
}

const isYoung = (sql: Sql) => sql`r.received_at > (select challenge_now()) - interval '10 minutes'`

/** There is no execution left to tell. */
export async function markTold(sql: Sql, challengeIds: readonly string[]): Promise<void> {
  if (challengeIds.length === 0) return
  await sql`update challenges set told = true where challenge_id = any(${challengeIds as string[]}::uuid[])`
}

const json = (sql: Sql, value: object) => sql.json(value as Parameters<Sql['json']>[0])
