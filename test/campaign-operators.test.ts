/**
 * R3, R5, R6: what holds a campaign back: operators, the rate, quiet hours and gates.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { applyReceipts } from '../postgres/receipts.ts'
import {
  addMembers,
  eligibleMember,
  OPEN_GATE,
  planOf,
  sampleMember,
  standings,
  startCampaign,
} from './support/campaigns.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_ENFORCE_AFTER_SECONDS: '1', OTP_NOTICES_AT_ONCE: '5' })
  await system.process('workers/campaign-worker.ts')
})
afterAll(() => system?.stop())

let campaign: Awaited<ReturnType<typeof startCampaign>>
afterEach(async () => {
  await campaign.command({ command: 'abort' }).catch(() => {})
  await campaign.handle.result().catch(() => {})
  await system.sql`truncate members, enrollments, reachability, exemptions`
  await system.simulators.clear()
})

async function begin(count: number, plan: Parameters<typeof startCampaign>[1]) {
  await addMembers(
    system,
    Array.from({ length: count }, (_, index) => eligibleMember(index)),
  )
  campaign = await startCampaign(system, plan)
}
const sent = async () => (await system.simulators.messages()).length
const phaseIs = (phase: string, withinMs = 15_000) =>
  until(async () => (await campaign.status())?.phase === phase, withinMs)
const stateIs = (state: string) => until(async () => (await campaign.status())?.state === state)
const log = () => system.sql<{ event: string; by: string; claimed: boolean; why: string | null }[]>`
  select event, by_whom as by, claimed, why from campaign_log where campaign_id = ${campaign.campaignId} order by id`

it('a start by a Temporal client is recorded as claimed, whatever it says of itself', async () => {
  await begin(1, planOf([100]))
  await phaseIs('standing')
  expect((await log())[0]).toEqual({ event: 'started', by: 'test', claimed: true, why: null })
})

it('a command that comes with the start is obeyed once the campaign has begun', async () => {
  await addMembers(system, [eligibleMember(0)])
  const command = { command: 'pause', by: 'hanako', why: 'not before Monday' } as const
  campaign = await startCampaign(system, planOf([100]), { command })
  await until(async () => (await campaign.status())?.state === 'paused')
  expect(await campaign.status()).toMatchObject({ pauseReason: 'not before Monday' })
  expect((await log()).map(({ event }) => event)).toEqual(expect.arrayContaining(['started', 'paused']))
})

describe('a pause', () => {
  it('stops within one batch, and a resume goes on with the same members', async () => {
    await begin(120, planOf([50, 100], { ratePerMinute: 1_200 }))
    await until(async () => (await sent()) >= 10)
    const paused = await campaign.command({ command: 'pause', why: 'the night shift is short' })
    expect(paused).toMatchObject({ state: 'paused', pauseReason: 'the night shift is short' })
    const atPause = await sent()
    const drawn = await standings(system, campaign.campaignId)
    await until(async () => (await campaign.status())?.state === 'paused')
    const [settled] = await system.sql`select count(*)::int as n from campaign_notices where state = 'sending'`
    expect((await sent()) - atPause).toBeLessThanOrEqual(5)
    expect(settled!['n']).toBeLessThanOrEqual(5)

    await campaign.command({ command: 'rate', ratePerMinute: 0 })
    await campaign.command({ command: 'resume' })
    await phaseIs('standing', 30_000)
    await until(async () => (await sent()) === 120)
    const after = new Map((await standings(system, campaign.campaignId)).map((row) => [row.memberId, row.wave]))
    expect(drawn.length).toBeGreaterThan(0)
    for (const { memberId, wave } of drawn) expect(after.get(memberId)).toBe(wave)
    expect((await log()).map(({ event }) => event)).toEqual(
      expect.arrayContaining(['started', 'paused', 'rate_changed', 'resumed', 'wave_opened', 'gate_passed']),
    )
    // Whoever speaks to the workflow itself says who they are, and nobody has checked it.
    expect((await log()).find(({ event }) => event === 'paused')).toEqual({
      event: 'paused',
      by: 'tester',
      claimed: true,
      why: 'the night shift is short',
    })
  })

  it('enforces nothing, though the date has come', async () => {
    await begin(5, planOf([100]))
    await until(async () => (await sent()) === 5)
    await campaign.command({ command: 'pause' })
    await until(async () => {
      const [row] = await system.sql`select every(enforce_at < challenge_now()) as come from campaign_members`
      return row!['come'] === true
    })
    expect(await system.sql`select from enrollments`).toHaveLength(0)
    await campaign.command({ command: 'resume' })
    await until(async () => (await system.sql`select from enrollments`).length === 5)
  })
})

it('the rate holds for notices: so many members a minute', async () => {
  await begin(20, planOf([100], { ratePerMinute: 300 }))
  await until(async () => (await sent()) === 20)
  const [span] = await system.sql`
    select extract(epoch from max(accepted_at) - min(accepted_at))::float8 as seconds from campaign_notices
    where campaign_id = ${campaign.campaignId}`
  // 20 members at 5 a second, a second's worth of them at once.
  expect(span!['seconds']).toBeGreaterThan(2.5)
})

it('in quiet hours nothing is sent, and it says until when', async () => {
  const tokyo = new Date(Date.now() + 9 * 3_600_000)
  const hour = (add: number) => `${String((tokyo.getUTCHours() + add + 24) % 24).padStart(2, '0')}:00`
  await begin(5, planOf([100], { quietHours: { from: hour(-1), to: hour(2) } }))
  await phaseIs('drawing')
  const status = await campaign.status()
  expect(status!.idleMs).toBeGreaterThan(3_600_000)
  expect(await sent()).toBe(0)
})

describe('a gate', () => {
  const gate = { ...OPEN_GATE, maxNegativeReceiptPercent: 10, minMessages: 5 }

  it('pauses wave 2 when too many receipts are negative, says why everywhere, and judges again after a resume', async () => {
    await begin(60, planOf([50, 100], { gate, bakeSeconds: 2 }))
    await until(async () => (await campaign.status())?.wave === 2)
    await phaseIs('baking')
    const notices = await system.sql<{ notice_id: string; message_id: string }[]>`
      select notice_id, message_id from campaign_notices
      where campaign_id = ${campaign.campaignId} and wave = 2 and kind = 'announcement' and state = 'accepted'`
    await applyReceipts(
      system.sql,
      'vonage',
      notices.map((notice, index) => ({
        eventId: randomUUID(),
        reference: notice.notice_id,
        messageId: notice.message_id,
        kind: index < notices.length / 2 ? 'failed' : 'delivered',
        reason: null,
        blames: index < notices.length / 2 ? 'destination' : null,
        occurredAt: new Date().toISOString(),
      })),
    )
    await stateIs('paused')
    const status = (await campaign.status())!
    expect(status.pauseReason).toBe('the gate of wave 2 failed: negative_receipts')
    expect(status.waves[1]!.verdict).toMatchObject({ verdict: 'failed', reasons: ['negative_receipts'] })
    const shown = await campaign.handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')
    expect(shown.currentDetails).toContain('the gate of wave 2 failed: negative_receipts')
    const events = await system.sql`
      select data->>'why' as why from outbox where subject = ${campaign.campaignId} and type = 'otp.campaign.paused'`
    expect(events).toEqual([{ why: 'the gate of wave 2 failed: negative_receipts' }])

    await campaign.command({ command: 'resume' })
    await until(async () => (await campaign.status())?.state === 'running')
    await stateIs('paused')
    expect((await log()).filter(({ event }) => event === 'gate_failed')).toHaveLength(2)
    await campaign.command({ command: 'resume' })
    await campaign.command({ command: 'skip-bake', why: 'the numbers were those of a test' })
    await phaseIs('standing')
  })

  it('with too little data waits as long again, then pauses as inconclusive', async () => {
    await begin(10, planOf([100], { gate: { ...gate, minMessages: 1_000 }, bakeSeconds: 1 }))
    await stateIs('paused')
    expect((await campaign.status())!.pauseReason).toBe('the gate of wave 1 is inconclusive: too little data')
    expect((await log()).map(({ event }) => event).filter((event) => event.startsWith('gate'))).toEqual([
      'gate_inconclusive',
      'gate_inconclusive',
    ])
  })

  it('fails on sends that the provider refuses', async () => {
    for (let index = 0; index < 4; index++) {
      await system.simulators.faults({ to: eligibleMember(index).phone!, status: 422 })
    }
    await begin(10, planOf([100], { gate: { ...OPEN_GATE, maxSendFailurePercent: 20, minMessages: 5 } }))
    await stateIs('paused')
    expect((await campaign.status())!.waves[0]!.verdict).toMatchObject({
      verdict: 'failed',
      reasons: ['send_failures'],
      sendFailures: 4,
      sendFailurePercent: 40,
    })
  })
})

describe('a command', () => {
  it('that cannot be obeyed is refused with its reason, and changes nothing', async () => {
    await begin(3, planOf([50, 100], { bakeSeconds: 600 }))
    await phaseIs('baking')
    const refusal = (command: Parameters<typeof campaign.command>[0]) =>
      campaign.command(command).then(
        () => 'obeyed',
        (error: unknown) => (error as { cause?: { type?: string } }).cause?.type,
      )
    expect(await refusal({ command: 'complete' })).toBe('waves_remain')
    expect(await refusal({ command: 'exempt', memberId: 'nobody', until: new Date().toISOString() })).toBe(
      'unknown_member',
    )
    expect(await refusal({ command: 'dance' as never })).toBe('invalid_command')
    expect(await refusal({ command: 'rate', ratePerMinute: -1 })).toBe('invalid_command')
    expect(await refusal({ command: 'pause', why: '' })).toBe('invalid_command')
    await campaign.handle.signal('campaignCommand', 'nonsense')
    expect(await campaign.status()).toMatchObject({ state: 'running', phase: 'baking' })
    expect(await refusal({ command: 'abort' })).toBe('obeyed')
    await campaign.handle.result()
  })

  it('completes nothing while an announced date has not come, or a notice is due', async () => {
    await system.simulators.faults({ provider: 'vonage', to: eligibleMember(1).phone!, status: 503 })
    await begin(2, planOf([100]))
    await phaseIs('announcing')
    const refusal = () =>
      campaign.command({ command: 'complete' }).then(
        () => 'obeyed',
        (error: unknown) => (error as { cause?: { type?: string } }).cause?.type,
      )
    await campaign.command({ command: 'pause' })
    await system.sql`update campaign_waves set passed_at = challenge_now() where campaign_id = ${campaign.campaignId}`
    expect(await refusal()).toBe('members_remain')
    await system.sql`update campaign_notices set state = 'dropped' where state in ('due', 'sending')`
    await system.sql`update campaign_members set state = 'announced' where campaign_id = ${campaign.campaignId}`
    expect(await refusal()).toBe('members_remain')
    await system.sql`update campaign_members set state = 'enforced' where campaign_id = ${campaign.campaignId}`
    expect(await refusal()).toBe('obeyed')
  })

  it.each([
    ['a date as only JavaScript writes it', { until: new Date('2030-01-31').toString(), why: 'in hospital' }],
    ['a year that there is not', { until: '0000-12-31T00:00:00Z', why: 'in hospital' }],
    ['a NUL', { until: '2030-01-31T00:00:00Z', why: 'in\0hospital' }],
  ])('with %s is refused at once, and stops nothing', async (_what, fields) => {
    await begin(3, planOf([50, 100], { bakeSeconds: 600 }))
    await phaseIs('baking')
    const command = { command: 'exempt', memberId: sampleMember(0).memberId, ...fields } as const
    await campaign.handle.signal('campaignCommand', { ...command, by: 'hanako' })
    await expect(campaign.command(command)).rejects.toMatchObject({ cause: { cause: { type: 'invalid_command' } } })
    await campaign.command({ command: 'abort' })
    expect(await campaign.handle.result()).toMatchObject({ phase: 'ended' })
  })

  it('of the Web UI, a signal, is obeyed too', async () => {
    await begin(3, planOf([100], { bakeSeconds: 600 }))
    await phaseIs('baking')
    await campaign.handle.signal('campaignCommand', { command: 'skip-bake', by: 'hanako', why: 'a rehearsal' })
    await phaseIs('standing')
    expect((await log()).at(-1)).toEqual({ event: 'bake_skipped', by: 'hanako', claimed: true, why: 'a rehearsal' })
    await until(async () => (await system.sql`select from enrollments`).length === 3)
    await campaign.command({ command: 'complete' })
    expect(await campaign.handle.result()).toMatchObject({ state: 'completed', phase: 'ended' })
  })
})
