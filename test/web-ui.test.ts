/**
 * O1: the Web UI tells the story. Read through the API as the UI does: descriptions, lists, history and its metadata.
 */
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChallenge } from '../client/start-challenge.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'
import { verifyCodeSignal } from '../workflows/messages.ts'
import { addMembers, planOf, sampleMember, startCampaign } from './support/campaigns.ts'
import { startSystem, wrongCode, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SWEEP_INTERVAL_SECONDS: '3600' })
  await Promise.all([
    system.process('workers/challenge-worker.ts'),
    system.process('workers/campaign-worker.ts', { OTP_ENFORCE_AFTER_SECONDS: '1' }),
  ])
})
afterAll(() => system?.stop())

const decode = async (payload: Payload | null | undefined) => {
  if (!payload) return undefined
  expect(String(payload.metadata?.['encoding']), 'it is encrypted').toBe('binary/encrypted')
  const [plain] = await createPayloadCodec(system.config.temporal.codecKeys).decode([payload])
  return defaultPayloadConverter.fromPayload<string>(plain!)
}

/** Of each activity and timer in a history, what the UI writes beside it. */
async function summaries(workflowId: string) {
  const { events } = await system.temporal.workflow.getHandle(workflowId).fetchHistory()
  const told = (events ?? []).map(async (event) => {
    const activity = event.activityTaskScheduledEventAttributes?.activityType?.name
    const name = activity ?? (event.timerStartedEventAttributes ? 'timer' : undefined)
    if (name === undefined) return []
    return [[name, await decode(event.userMetadata?.summary)] as const]
  })
  return new Map((await Promise.all(told)).flat())
}
/** What the UI shows above the history; it asks by this query. */
async function details(workflowId: string) {
  const handle = system.temporal.workflow.getHandle(workflowId)
  const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')
  return metadata.currentDetails ?? ''
}
const found = async (query: string) => {
  const ids: string[] = []
  for await (const { workflowId } of system.temporal.workflow.list({ query })) ids.push(workflowId)
  return ids
}

describe('a challenge', () => {
  it('is found by its member, shows how it stands, and names each of its steps', async () => {
    const memberId = await system.addMember()
    const start = await startChallenge(
      { ...system, policy: system.config.policy },
      { memberId, purpose: 'redeem_benefit', caller: 'test' },
    )
    if (!('challenge' in start)) throw new Error(start.kind)
    await start.started
    const { challengeId } = start.challenge
    const workflowId = `otp-challenge/${memberId}`
    const code = await system.until(async () => (await system.codes(memberId))[0])
    await system.until(async () => (await details(workflowId)).startsWith('**open**: redeem benefit, by sms'))
    expect(await details(workflowId)).toContain(challengeId)

    const handle = system.temporal.workflow.getHandle(workflowId)
    await handle.signal(verifyCodeSignal, { challengeId, code: wrongCode(code) })
    await system.until(async () => (await details(workflowId)).includes('attempts left: 4'))
    await handle.signal(verifyCodeSignal, { challengeId, code })
    await handle.result()
    expect(await details(workflowId)).toMatch(/^\*\*verified\*\*/)
    expect(await summaries(workflowId)).toEqual(
      new Map([
        ['sendCode', 'send the code'],
        ['timer', 'until the code expires'],
        ['checkCode', 'judge a code'],
      ]),
    )
    const [{ phone, email }] = await system.sql<[{ phone: string; email: string }]>`
      select phone, email from members where member_id = ${memberId}`
    for (const secret of [code, phone.slice(-4), email]) expect(await details(workflowId)).not.toContain(secret)

    const queries = [
      `MemberId = '${memberId}'`,
      `Outcome = 'verified' and Channel = 'sms' and Purpose = 'redeem_benefit'`,
    ]
    for (const query of queries) {
      await system.until(async () => (await found(query)).includes(workflowId))
    }
  })
})

describe('a campaign', () => {
  it('is found by its wave, shows a table, and names each of its steps', async () => {
    await system.sql`truncate members`
    const members = Array.from({ length: 20 }, (_, index) => sampleMember(index))
    await addMembers(system, members)
    const { campaignId, isSettled, command, handle } = await startCampaign(system, planOf([50, 100]))
    const workflowId = `sms-campaign/${campaignId}`
    await system.until(isSettled, 30_000)
    expect(await details(workflowId)).toMatch(/^\*\*c-.*\n\n\| wave \| of all \|/)
    const running = `CampaignId = '${campaignId}' and Wave = 2 and ExecutionStatus = 'Running'`
    await system.until(async () => (await found(running)).includes(workflowId))
    await command({ command: 'complete' })
    await handle.result()
    const told = await summaries(workflowId)
    expect([...told.keys()]).toEqual(
      expect.arrayContaining(['beginCampaign', 'openWave', 'judgeWave', 'advanceCampaign', 'commandCampaign']),
    )
    for (const [name, summary] of told) expect(summary, name).toMatch(/^[a-z].{4,}/)
  })
})

describe('what runs at intervals', () => {
  it.each(['otp-challenge-sweep', 'otp-challenge-cleanup'])('%s says what it does', async (scheduleId) => {
    const schedule = system.temporal.schedule.getHandle(scheduleId)
    await schedule.trigger()
    const workflowId = await system.until(async () => {
      const { info } = await schedule.describe()
      const action = info.recentActions.at(-1)?.action
      return action?.type === 'startWorkflow' ? action.workflow.workflowId : undefined
    })
    await system.temporal.workflow.getHandle(workflowId).result()
    expect(await details(workflowId)).toMatch(/^(What was done|All that was kept)/)
    for (const summary of (await summaries(workflowId)).values()) expect(summary).toMatch(/^(close|forget) what/)
  })
})
