/**
 * What a page of code entry says, told from the challenge as it stands.
 */
import { ADVICE, type Advice, type Channel } from '../../domain/challenge.ts'
import type { CodeEntry } from '../../postgres/page-visits.ts'

/** A challenge as its page shows it, and the channel that may be used instead of its own. */
export interface Standing extends CodeEntry {
  readonly otherChannel: Channel | undefined
}

export type CodeState =
  /** None is begun: its start was refused. */
  | 'not_begun'
  | 'sending'
  | 'open'
  /** The code stands, and its message has failed (D7). */
  | 'undelivered'
  | 'locked'
  | 'verified'
  | 'expired'
  | 'superseded'
  | 'exhausted'
  | 'undeliverable'
  | 'cancelled'

export function stateOf(standing: CodeEntry | undefined): CodeState {
  if (standing === undefined) return 'not_begun'
  const { challenge, secondsLeft, lockedSeconds } = standing
  const { outcome, sentAt, delivery } = challenge
  if (outcome === 'verified') return 'verified'
  if (lockedSeconds !== 0) return 'locked'
  if (outcome === 'attempts_exhausted') return 'exhausted'
  if (outcome === 'refused') return 'cancelled'
  if (outcome !== null) return outcome
  if (secondsLeft === 0) return 'expired'
  if (delivery === 'failed') return 'undelivered'
  return sentAt === null && delivery === null ? 'sending' : 'open'
}

const ACCEPTS_A_CODE: ReadonlySet<CodeState> = new Set(['sending', 'open', 'undelivered'])
/** A code verifies while its send is still being answered (C4). */
export const acceptsCode = (state: CodeState): boolean => ACCEPTS_A_CODE.has(state)

const MAY_SEND_AGAIN: ReadonlySet<CodeState> = new Set([
  'open',
  'undelivered',
  'expired',
  'superseded',
  'exhausted',
  'undeliverable',
])
export const maySendAgain = (state: CodeState): boolean => MAY_SEND_AGAIN.has(state)

/** What the script asks for: whether the page still shows what stands, and how many seconds are left. */
export interface LiveState {
  /** Another one: the page no longer shows what stands. */
  readonly version: string
  /** A code that is being typed may be finished. */
  readonly acceptsCode: boolean
  readonly expiry: number
  readonly resend: number
}

export function liveStateOf(standing: Standing | undefined): LiveState {
  const state = stateOf(standing)
  const { channel = null, challengeId = null } = standing?.challenge ?? {}
  const version = [state, channel, challengeId].join(':')
  return {
    version,
    acceptsCode: acceptsCode(state),
    expiry: standing?.secondsLeft ?? 0,
    resend: standing?.resendSeconds ?? 0,
  }
}

/** Why a start or a resend was not admitted. */
export const REFUSALS = [
  'locked',
  'too_many_challenges',
  'delivery_unavailable',
  'undeliverable',
  'challenge_closed',
  'unknown_member',
] as const

/** What the last form came to, where the challenge itself does not tell. It stands in the page's query. */
export type Notice =
  | { readonly kind: 'invalid' }
  | {
      readonly kind: 'refused'
      readonly refusal: (typeof REFUSALS)[number]
      /** Milliseconds since the epoch. */
      readonly until: number | undefined
      readonly advice: Advice | undefined
    }

/** The query that shows the notice. */
export function noticeQuery(notice: Notice): string {
  if (notice.kind === 'invalid') return '?invalid'
  const { refusal, until, advice } = notice
  const query = new URLSearchParams({ refused: refusal })
  if (until !== undefined) query.set('until', String(until))
  if (advice !== undefined) query.set('advice', advice)
  return `?${query.toString()}`
}

/** @param query as it came; whatever it is, this does not throw */
export function noticeOf(query: Readonly<Record<string, unknown>>, now: number): Notice | undefined {
  if ('invalid' in query) return { kind: 'invalid' }
  const refusal = REFUSALS.find((each) => each === query['refused'])
  if (refusal === undefined) return undefined
  const until = /^\d{13}$/.test(String(query['until'])) ? Number(query['until']) : undefined
  // What was to be waited for is over.
  if (until !== undefined && until <= now) return undefined
  return { kind: 'refused', refusal, until, advice: ADVICE.find((each) => each === query['advice']) }
}
