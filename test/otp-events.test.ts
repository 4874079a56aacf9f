/**
 * U4, C14: what goes out on `otp-events` is what we publish a schema of, every kind of it.
 */
import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cancelChallenge } from '../client/verify-code.ts'
import { startChallenge } from '../client/start-challenge.ts'
import type { CampaignCommand, CampaignPlan } from '../domain/campaign.ts'
import { toCloudEvent } from '../kafka/outbox-relay.ts'
import {
  commandCampaign,
  judgeWave,
  openWave,
  recordNotices,
  rollBackBatch,
  startBake,
  startCampaign,
  stepCampaign,
  takeNotices,
} from '../postgres/campaigns.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { unlockMember } from '../postgres/support.ts'
import { closeOverdue } from '../postgres/sweep.ts'
import {
  addMembers,
  CAMPAIGN_RULES,
  changeMember,
  eligibleMember,
  OPEN_GATE,
  planOf,
  takenBySms,
} from './support/campaigns.ts'
import { checkOutbox, faultsOf, PUBLISHED_TYPES } from './support/otp-events.ts'
import { judgeFor, startByClient, startSystem, wrongCode, type System } from './support/system.ts'

const event = toCloudEvent({
  id: 1,
  eventId: randomUUID(),
  type: 'otp.enrollment.enforced',
  subject: '123456789',
  data: { memberId: '123456789', campaignId: 'autumn', wave: 1 },
  occurredAt: new Date(),
})

describe('an event is not as published', () => {
  it.each([
    ['of a type that the schema has not', { type: 'otp.challenge.lost' }],
    ['of another source', { source: '/elsewhere' }],
    ['without its time', { time: undefined }],
    ['with an id that is no UUID', { id: '17' }],
    ['with a field beside its data that is not named', { phone: '+819011112222' }],
    ['without a wave', { data: { memberId: '123456789', campaignId: 'autumn' } }],
    ['with a wave in quotes', { data: { memberId: '123456789', campaignId: 'autumn', wave: '1' } }],
    [
      'with something in its data that is not named',
      { data: { memberId: '123456789', campaignId: 'autumn', wave: 1, email: 'hanako@example.jp' } },
    ],
    [
      'released without a reason',
      { type: 'otp.enrollment.released', data: { memberId: '1', campaignId: 'autumn', wave: 1 } },
    ],
  ])('%s', (_what, change) => {
    expect(faultsOf({ ...event })).toEqual([])
    expect(faultsOf({ ...event, ...change })).not.toEqual([])
  })
})

describe('the system', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem()
    await system.process('workers/challenge-worker.ts')
  })
  afterAll(() => system?.stop())

  async function challenge(more: { memberId?: string; continues?: string } = {}) {
    const memberId = more.memberId ?? (await system.addMember())
    const starter = { ...system, policy: system.config.policy }
    const start = await startChallenge(starter, { purpose: 'redeem_benefit', caller: 'test', ...more, memberId })
    if (!('challenge' in start)) throw new Error(start.kind)
    await start.started
    const { challengeId } = start.challenge
    await system.until(async () => (await readChallenge(system.sql, challengeId))?.sentAt ?? undefined)
    const [code] = await system.codes(memberId)
    return { memberId, challengeId, code: code! }
  }

  async function everyOutcome() {
    const { memberId, challengeId } = await challenge()
    const newer = await challenge({ memberId, continues: challengeId })
    await judgeFor(system, newer.challengeId, newer.code)

    const guessed = await challenge()
    for (let n = 0; n < system.config.policy.maxAttempts; n++) {
      await judgeFor(system, guessed.challengeId, wrongCode(guessed.code))
    }
    const cancelled = await cancelChallenge(
      { ...system, policy: system.config.policy },
      (await challenge()).challengeId,
    )
    await cancelled?.told

    await challenge()
    await system.shiftClock(601_000)
    expect(await closeOverdue(system.sql, system.config.policy, 10)).toBe(1)
    await system.shiftClock(0)

    for (const memberId of ['nobody', await system.addMember({ email: 'ab..cd@example.jp', phone: null })]) {
      const input = { challengeId: uuidv7(), memberId, purpose: 'view_membership' }
      await (await startByClient(system, input)).result().catch(() => {})
    }
    return { older: challengeId, newer: newer.challengeId, guessing: guessed.memberId }
  }

  /** By the statements that the campaign worker uses, one after the other. */
  async function begin(campaignId: string, plan: CampaignPlan) {
    const { sql } = system
    await startCampaign(sql, { campaignId, plan, by: 'test', claimed: false })
    const decide = async () => {
      while ((await stepCampaign(sql, campaignId, CAMPAIGN_RULES, 100)) !== undefined);
    }
    return {
      decide,
      announce: async () => {
        await openWave(sql, campaignId, 1)
        await decide()
        const notices = await takeNotices(sql, campaignId, CAMPAIGN_RULES, 100)
        await recordNotices(sql, campaignId, CAMPAIGN_RULES, notices.map(takenBySms))
        await startBake(sql, campaignId, 1)
      },
      judge: () => judgeWave(sql, campaignId, 1),
      rollBack: async () => {
        while ((await rollBackBatch(sql, campaignId, 100)) > 0);
      },
      command: async (command: Record<string, unknown> & { command: CampaignCommand['command'] }) => {
        const given = { by: 'tester', why: 'a test', ...command } as CampaignCommand
        expect(await commandCampaign(sql, campaignId, randomUUID(), given)).toBeUndefined()
      },
    }
  }

  async function everyStepOfCampaigns() {
    const { sql } = system
    const eligible = Array.from({ length: 3 }, (_, index) => eligibleMember(index + 1))
    await sql`truncate members`
    await addMembers(system, eligible)
    const [first, second, third] = eligible
    const until = new Date(Date.now() + 86_400_000).toISOString()

    const passing = await begin('passing', planOf([100]))
    await passing.command({ command: 'pause', claimed: true })
    await passing.command({ command: 'resume' })
    await passing.command({ command: 'rate', ratePerMinute: 0 })
    await passing.announce()
    await passing.command({ command: 'exempt', memberId: third!.memberId, until })
    await changeMember(system, second!.memberId, { family_card: true })
    await passing.decide()
    await passing.judge()
    await passing.announce()
    await passing.command({ command: 'complete' })
    // Whom it enrolled, the others would announce nothing to.
    await sql`delete from enrollments`

    const failing = await begin('failing', planOf([100], { gate: { ...OPEN_GATE, maxNegativeReceiptPercent: 1 } }))
    await changeMember(system, first!.memberId, { phone: '+819020000099' })
    await failing.announce()
    await sql`update campaign_notices set delivery = 'failed', delivery_at = now() where campaign_id = 'failing'`
    await failing.judge()
    await failing.command({ command: 'abort', rollback: false })

    const unsure = await begin('unsure', planOf([100], { gate: { ...OPEN_GATE, minMessages: 1_000 } }))
    await unsure.announce()
    await unsure.decide()
    await unsure.judge()
    await unsure.command({ command: 'skip-bake' })
    await unsure.command({ command: 'abort', rollback: true })
    await unsure.rollBack()
  }

  async function everyChangeOfDestination() {
    const changes = [{ field: 'phone' }, { field: 'preference', channel: 'sms' }]
    for (const change of changes) await system.sql`select tell_of_destination('1', ${system.sql.json(change)}, now())`
  }

  it('emits every kind that the schema has, and each as the schema says', async () => {
    const { older, newer, guessing } = await everyOutcome()
    await unlockMember(system.sql, { memberId: guessing, by: 'support', why: 'a test' })
    await everyStepOfCampaigns()
    await everyChangeOfDestination()
    expect([...(await checkOutbox(system.sql))].toSorted()).toEqual([...PUBLISHED_TYPES].toSorted())

    const [superseded] = await system.sql`
      select type, data->>'continuedBy' as "continuedBy" from outbox where data->>'challengeId' = ${older}`
    expect(superseded).toEqual({ type: 'otp.challenge.superseded', continuedBy: newer })
  })
})
