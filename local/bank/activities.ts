/**
 * What the redemption's workflow has done outside of it. Each may be repeated at any moment, since Temporal repeats an
 * activity whose end it has not heard of.
 */
import { ApplicationFailure } from '@temporalio/activity'
import type { Ledger } from './ledger.ts'
import { redemptionWorkflowId, type AwardOrder } from './messages.ts'
import { OtpRefusal, type Challenge, type OtpService } from './otp-service.ts'

/** Why we ask; a code that was sent for anything else redeems nothing. */
export const PURPOSE = 'redeem_benefit'

export type BankActivities = ReturnType<typeof createBankActivities>

export const createBankActivities = ({ otp, ledger }: { otp: OtpService; ledger: Ledger }) => ({
  reserveMiles: (order: AwardOrder): Promise<boolean> => ledger.reserve(order),
  redeemAward: (order: AwardOrder): Promise<void> => ledger.settle(order, 'redeemed'),
  releaseMiles: (order: AwardOrder): Promise<void> => ledger.settle(order, 'released'),

  /** The workflow's id is the key: however often this runs, the member gets one code for one redemption. */
  askForCode: ({ memberId, redemptionId }: AwardOrder): Promise<Challenge> =>
    refusalsAreFinal(otp.startChallenge({ memberId, purpose: PURPOSE }, redemptionWorkflowId(redemptionId))),
  lookAtChallenge: (challengeId: string): Promise<Challenge> => refusalsAreFinal(otp.readChallenge(challengeId)),
  withdrawChallenge: (challengeId: string): Promise<void> => refusalsAreFinal(otp.cancelChallenge(challengeId)),
})

/** What the service refuses is not asked again; what it does not answer is. */
async function refusalsAreFinal<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof OtpRefusal)) throw error
    throw ApplicationFailure.nonRetryable(error.message, error.code, error.retryAfter)
  }
}
