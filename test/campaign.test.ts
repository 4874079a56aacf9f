/**
 * R1–R4, R6, R7: a campaign from its start to its end, on real parts and in compressed time.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { cohort } from '../campaigns/cohort.ts'
import { ineligibility, tokyoDay } from '../domain/eligibility.ts'
import {
  addMembers,
  changeMember,
  planOf,
  sampleMember,
  standingOf,
  standings,
  startCampaign,
  type SampleMember,
} from './support/campaigns.ts'
import { lengthened } from './support/speed.ts'
import { startSystem, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_ENFORCE_AFTER_SECONDS: lengthened(2) })
  await system.process('workers/campaign-worker.ts')
})
afterAll(() => system?.stop())

const { until } = await import('./support/until.ts')
const started: Awaited<ReturnType<typeof startCampaign>>[] = []
const start = async (...[plan]: [Parameters<typeof startCampaign>[1]]) => {
  const campaign = await startCampaign(system, plan)
  started.push(campaign)
  return campaign
}
afterEach(async () => {
  for (const campaign of started.splice(0)) {
    await campaign.command({ command: 'abort' }).catch(() => {})
    await campaign.handle.result().catch(() => {})
  }
  await system.sql`truncate members, enrollments, reachability, exemptions`
  await system.simulators.clear()
})

/** Where the rule puts a member once the dates have come: computed from the page's words, not from our SQL. */
function ruled(member: SampleMember) {
  const reason = ineligibility({
    member,
    adultAge: 18,
    smsCountries: ['JP'],
    smsRefusedPrefixes: [],
    isUnreachable: false,
    today: tokyoDay(new Date()),
  })
  return reason === undefined ? { state: 'enforced', reason: null } : { state: 'excluded', reason }
}

it('three waves take everybody, each in the state that the rule gives, and each announced once', async () => {
  const members = Array.from({ length: 600 }, (_, index) => sampleMember(index))
  await addMembers(system, members)
  const campaign = await start(planOf([5, 25, 100]))
  await until(async () => (await campaign.status())?.phase === 'standing', 60_000)
  await until(
    async () => (await standings(system, campaign.campaignId)).every(({ state }) => state !== 'announced'),
    30_000,
  )

  const waveOf = (memberId: string) => {
    const at = cohort(campaign.campaignId, memberId)
    return at < 500 ? 1 : at < 2_500 ? 2 : 3
  }
  expect(await standings(system, campaign.campaignId)).toEqual(
    members.map((member) => ({ memberId: member.memberId, wave: waveOf(member.memberId), ...ruled(member) })),
  )
  const enrolled = await system.sql`select member_id from enrollments order by member_id`
  const enforced = members.filter((member) => ruled(member).state === 'enforced')
  expect(enrolled.map((row) => row['member_id'] as string)).toEqual(enforced.map(({ memberId }) => memberId))

  // Who had chosen SMS hears nothing; the others once, at that very number.
  const messages = await system.simulators.messages()
  const announcedTo = messages.filter(({ channel }) => channel === 'sms').map(({ to }) => to.replace(/^\+?/, '+'))
  const announcements = enforced.filter(({ notificationPreference }) => notificationPreference === 'email')
  const byPhone = members.filter((member) => {
    const { reason } = ruled(member)
    return reason !== null && reason !== 'withdrawn' && member.email === null && member.phoneCountry === 'JP'
  })
  expect(announcedTo.toSorted()).toEqual([...announcements, ...byPhone].map(({ phone }) => phone!).toSorted())
  const mailed = messages.filter(({ channel }) => channel === 'email').map(({ to }) => to)
  const asked = members.filter((member) => {
    const { reason } = ruled(member)
    return reason !== null && reason !== 'withdrawn' && member.email !== null
  })
  expect(mailed.toSorted()).toEqual(asked.map(({ email }) => email!).toSorted())
})

it('a phone that is removed between the announcement and the date is not enforced', async () => {
  await addMembers(system, [{ ...sampleMember(1), notificationPreference: 'email', birthDate: '1980-01-01' }])
  const { memberId } = sampleMember(1)
  const campaign = await start(planOf([100]))
  const standing = () => standingOf(system, campaign.campaignId, memberId)
  await until(async () => (await standing())?.state === 'announced')
  await changeMember(system, memberId, { phone: null, phone_country: null })
  await campaign.handle.signal('campaignChanged')
  await until(async () => (await standing())?.state === 'released')
  expect(await standing()).toMatchObject({ reason: 'no_phone' })
  expect(await system.sql`select from enrollments`).toHaveLength(0)

  // R7, and to another number: announced anew.
  await changeMember(system, memberId, { phone: '+819099999999', phone_country: 'JP' })
  await campaign.handle.signal('campaignChanged')
  await until(async () => (await standing())?.state === 'enforced')
  expect(await standing()).toMatchObject({ reason: null, round: 2 })
  expect(await system.simulators.messages('+819099999999')).toHaveLength(1)
})

it('an abort with rollback gives every member their own choice back', async () => {
  const members = Array.from({ length: 60 }, (_, index) => sampleMember(index))
  await addMembers(system, members)
  const campaign = await start(planOf([100]))
  await until(async () => (await campaign.status())?.phase === 'standing')
  await until(async () => (await standings(system, campaign.campaignId)).every(({ state }) => state !== 'announced'))
  const enforced = (await standings(system, campaign.campaignId)).filter(({ state }) => state === 'enforced').length
  expect(enforced).toBeGreaterThan(10)
  await campaign.command({ command: 'abort', rollback: true, why: 'too many calls' })
  const result = await campaign.handle.result()
  expect(result).toMatchObject({ state: 'aborted', phase: 'ended' })
  expect(await system.sql`select from enrollments`).toHaveLength(0)
  const told = await system.sql`
    select from outbox where type = 'otp.enrollment.rolled_back' and data->>'campaignId' = ${campaign.campaignId}`
  expect(told).toHaveLength(enforced)
})

it('a second campaign leaves those whom the first enrolled as they are, and so does its rollback', async () => {
  const eligible = Array.from({ length: 3 }, (_, index) => ({
    ...sampleMember(index + 1),
    status: 'active' as const,
    birthDate: '1980-01-01',
    familyCard: false,
    notificationPreference: 'email' as const,
    phone: `+8190${30_000_000 + index}`,
    phoneCountry: 'JP',
  }))
  const allEnforced = (campaign: { campaignId: string }, count: number) => async () =>
    (await standings(system, campaign.campaignId)).filter(({ state }) => state === 'enforced').length === count
  await addMembers(system, eligible.slice(0, 2))
  const first = await start(planOf([100]))
  await until(allEnforced(first, 2))
  await until(first.isSettled)
  await first.command({ command: 'complete' })
  await first.handle.result()

  await addMembers(system, eligible.slice(2))
  const second = await start(planOf([100]))
  await until(allEnforced(second, 3))
  expect(await system.simulators.messages()).toHaveLength(3)
  await second.command({ command: 'abort', rollback: true })
  await second.handle.result()
  const enrolled = await system.sql`select campaign_id from enrollments`
  expect(enrolled).toEqual([{ campaign_id: first.campaignId }, { campaign_id: first.campaignId }])
  const told = await system.sql`
    select subject from outbox where type = 'otp.enrollment.rolled_back' and data->>'campaignId' = ${second.campaignId}`
  expect(told).toEqual([{ subject: eligible[2]!.memberId }])
  expect((await standings(system, second.campaignId)).map(({ state }) => state)).toEqual([
    'enforced',
    'enforced',
    'rolled_back',
  ])
})
