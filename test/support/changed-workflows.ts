/**
 * A later build of the challenge's workflow, with its commands in another order: it waits before it has the code sent.
 */
import { sleep } from '@temporalio/workflow'
import type { ChallengeInput, ChallengeResult } from '../../domain/challenge.ts'
import { otpChallenge as unchanged } from '../../workflows/otp-challenge.ts'

export async function otpChallenge(input: ChallengeInput): Promise<ChallengeResult> {
  await sleep('10ms')
  return unchanged(input)
}
