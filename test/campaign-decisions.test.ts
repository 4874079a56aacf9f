/**
 * R2–R5, R7: what a campaign decides, by the statements that its worker uses, one after the other.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { CampaignPlan } from '../domain/campaign.ts'
import {
  commandCampaign,
  openWave,
  recordNotices,
  rollBackBatch,
  startBake,
  startCampaign,
  stepCampaign,
  takeNotices,
  judgeWave,
  type Notice,
  type NoticeResult,
} from '../postgres/campaigns.ts'
import type { Receipt } from '../domain/receipt.ts'
import { applyReceipts } from '../postgres/receipts.ts'
import { forgetABatch } from './support/forget.ts'
import {
  addMembers,
  CAMPAIGN_RULES,
  changeMember,
  eligibleMember,
  OPEN_GATE,
  planOf,
  standingOf,
  takenBySms,
  type SampleMember,
} from './support/campaigns.ts'
import { startSystem, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())
afterEach(async () => {
  await system.shiftClock(0)
  await system.sql`
    truncate members, enrollments, reachability, exemptions, campaign_queue, campaign_members, campaign_notices,
      campaign_waves, campaign_log, campaign_history, campaigns, challenges, receipts, outbox cascade`
})

const someone = (count: number) => Array.from({ length: count }, (_, index) => eligibleMember(index))

const MOST = 20

/** A campaign whose first wave is open. */
async function begin(members: readonly SampleMember[], plan: CampaignPlan = planOf([100])) {
  const { sql } = system
  const campaignId = `c-${randomUUID().slice(0, 8)}`
  await addMembers(system, members)
  await startCampaign(sql, { campaignId, plan, by: 'test', claimed: false })
  await openWave(sql, campaignId, 1)
  const step = () => stepCampaign(sql, campaignId, CAMPAIGN_RULES, MOST)
  const decide = async () => {
    while ((await step()) !== undefined);
  }
  const send = async (answer: (notice: Notice) => NoticeResult = takenBySms) => {
    const notices = await takeNotices(sql, campaignId, CAMPAIGN_RULES, 1_000)
    await recordNotices(sql, campaignId, CAMPAIGN_RULES, notices.map(answer))
    return notices
  }
  return {
    campaignId,
    step,
    decide,
    send,
    /** Announced, and at once enforced. */
    enforce: async () => {
      await decide()
      await send()
      await decide()
    },
    stateOf: async ({ memberId }: SampleMember) => (await standingOf(system, campaignId, memberId))?.state,
    gate: async (): Promise<{ verdict: string; reasons: string[]; negativeReceipts: number; challenges: number }> => {
      await startBake(sql, campaignId, 1)
      await judgeWave(sql, campaignId, 1)
      const [wave] = await sql`select verdict from campaign_waves where campaign_id = ${campaignId} and wave = 1`
      return wave!['verdict'] as never
    },
    abort: (rollback: boolean) =>
      commandCampaign(sql, campaignId, randomUUID(), { command: 'abort', rollback, by: 'x', why: 'x', claimed: false }),
  }
}
const receipt = (reference: string, kind: 'delivered' | 'failed', afterSeconds = 0): Receipt => ({
  eventId: randomUUID(),
  reference,
  messageId: reference,
  kind,
  reason: null,
  blames: kind === 'failed' ? 'destination' : null,
  occurredAt: new Date(Date.now() + afterSeconds * 1_000).toISOString(),
})

it('members who change without end hold up neither a wave nor a date', async () => {
  const members = someone(60)
  const { campaignId, step, send } = await begin(members)
  const countOf = async (state: string) =>
    (await system.sql`select from campaign_members where campaign_id = ${campaignId} and state = ${state}`).length
  const busyStep = async () => {
    await system.sql`
      insert into campaign_queue (member_id) select member_id from members cross join generate_series(1, 3)`
    await step()
  }
  // Of 20 a step, 15 are of those who changed.
  for (let n = 0; n < 15; n++) await busyStep()
  const [wave] = await system.sql`select drawn_at from campaign_waves where campaign_id = ${campaignId}`
  expect(wave!['drawn_at']).not.toBeNull()
  expect(await countOf('awaiting')).toBe(60)
  await send()
  await system.sql`delete from campaign_queue`
  // One who changes again and again, more often than a step can take.
  for (let n = 0; n < 15; n++) {
    await system.sql`insert into campaign_queue (member_id) select 'somebody else' from generate_series(1, 100)`
    await step()
  }
  expect(await countOf('enforced')).toBe(60)
})

it('the gate counts those whom no SMS reached, though they were released for it', async () => {
  const gate = { ...OPEN_GATE, minVerifiedPercent: 80, minChallenges: 1 }
  const members = someone(5)
  const { enforce, decide, gate: judge, stateOf } = await begin(members, planOf([100], { gate }))
  await enforce()
  for (const [index, { memberId, phone }] of members.entries()) {
    const outcome = index < 2 ? 'expired' : 'verified'
    const [row] = await system.sql`
      insert into challenges (challenge_id, member_id, purpose, caller, chain_id, channel, destination, admitted_at,
        send_began_at, outcome, closed_at)
      select gen_random_uuid(), ${memberId}, 'view_membership', 'test', gen_random_uuid(), 'sms', ${phone},
        challenge_now(), challenge_now(), ${outcome}, challenge_now()
      returning challenge_id`
    if (outcome === 'expired')
      await applyReceipts(system.sql, 'vonage', [receipt(row!['challenge_id'] as string, 'failed', 1)])
  }
  await decide()
  expect(await stateOf(members[0]!)).toBe('released')
  expect(await judge()).toMatchObject({ verdict: 'failed', reasons: ['verification_rate'], challenges: 5, verified: 3 })
  // For another reason by now, and still counted.
  await changeMember(system, members[0]!.memberId, { family_card: true })
  await decide()
  const [again] = await system.sql`select wave_figures(campaign_id, 1)->>'challenges' as n from campaigns`
  expect(again!['n']).toBe('5')
})

it('the gate knows what became of announcements after their receipts were forgotten', async () => {
  const gate = { ...OPEN_GATE, maxNegativeReceiptPercent: 10 }
  const { decide, send, gate: judge } = await begin(someone(4), planOf([100], { gate }))
  await decide()
  const [first, second] = await send()
  // In whatever order they come: the last by the provider's clock counts.
  await applyReceipts(system.sql, 'vonage', [receipt(first!.noticeId, 'failed', 2)])
  await applyReceipts(system.sql, 'vonage', [
    receipt(first!.noticeId, 'delivered', 1),
    receipt(second!.noticeId, 'delivered'),
  ])
  await system.shiftClock(40 * 86_400_000)
  await forgetABatch(system.sql, { receiptDays: 30 })
  expect(await system.sql`select from receipts`).toHaveLength(0)
  expect(await judge()).toMatchObject({ verdict: 'failed', negativeReceipts: 1, delivered: 1 })
})

it('who could not be sent an announcement, and can be reached since, is sent another', async () => {
  const member = eligibleMember(1)
  const { decide, send, stateOf } = await begin([member])
  await decide()
  await send(({ noticeId }) => ({ noticeId, result: 'refused', channel: 'sms' }))
  // Before anybody looks a code arrives there.
  await system.sql`update reachability set delivered_at = failed_at + interval '1 minute'`
  await decide()
  expect(await stateOf(member)).toBe('awaiting')
  expect(await send()).toHaveLength(1)
  await decide()
  expect(await stateOf(member)).toBe('enforced')
})

it('who is excluded and had no address is asked to make settings once there is one', async () => {
  const member = eligibleMember(1, { phone: null, phoneCountry: null, email: null })
  const { decide, send } = await begin([member])
  await decide()
  expect(await send(({ noticeId }) => ({ noticeId, result: 'dropped' }))).toMatchObject([{ phone: null, email: null }])
  await changeMember(system, member.memberId, { email: 'hanako@example.jp' })
  await decide()
  expect(await send()).toMatchObject([{ kind: 'own_settings', email: 'hanako@example.jp' }])
  await changeMember(system, member.memberId, { language: 'en' })
  await decide()
  expect(await send()).toEqual([])
})

it('a rollback tells of everybody, also where the campaign’s members were forgotten long ago', async () => {
  const members = someone(3)
  const { campaignId, enforce, abort } = await begin(members)
  await enforce()
  expect(await abort(false)).toBeUndefined()
  await system.sql`delete from campaign_members`
  expect(await abort(true)).toBeUndefined()
  while ((await rollBackBatch(system.sql, campaignId, 2)) > 0);
  const told = await system.sql`
    select subject, data->'wave' as wave from outbox where type = 'otp.enrollment.rolled_back' order by subject`
  expect(told).toEqual(members.map(({ memberId }) => ({ subject: memberId, wave: 1 })))
})

it('the curve of a campaign that stands for long has some thousands of points', async () => {
  const { campaignId, decide } = await begin(someone(1))
  await decide()
  const sample = () => system.sql`select sample_campaign(${campaignId}, 5)`
  await system.shiftClock(20_000_000)
  await sample()
  await system.shiftClock(20_008_000)
  await sample()
  expect(await system.sql`select from campaign_history`).toHaveLength(1)
  await system.shiftClock(20_011_000)
  await sample()
  expect(await system.sql`select from campaign_history`).toHaveLength(2)
})

it('a receipt that blames our account pauses the campaign, and one of before the account was mended does not again', async () => {
  const { campaignId, decide, send } = await begin(someone(4))
  await decide()
  const [first, second, third] = await send()
  const blaming = (notice: Notice | undefined, blames: Receipt['blames'], afterSeconds = 0): Receipt => ({
    ...receipt(notice!.noticeId, 'failed', afterSeconds),
    blames,
  })
  const standing = async () => {
    const [row] = await system.sql`select state, pause_reason from campaigns where campaign_id = ${campaignId}`
    return row
  }
  for (const blames of ['network', 'sender', null] as const) {
    await applyReceipts(system.sql, 'vonage', [blaming(first, blames)])
  }
  expect(await standing()).toMatchObject({ state: 'running' })
  await applyReceipts(system.sql, 'vonage', [blaming(second, 'account')])
  expect(await standing()).toEqual({ state: 'paused', pause_reason: 'vonage refuses our account' })
  expect(await system.sql`select from reachability`).toHaveLength(0)
  await commandCampaign(system.sql, campaignId, randomUUID(), { command: 'resume', by: 'x', why: 'x', claimed: false })
  await applyReceipts(system.sql, 'vonage', [blaming(third, 'account', -60)])
  expect(await standing()).toMatchObject({ state: 'running' })
  await applyReceipts(system.sql, 'vonage', [blaming(third, 'account', 60)])
  expect(await standing()).toMatchObject({ state: 'paused' })
})
