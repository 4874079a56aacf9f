/**
 * `one-time-password/temporal`: what a Temporal client, or a workflow of another team's, needs to have a code asked for,
 * verified and waited for. Names and shapes on the wire, permanent; no code that runs on our side.
 */
import type { ChallengeInput, ChallengeResult } from '../domain/challenge.ts'
import { CHALLENGE_TASK_QUEUE, challengeWorkflowId } from '../workflows/ids.ts'

export {
  ADVICE,
  OUTCOMES,
  VERDICTS,
  type Advice,
  type ChallengeInput,
  type ChallengeResult,
  type ChallengeStatus,
  type ChallengeStatusResult,
  type Channel,
  type Outcome,
  type Verdict,
  type VerifyCodeInput,
  type VerifyCodeResult,
} from '../domain/challenge.ts'
export {
  OTP_NEXUS_ENDPOINT,
  otpService,
  refusalOf,
  REFUSALS,
  type ChallengeRequest,
  type Refusal,
} from '../nexus/service.ts'
export { CHALLENGE_TASK_QUEUE, challengeWorkflowId } from '../workflows/ids.ts'
export { challengeStatusQuery, verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'

/** The workflow type of a challenge, for `client.workflow.start<OtpChallenge>(OTP_CHALLENGE, …)`. */
export const OTP_CHALLENGE = 'otpChallenge'
/**
 * Fails with `undeliverable` where no provider took the code; is cancelled where the challenge was `cancelled` or
 * `superseded`; completes with every other outcome.
 */
export type OtpChallenge = (input: ChallengeInput) => Promise<ChallengeResult>

/** How a challenge is started. One may be open per member: a start beside it throws that it has already been started. */
export const challengeOptions = (input: ChallengeInput) => ({
  workflowId: challengeWorkflowId(input.memberId),
  taskQueue: CHALLENGE_TASK_QUEUE,
  args: [input] as [ChallengeInput],
})
