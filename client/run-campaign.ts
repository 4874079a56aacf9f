/**
 * The workflow of a campaign that Postgres knows (R1): started, started again where it was lost, and told that there is
 * something to do.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client'
import type { CampaignInput, CampaignStatus } from '../domain/campaign.ts'
import { campaignChangedSignal } from '../workflows/campaign-messages.ts'
import { CAMPAIGN_TASK_QUEUE, campaignWorkflowId } from '../workflows/ids.ts'
import { CAMPAIGN_ID } from '../workflows/search-attributes.ts'

type Run = (input: CampaignInput) => Promise<CampaignStatus>

const executionOf = (input: CampaignInput) => ({
  workflowId: campaignWorkflowId(input.campaignId),
  taskQueue: CAMPAIGN_TASK_QUEUE,
  args: [input] as [CampaignInput],
  typedSearchAttributes: [{ key: CAMPAIGN_ID, value: input.campaignId }],
})

/**
 * Has the campaign's workflow run; one that runs already is left as it is.
 *
 * @throws when Temporal cannot be reached
 */
export async function runCampaign(temporal: Client, input: CampaignInput): Promise<void> {
  await temporal.workflow.start<Run>('smsEnrollmentCampaign', {
    ...executionOf(input),
    workflowIdConflictPolicy: 'USE_EXISTING',
  })
}

/**
 * Tells the campaign to look now: a hint, since it looks by itself once a minute. One that was lost while there is
 * something left to do, by a termination say, is started again.
 *
 * @throws when Temporal cannot be reached
 */
export async function wakeCampaign(
  temporal: Client,
  { input, hasEnded }: { input: CampaignInput; hasEnded: boolean },
): Promise<void> {
  if (!hasEnded) {
    await temporal.workflow.signalWithStart<Run>('smsEnrollmentCampaign', {
      ...executionOf(input),
      signal: campaignChangedSignal,
      signalArgs: [],
    })
    return
  }
  try {
    await temporal.workflow.getHandle(campaignWorkflowId(input.campaignId)).signal(campaignChangedSignal)
  } catch (error) {
    // It has ended, as the campaign has.
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}
