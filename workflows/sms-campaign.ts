/**
 * A campaign (R), from its first wave to its end. Postgres decides about members and keeps all that is known; this
 * carries the process: it opens a wave, has its members announced to, lets it bake, asks the gate, and goes on. After
 * the last wave it stands, and takes who becomes eligible (R7), until an operator completes it.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  currentUpdateInfo,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import type { CampaignActivities } from '../activities/campaign.ts'
import {
  isCampaignCommand,
  isCampaignInput,
  type CampaignCommand,
  type CampaignInput,
  type CampaignPhase,
  type CampaignStatus,
} from '../domain/campaign.ts'
import {
  campaignChangedSignal,
  campaignCommandSignal,
  campaignCommandUpdate,
  campaignStatusQuery,
} from './campaign-messages.ts'
import { campaignDetails } from './campaign-details.ts'
import { campaignWorkflowId } from './ids.ts'
import { CAMPAIGN_ID, WAVE } from './search-attributes.ts'

const DECIDE = { startToCloseTimeout: '1m', retry: { initialInterval: '200ms', maximumInterval: '10s' } } as const
/** An attempt that stopped telling is dead; the next one finds in Postgres where to go on. */
const WORK = {
  startToCloseTimeout: '5m',
  heartbeatTimeout: '20s',
  retry: { initialInterval: '500ms', maximumInterval: '10s' },
} as const
/** With what the Web UI shows of each (O1). */
const { beginCampaign } = proxyActivities<CampaignActivities>({ ...DECIDE, summary: 'begin' })
const { openWave } = proxyActivities<CampaignActivities>({ ...DECIDE, summary: 'open the next wave' })
const { startBake } = proxyActivities<CampaignActivities>({ ...DECIDE, summary: 'let the wave bake' })
const { judgeWave } = proxyActivities<CampaignActivities>({ ...DECIDE, summary: 'ask the gate' })
const { commandCampaign } = proxyActivities<CampaignActivities>({ ...DECIDE, summary: 'obey an operator' })
const { advanceCampaign } = proxyActivities<CampaignActivities>({
  ...WORK,
  summary: 'decide about members, and announce',
})
const { rollBackCampaign } = proxyActivities<CampaignActivities>({ ...WORK, summary: 'take back what was enforced' })

/** M4: it looks by itself once a minute, whether or not it was woken. */
const LOOK_EVERY_MS = 60_000
/** Each look counts all members. */
const LEAST_WAIT_MS = 1_000
/** For each member counted, until members who changed are looked at: ten seconds for a million. */
const REST_MS_A_MEMBER = 0.01
/** Continue as new at the latest here, whatever the server suggests (R8). */
const MOST_EVENTS = 2_000
/** Nobody commands so often; a flood must not fill the history. */
const MOST_COMMANDS = 500

export async function smsEnrollmentCampaign(input: CampaignInput): Promise<CampaignStatus> {
  const { workflowId, runId } = workflowInfo()
  if (!isCampaignInput(input) || workflowId !== campaignWorkflowId(input.campaignId)) {
    throw ApplicationFailure.nonRetryable(
      'wants {campaignId, plan} and the workflow id sms-campaign/<campaignId>',
      'invalid_request',
    )
  }
  const { campaignId } = input
  let status: CampaignStatus | undefined
  let isBegun = false
  let isWoken = false
  let isCommanded = false
  let commands = 0

  const obey = async (command: CampaignCommand, commandId: string): Promise<CampaignStatus> => {
    // It may come with the start, and there is nothing yet to command.
    await condition(() => isBegun)
    const { refusal, status: after } = await commandCampaign({
      campaignId,
      commandId,
      command: { ...command, claimed: true },
    })
    isWoken = true
    isCommanded = true
    if (refusal) throw ApplicationFailure.nonRetryable(`the campaign cannot obey: ${refusal}`, refusal)
    return after!
  }
  setHandler(campaignCommandSignal, async (command: unknown) => {
    if (!isCampaignCommand(command) || ++commands > MOST_COMMANDS) return log.warn('ignored a command that is none')
    await obey(command, `${runId}:signal:${commands}`).catch(() => log.warn('a command could not be obeyed'))
  })
  setHandler(campaignCommandUpdate, (command) => obey(command, `${runId}:update:${currentUpdateInfo()!.id}`), {
    validator: (command: unknown) => {
      if (!isCampaignCommand(command)) {
        throw ApplicationFailure.nonRetryable('wants {command, by, why, …}', 'invalid_command')
      }
    },
  })
  setHandler(campaignChangedSignal, () => void (isWoken = true))
  setHandler(campaignStatusQuery, () => status)

  const show = (now: CampaignStatus) => {
    if (now.wave !== (status?.wave ?? null)) upsertSearchAttributes([{ key: WAVE, value: now.wave }])
    status = now
    setCurrentDetails(campaignDetails(now))
  }

  /** Has done what there is to do, until the campaign runs and has come to one of `phases`, or has ended. */
  const attend = async (...phases: CampaignPhase[]): Promise<boolean> => {
    for (;;) {
      if (workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > MOST_EVENTS) {
        await condition(allHandlersFinished)
        await continueAsNew<typeof smsEnrollmentCampaign>(input)
      }
      isWoken = false
      isCommanded = false
      show(
        status?.phase === 'rolling_back'
          ? await rollBackCampaign({ campaignId })
          : await advanceCampaign({ campaignId }),
      )
      const { state, phase, idleMs, counts } = status!
      if (phase === 'ended') return false
      if (state === 'running' && phases.includes(phase)) return true
      if (phase !== 'rolling_back') {
        let waitMs = Math.max(LEAST_WAIT_MS, Math.min(idleMs ?? LOOK_EVERY_MS, LOOK_EVERY_MS))
        // Members who change are looked at after the rest; an operator, and what has a date, are not kept waiting.
        const restMs = Math.ceil(REST_MS_A_MEMBER * counts.reduce((total, { members }) => total + members, 0))
        if (restMs > LEAST_WAIT_MS) {
          const rests = Math.min(restMs, waitMs)
          waitMs -= rests
          if (await condition(() => isCommanded, rests, { summary: 'until counting is worth it' })) continue
        }
        if (waitMs > 0) await condition(() => isWoken, waitMs, { summary: 'until there is something to do' })
      }
    }
  }

  const takeWave = async (wave: number): Promise<boolean> => {
    await openWave({ campaignId, wave })
    if (!(await attend('announced', 'baking', 'baked', 'passed', 'standing'))) return false
    await startBake({ campaignId, wave })
    while (await attend('baked', 'passed', 'standing')) {
      if (status!.phase === 'baked') show(await judgeWave({ campaignId, wave }))
      if (status!.waves[wave - 1]!.passedAt !== null) return true
    }
    return false
  }

  try {
    upsertSearchAttributes([{ key: CAMPAIGN_ID, value: campaignId }])
    show(await beginCampaign(input))
    isBegun = true
    const toCome = status!.waves.filter(({ passedAt }) => passedAt === null)
    let goesOn = true
    for (const { wave } of toCome) goesOn &&= await takeWave(wave)
    // R7: stands, until an operator completes or aborts it.
    if (goesOn) await attend()
  } catch (error) {
    isBegun = true
    if (!isCancellation(error)) throw error
    // Cancelled in Temporal: nothing of it may go on, and what was enforced stays, as with an abort without rollback.
    await CancellationScope.nonCancellable(async () => {
      const command = { command: 'abort', by: 'temporal', why: 'the workflow was cancelled', claimed: true } as const
      const { status: after } = await commandCampaign({ campaignId, commandId: `${runId}:cancel`, command })
      if (after) show(after)
      await condition(allHandlersFinished)
    })
    throw error
  }
  await condition(allHandlersFinished)
  return status!
}
