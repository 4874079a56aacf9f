/**
 * R2, R4, R7, M4, D2: what happens to members while a campaign runs counts: in the campaign, and at their next challenge.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { admitChallenge } from '../postgres/admission.ts'
import { applyMemberChanges } from '../postgres/members.ts'
import { applyReceipts } from '../postgres/receipts.ts'
import { addMembers, changeMember, planOf, sampleMember, standingOf, startCampaign } from './support/campaigns.ts'
import { lengthened, patience } from './support/speed.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

const ENFORCE_AFTER_SECONDS = lengthened(2)

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_ENFORCE_AFTER_SECONDS: ENFORCE_AFTER_SECONDS })
  await system.process('workers/campaign-worker.ts')
})
afterAll(() => system?.stop())

let campaign: Awaited<ReturnType<typeof startCampaign>> | undefined
afterEach(async () => {
  await campaign?.command({ command: 'abort' }).catch(() => {})
  await campaign?.handle.result().catch(() => {})
  campaign = undefined
  await system.shiftClock(0)
  await system.simulators.clear()
  await system.sql`truncate members, enrollments, reachability, exemptions`
})

const eligible = {
  ...sampleMember(1),
  status: 'active',
  birthDate: '1980-01-01',
  familyCard: false,
  notificationPreference: 'email',
} as const
const { memberId } = eligible
const standing = () => standingOf(system, campaign!.campaignId, memberId)
const becomes = (state: string, reason: string | null = null) =>
  until(async () => {
    const now = await standing()
    return now?.state === state && now.reason === reason
  })

async function begin(member: typeof eligible | Record<string, unknown>, percent = 100) {
  await addMembers(system, [{ ...eligible, ...member }])
  campaign = await startCampaign(system, planOf([percent]))
}
async function change(fields: Record<string, unknown>) {
  await changeMember(system, memberId, fields)
  await campaign!.handle.signal('campaignChanged')
}
const channelOfNextChallenge = async () => {
  const request = { challengeId: randomUUID(), memberId, purpose: 'redeem_benefit', caller: 'test' }
  const admission = await admitChallenge(system.sql, system.config.policy, request)
  return 'challenge' in admission ? admission.challenge.channel : admission.kind
}
/** What a provider says later of the message that went to the member. */
async function receipt(kind: 'delivered' | 'failed', at = new Date()) {
  const [notice] = await system.sql<{ notice_id: string; message_id: string }[]>`
    select notice_id, message_id from campaign_notices
    where member_id = ${memberId} and campaign_id = ${campaign!.campaignId} and kind = 'announcement' and state = 'accepted'`
  await applyReceipts(system.sql, 'vonage', [
    {
      eventId: randomUUID(),
      reference: notice!.notice_id,
      messageId: notice!.message_id,
      kind,
      reason: null,
      blames: kind === 'failed' ? 'destination' : null,
      occurredAt: at.toISOString(),
    },
  ])
  await campaign!.handle.signal('campaignChanged')
}

describe('a member who is', () => {
  it.each([
    ['of a Family Card', { familyCard: true }, { family_card: false }, 'family_card'],
    [
      'without a phone',
      { phone: null, phoneCountry: null },
      { phone: '+819011112222', phone_country: 'JP' },
      'no_phone',
    ],
    [
      'with a phone abroad',
      { phone: '+15005550006', phoneCountry: 'US' },
      { phone: '+819011112222', phone_country: 'JP' },
      'phone_unreachable',
    ],
  ])('%s is excluded and told once; taken when that changes', async (_, fields, changed, reason) => {
    await begin(fields)
    await becomes('excluded', reason)
    const address = eligible.email!
    await until(async () => (await system.simulators.messages(address)).length === 1)
    await change(changed)
    await becomes('enforced')
    await change({ family_card: true })
    await becomes('released', 'family_card')
    await until(async () => (await campaign!.status())?.notices.every(({ state }) => state !== 'due'))
    expect(await system.simulators.messages(address)).toHaveLength(1)
  })

  it('a minor until midnight in Tokyo is taken that day', async () => {
    const tokyoMs = 9 * 3_600_000
    const dayMs = 86_400_000
    const midnight = Math.ceil((Date.now() + tokyoMs) / dayMs) * dayMs - tokyoMs
    await system.shiftClock(midnight - Date.now() - patience(4))
    const tomorrow = new Date(midnight + tokyoMs).toISOString().slice(0, 10)
    await begin({ birthDate: `${Number(tomorrow.slice(0, 4)) - 18}${tomorrow.slice(4)}` })
    await becomes('excluded', 'minor')
    await becomes('enforced')
    const [row] = await system.sql`
      select tokyo_day(enforced_at)::text as day from campaign_members
      where member_id = ${memberId} and campaign_id = ${campaign!.campaignId}`
    expect(row).toEqual({ day: tomorrow })
  })

  it('gone is dropped, and on a tombstone their number is erased', async () => {
    await begin({})
    await becomes('announced')
    await change({ status: 'withdrawn' })
    await becomes('released', 'withdrawn')
    const [row] = await system.sql`select phone from campaign_members
      where member_id = ${memberId} and campaign_id = ${campaign!.campaignId}`
    expect(row).toEqual({ phone: null })
    expect(await system.simulators.messages(eligible.email!)).toHaveLength(0)
  })
})

it('who is erased and comes back between two looks of the campaign is released, and announced anew', async () => {
  await begin({})
  await becomes('enforced')
  await campaign!.command({ command: 'pause' })
  const [{ kafka_partition: partition }] = await system.sql<[{ kafka_partition: number }]>`
    select kafka_partition from members where member_id = ${memberId}`
  const returned = { ...eligible, phone: '+819011112222', mobileCarrier: null, country: 'JP' }
  await applyMemberChanges(system.sql, partition, [
    { memberId, offset: '10', status: 'erased', version: null },
    { ...returned, offset: '11', version: 9, eventTime: new Date().toISOString() },
  ])
  await campaign!.command({ command: 'resume' })
  await becomes('announced')
  expect(await system.sql`select from enrollments where member_id = ${memberId}`).toHaveLength(0)
  await becomes('enforced')
  const [row] = await system.sql`select phone, round from campaign_members
    where member_id = ${memberId} and campaign_id = ${campaign!.campaignId}`
  expect(row).toEqual({ phone: returned.phone, round: 2 })
  expect(await system.simulators.messages(returned.phone)).toHaveLength(1)
})

it.each(['pause', 'complete'] as const)('who is erased and comes back after a %s chooses anew', async (command) => {
  await begin({})
  await becomes('enforced')
  await until(async () => (await campaign!.status())?.phase === 'standing')
  expect(await channelOfNextChallenge()).toBe('sms')
  await campaign!.command({ command })
  const [{ kafka_partition: partition }] = await system.sql<[{ kafka_partition: number }]>`
    select kafka_partition from members where member_id = ${memberId}`
  await applyMemberChanges(system.sql, partition, [{ memberId, offset: '10', status: 'erased', version: null }])
  expect(await system.sql`select from enrollments`).toHaveLength(0)
  const returned = { ...eligible, mobileCarrier: null, country: 'JP', eventTime: new Date().toISOString() }
  await applyMemberChanges(system.sql, partition, [{ ...returned, offset: '11', version: 9 }])
  expect(await channelOfNextChallenge()).toBe('email')
  if (command === 'complete') return
  await campaign!.command({ command: 'resume' })
  await becomes('announced')
  const events = await system.sql<{ type: string }[]>`
    select type from outbox where subject = ${memberId} and data->>'campaignId' = ${campaign!.campaignId} order by id`
  expect(events.map(({ type }) => type.split('.').at(-1))).toEqual(['announced', 'enforced', 'released', 'announced'])
})

it('a number that goes dead after the announcement is not enforced, and one that lives again is announced anew', async () => {
  await begin({})
  await becomes('announced')
  await receipt('failed')
  await becomes('released', 'phone_unreachable')
  expect(await channelOfNextChallenge()).toBe('email')
  // An older good word about it changes nothing; a newer one does.
  await receipt('delivered', new Date(Date.now() - 60_000))
  await until(async () => (await campaign!.status())?.changedMembers === 0)
  expect(await standing()).toMatchObject({ state: 'released', reason: 'phone_unreachable' })
  await receipt('delivered', new Date(Date.now() + 60_000))
  await becomes('enforced')
  expect(await standing()).toMatchObject({ round: 2 })
})

it('who was not reached by the announcement is announced anew, though a code arrived since', async () => {
  await begin({})
  await becomes('announced')
  await campaign!.command({ command: 'pause' })
  await receipt('failed')
  await system.sql`update reachability set delivered_at = failed_at + interval '1 second' where member_id = ${memberId}`
  await until(async () => {
    const [row] = await system.sql`select from campaign_members
      where campaign_id = ${campaign!.campaignId} and enforce_at < challenge_now()`
    return row !== undefined
  })
  await campaign!.command({ command: 'resume' })
  await becomes('enforced')
  expect(await standing()).toMatchObject({ round: 2 })
  expect(await system.simulators.messages(eligible.phone!)).toHaveLength(2)
})

it('whose number changes after the announcement, and who then loses eligibility, is released, and who listens hears so', async () => {
  await begin({})
  await becomes('announced')
  await system.simulators.faults({ provider: 'vonage', status: 503, times: 1_000 })
  await change({ phone: '+819011112222', phone_country: 'JP' })
  await becomes('awaiting')
  await change({ family_card: true })
  await becomes('released', 'family_card')
  const events = await system.sql<{ type: string }[]>`
    select type from outbox where subject = ${memberId} and data->>'campaignId' = ${campaign!.campaignId} order by 1`
  expect(events.map(({ type }) => type)).toEqual(['otp.enrollment.announced', 'otp.enrollment.released'])
})

describe('the next challenge', () => {
  it('goes by SMS although the preference says e-mail', async () => {
    await begin({})
    expect(await channelOfNextChallenge()).toBe('email')
    await becomes('enforced')
    expect(await channelOfNextChallenge()).toBe('sms')
  })

  it('does not, for who became ineligible this minute, whatever the campaign has got round to', async () => {
    await begin({})
    await becomes('enforced')
    await campaign!.command({ command: 'pause' })
    await changeMember(system, memberId, { family_card: true })
    expect(await channelOfNextChallenge()).toBe('email')
    expect(await standing()).toMatchObject({ state: 'enforced' })
  })

  it('does not, for who was exempted in one call, until the date', async () => {
    await begin({})
    await becomes('enforced')
    const until = new Date(Date.now() + patience(4)).toISOString()
    await campaign!.command({ command: 'exempt', memberId, until })
    expect(await channelOfNextChallenge()).toBe('email')
    await becomes('released', 'exempt')
    await becomes('enforced')
  })
})

it('a member who comes after their wave is taken at once', async () => {
  await begin({ memberId: 'earlier' })
  await until(async () => (await campaign!.status())?.phase === 'standing')
  await addMembers(system, [eligible])
  await change({ language: 'ko' })
  await becomes('enforced')
  expect(await channelOfNextChallenge()).toBe('sms')
})

it('a member whose wave has not come is left alone', async () => {
  await begin({}, 0.01)
  await until(async () => (await campaign!.status())?.phase === 'standing')
  await change({ language: 'ko' })
  await until(async () => (await system.sql`select from campaign_queue`).length === 0)
  expect(await standing()).toBeUndefined()
})
