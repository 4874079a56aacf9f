/**
 * The messages of a challenge: names and shapes on the wire, permanent. An upstream service imports this, and needs no
 * more than a plain Temporal client.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { ChallengeResult, ChallengeStatusResult, VerifyCodeInput, VerifyCodeResult } from '../domain/challenge.ts'

/** Submits a code; fire and forget. */
export const verifyCodeSignal = defineSignal<[VerifyCodeInput]>('verifyCode')

/** Submits a code and answers with the verdict. A failure of type `invalid_code`: that cannot be a code. */
export const verifyCodeUpdate = defineUpdate<VerifyCodeResult, [VerifyCodeInput]>('verifyCode')

/** C12 */
export const challengeStatusQuery = defineQuery<ChallengeStatusResult>('challengeStatus')

/**
 * From our own API: an attempt was judged elsewhere. With the right seal the result is taken as it stands; without, it
 * is a hint that there is something to read, so a signal typed by hand decides nothing.
 */
export interface AttemptJudged {
  readonly attemptsLeft: number
  /** An outcome stands. */
  readonly closed: boolean
  readonly result?: ChallengeResult
  readonly seal?: string
}
export const attemptJudgedSignal = defineSignal<[AttemptJudged]>('attemptJudged')

/** From our own API: a negative receipt came (D7). A hint; whether there is one, the activity reads from Postgres. */
export const deliveryFailedSignal = defineSignal('deliveryFailed')
