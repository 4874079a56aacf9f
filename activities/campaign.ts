/**
 * What a campaign asks of the world outside its workflow. Each activity may be repeated, and begun again by another
 * worker: what is to be done next is asked of Postgres, batch by batch.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { ApplicationFailure, Context } from '@temporalio/activity'
import type { Config } from '../config.ts'
import type { CampaignCommand, CampaignInput, CampaignOutlook, CampaignStatus } from '../domain/campaign.ts'
import {
  commandCampaign,
  judgeWave,
  openWave,
  readCampaign,
  readOutlook,
  rollBackBatch,
  sampleCampaign,
  startBake,
  startCampaign,
  stepCampaign,
  type SendingRules,
  type CommandRefusal,
} from '../postgres/campaigns.ts'
import type { Sql } from '../postgres/connect.ts'
import type { BatchProvider, Provider } from '../providers/provider.ts'
import { createNoticeSender } from './notices.ts'
import { refuseUnkeepable } from './unkeepable.ts'

export interface CampaignActivityDependencies {
  readonly sql: Sql
  readonly rules: SendingRules
  readonly providers: { readonly sms: Provider; readonly email: BatchProvider }
  readonly delivery: Config<'providers'>['providers']
  readonly noticesAtOnce: number
}

export type CampaignActivities = ReturnType<typeof createCampaignActivities>

interface Wave {
  readonly campaignId: string
  readonly wave: number
}

/** Members a batch: some tens of milliseconds under the campaign's row lock, which a pause waits for. */
export const MEMBERS_A_BATCH = 2_000
/** How long one activity works, so that the workflow sees the progress and may continue as new. */
const WORK_MS = 30_000
/** What is due within that time is waited for here: a timer in the workflow costs history. */
const SHORT_WAIT_MS = 5_000
const SAMPLE_EVERY_SECONDS = 5
/** Between two looks for what is due and could not be taken: the first time, and at most. */
const LOOK_AGAIN_MS = 25
const MOST_LOOK_AGAIN_MS = 1_000

export function createCampaignActivities(dependencies: CampaignActivityDependencies) {
  const { sql, rules } = dependencies
  const sendDueNotices = createNoticeSender(dependencies)

  const standing = async (campaignId: string): Promise<CampaignStatus> => {
    const status = await readCampaign(sql, campaignId)
    if (status === undefined) throw ApplicationFailure.nonRetryable('no such campaign', 'unknown_campaign')
    return status
  }

  return {
    /** @throws a failure `other_plan` where the id has another plan, `other_campaign` while another one stands */
    async beginCampaign(input: CampaignInput): Promise<CampaignStatus> {
      // What our API starts stands already, with who; whoever else comes here may say what they like.
      const started = await startCampaign(sql, { by: 'temporal', ...input, claimed: true }).catch((error: unknown) =>
        refuseUnkeepable(error, 'invalid_request'),
      )
      if (started === 'other_plan' || started === 'other_campaign') {
        throw ApplicationFailure.nonRetryable('a campaign stands that this one is not', started)
      }
      return standing(input.campaignId)
    },

    async openWave({ campaignId, wave }: Wave): Promise<void> {
      await openWave(sql, campaignId, wave)
    },

    async startBake({ campaignId, wave }: Wave): Promise<void> {
      await startBake(sql, campaignId, wave)
    },

    async judgeWave({ campaignId, wave }: Wave): Promise<CampaignStatus> {
      await judgeWave(sql, campaignId, wave)
      return standing(campaignId)
    },

    /** Does what there is to do now: decisions in batches, and the notices that follow from them. */
    async advanceCampaign({ campaignId }: { campaignId: string }): Promise<CampaignStatus> {
      const { heartbeat, cancellationSignal } = Context.current()
      const until = Date.now() + WORK_MS
      const sample = createSampler(sql, campaignId)
      // What is due may have to wait for the provider (D8): looked for again at once, then less and less often.
      let lookAgainMs = LOOK_AGAIN_MS
      for (;;) {
        const looked = await stepCampaign(sql, campaignId, rules, MEMBERS_A_BATCH)
        const sent = await sendDueNotices(campaignId, cancellationSignal)
        await sample()
        heartbeat()
        cancellationSignal.throwIfAborted()
        const isOver = Date.now() > until
        if ((looked !== undefined || sent > 0) && !isOver) {
          lookAgainMs = LOOK_AGAIN_MS
          continue
        }
        const outlook = await readOutlook(sql, campaignId)
        if (isOver || outlook === undefined || !waitsHere(outlook)) return standing(campaignId)
        await wait(Math.max(outlook.idleMs!, lookAgainMs), undefined, { signal: cancellationSignal })
        lookAgainMs = Math.min(lookAgainMs * 2, MOST_LOOK_AGAIN_MS)
      }
    },

    async commandCampaign({
      campaignId,
      commandId,
      command,
    }: {
      campaignId: string
      commandId: string
      command: CampaignCommand
    }): Promise<{ refusal?: CommandRefusal; status?: CampaignStatus }> {
      const refusal = await commandCampaign(sql, campaignId, commandId, command).catch((error: unknown) =>
        refuseUnkeepable(error, 'invalid_command'),
      )
      const status = await readCampaign(sql, campaignId)
      return { ...(refusal && { refusal }), ...(status && { status }) }
    },

    /** R6: gives every member their own choice back. */
    async rollBackCampaign({ campaignId }: { campaignId: string }): Promise<CampaignStatus> {
      const { heartbeat, cancellationSignal } = Context.current()
      while ((await rollBackBatch(sql, campaignId, MEMBERS_A_BATCH)) > 0) {
        heartbeat()
        cancellationSignal.throwIfAborted()
      }
      return standing(campaignId)
    },
  }
}

/** Samples now and then; it counts all members, so the longer that takes the more seldom. */
function createSampler(sql: Sql, campaignId: string) {
  let nextAt = 0
  return async () => {
    const began = Date.now()
    if (began < nextAt) return
    await sampleCampaign(sql, campaignId, SAMPLE_EVERY_SECONDS)
    const tookMs = Date.now() - began
    nextAt = began + Math.max(SAMPLE_EVERY_SECONDS * 1_000, tookMs * 50)
  }
}

/** Something is due soon, and no step of the workflow's own stands between; while a wave bakes, only what cannot be sent now. */
const waitsHere = ({ phase, idleMs }: CampaignOutlook) =>
  phase === 'baking'
    ? idleMs === 0
    : idleMs !== null && idleMs < SHORT_WAIT_MS && ['drawing', 'announcing', 'standing'].includes(phase)
