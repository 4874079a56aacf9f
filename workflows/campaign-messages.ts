/**
 * The messages of a campaign (R6): names and shapes on the wire, permanent.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { CampaignCommand, CampaignStatus } from '../domain/campaign.ts'

/** From the Web UI, the Temporal CLI or a plain client: who gives the command is claimed, and recorded so. */
export const campaignCommandSignal = defineSignal<[CampaignCommand]>('campaignCommand')

/** The same, and answers with where the campaign stands; a failure whose type says why it cannot be obeyed. */
export const campaignCommandUpdate = defineUpdate<CampaignStatus, [CampaignCommand]>('campaignCommand')

/** There is something to do: members changed (M4), or an operator has said something to our API. */
export const campaignChangedSignal = defineSignal('campaignChanged')

/** Where the campaign stood when it last looked. */
export const campaignStatusQuery = defineQuery<CampaignStatus | undefined>('campaignStatus')
