/**
 * The messages of a challenge: names and shapes on the wire, permanent. An upstream service imports this, and needs no
 * more than a plain Temporal client.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { Channel, ChallengeStatus, VerifyCodeInput, VerifyCodeResult } from '../domain/challenge.ts'

/** Submits a code; fire and forget. */
export const verifyCodeSignal = defineSignal<[VerifyCodeInput]>('verifyCode')

/** Submits a code and answers with the verdict. A failure of type `invalid_code`: that cannot be a code. */
export const verifyCodeUpdate = defineUpdate<VerifyCodeResult, [VerifyCodeInput]>('verifyCode')

/** C12. Nothing secret; `destination` is masked. */
export interface ChallengeStatusResult {
  readonly challengeId: string
  readonly status: ChallengeStatus
  readonly purpose: string
  readonly channel?: Channel
  readonly destination?: string
  readonly expiresAt?: string
  readonly attemptsLeft?: number
}
export const challengeStatusQuery = defineQuery<ChallengeStatusResult>('challengeStatus')

/**
 * From our own API: an attempt was judged elsewhere. It is a hint and nothing more: whether an outcome stands, the
 * workflow reads from Postgres, so a signal typed by hand decides nothing.
 */
export interface AttemptJudged {
  readonly closed: boolean
  readonly attemptsLeft: number
}
export const attemptJudgedSignal = defineSignal<[AttemptJudged]>('attemptJudged')
