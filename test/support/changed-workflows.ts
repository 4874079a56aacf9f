/**
 * Later builds of the workflows, with their commands in another order: they wait before they do anything.
 */
import { sleep } from '@temporalio/workflow'
import type { CampaignInput, CampaignStatus } from '../../domain/campaign.ts'
import type { ChallengeInput, ChallengeResult } from '../../domain/challenge.ts'
import { memberNotice as unchangedNotice, type MemberNoticeInput } from '../../workflows/member-notice.ts'
import { otpChallenge as unchanged } from '../../workflows/otp-challenge.ts'
import { smsEnrollmentCampaign as unchangedCampaign } from '../../workflows/sms-campaign.ts'

export async function otpChallenge(input: ChallengeInput): Promise<ChallengeResult> {
  await sleep('10ms')
  return unchanged(input)
}

export async function smsEnrollmentCampaign(input: CampaignInput): Promise<CampaignStatus> {
  await sleep('10ms')
  return unchangedCampaign(input)
}

export async function memberNotice(input: MemberNoticeInput): Promise<{ state: string | null }> {
  await sleep('10ms')
  return unchangedNotice(input)
}
