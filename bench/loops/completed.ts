import type { Client } from '@temporalio/client'
import type { otpChallenge } from '../../workflows/otp-challenge.ts'
import { challengeWorkflowId } from '../../workflows/ids.ts'

/** Resolves when a member's execution has completed. @throws where it ended in any other way than verified */
export async function hasCompletedVerified(temporal: Client, memberId: string): Promise<void> {
  const { outcome } = await temporal.workflow.getHandle<typeof otpChallenge>(challengeWorkflowId(memberId)).result()
  if (outcome !== 'verified') throw new Error(`the execution ended ${outcome}`)
}
