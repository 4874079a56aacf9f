/**
 * The Nexus service `otp` (U3): for workflows of other teams, in whatever namespace. Names and shapes on the wire,
 * permanent.
 */
import { ApplicationFailure } from '@temporalio/common'
import { operation, service } from 'nexus-rpc'
import type {
  Advice,
  ChallengeResult,
  ChallengeStatusResult,
  Channel,
  VerifyCodeInput,
  VerifyCodeResult,
} from '../domain/challenge.ts'

/** The endpoint's name, where it is set up as we do it. */
export const OTP_NEXUS_ENDPOINT = 'otp'

/** What a challenge is asked for with. A number that is to be registered is told over HTTP only: no payload holds one. */
export interface ChallengeRequest {
  readonly memberId: string
  readonly purpose: string
  /** `sms` regardless of the member's settings; never `email` where SMS is mandatory. */
  readonly channel?: Channel
  /** BCP 47; the member's own where absent. */
  readonly locale?: string
}

/** Why an operation failed; the words are those of the HTTP API. Read it with {@link refusalOf}. */
export const REFUSALS = [
  'locked',
  'too_many_challenges',
  'delivery_unavailable',
  'unknown_member',
  'unknown_purpose',
  'undeliverable',
  'unknown_challenge',
  'invalid_code',
] as const

export interface Refusal {
  readonly refusal: (typeof REFUSALS)[number]
  /** In how many seconds to try again; absent where that would not help, or only an operator unlocks. */
  readonly retryAfter?: number
  /** With `undeliverable`: why, and what the member should do. */
  readonly reason?: string
  readonly advice?: Advice
}

/**
 * What a failure of an operation says of why, in a workflow's `catch`. On the wire it is an `ApplicationFailure` below
 * the `NexusOperationFailure`, with the word as its type and the rest as its first detail.
 *
 * @returns `undefined` for every other error
 */
export function refusalOf(error: unknown): Refusal | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof ApplicationFailure)) continue
    const { type, details } = cause
    const refusal = REFUSALS.find((word) => word === type)
    if (refusal === undefined) continue
    const { retryAfter, reason, advice } = (details?.[0] ?? {}) as Partial<Refusal>
    return {
      refusal,
      ...(retryAfter !== undefined && { retryAfter }),
      ...(reason !== undefined && { reason }),
      ...(advice !== undefined && { advice }),
    }
  }
  return undefined
}

export const otpService = service('otp', {
  /**
   * Starts a challenge, as a start over HTTP does: one that is open gives way. The operation's token is the challengeId;
   * the operation completes with the outcome, fails where the start is refused or the code is undeliverable, and is
   * canceled where the challenge was `cancelled` or `superseded`. Canceling it cancels the challenge.
   */
  challenge: operation<ChallengeRequest, ChallengeResult>(),
  /**
   * How it stands with the newest challenge that continues this one (C14): itself, unless the member had a code sent again.
   * For who waited on a challenge that was superseded, and for pages.
   */
  challengeStatus: operation<{ readonly challengeId: string }, ChallengeStatusResult>(),
  /** Judges a code that the member typed, and answers at once. Only for challenges that were started through Temporal. */
  verifyCode: operation<VerifyCodeInput, VerifyCodeResult>(),
})
