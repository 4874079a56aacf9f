/**
 * R4, D6: a provider in trouble costs a campaign time, and no members.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import {
  addMembers,
  changeMember,
  eligibleMember,
  planOf,
  sampleMember,
  standingOf,
  startCampaign,
} from './support/campaigns.ts'
import { patience } from './support/speed.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
  await system.process('workers/campaign-worker.ts')
})
afterAll(() => system?.stop())

let campaign: Awaited<ReturnType<typeof startCampaign>>
afterEach(async () => {
  await campaign.command({ command: 'abort' })
  await campaign.handle.result()
  await system.shiftClock(0)
  await system.simulators.clear()
  await system.sql`truncate members, enrollments, reachability, exemptions, provider_pace`
})

const member = {
  ...sampleMember(1),
  status: 'active',
  birthDate: '1980-01-01',
  familyCard: false,
  notificationPreference: 'email',
} as const
async function begin() {
  await addMembers(system, [member])
  campaign = await startCampaign(system, planOf([100]))
}
const wake = () => campaign.handle.signal('campaignChanged')
const standing = () => standingOf(system, campaign.campaignId, member.memberId)
async function notice() {
  const [row] = await system.sql<{ state: string; tries: number; waits: number; accepted: boolean }[]>`
    select state, tries, extract(epoch from due_at - challenge_now())::float8 as waits from campaign_notices
    where campaign_id = ${campaign.campaignId} and kind = 'announcement'`
  return row
}
const tried = (tries: number) =>
  until(async () => {
    const now = await notice()
    return now?.state !== 'sending' && now?.tries === tries ? now : undefined
  })

it.each([
  ['answers 503', { status: 503 }],
  ['is at its limit', { status: 429 }],
])(
  'a provider that %s for an hour is tried less and less often, and the member announced after it',
  async (_, fault) => {
    await system.simulators.faults({ provider: 'vonage', ...fault })
    await begin()
    const waits: number[] = []
    for (let tries = 1; tries <= 12; tries++) {
      const { state, waits: seconds } = await tried(tries)
      expect(state).toBe('due')
      waits.push(seconds)
      await system.shiftClock(tries * 1_200_000)
      await wake()
    }
    expect(waits[0]).toBeLessThan(3)
    // A moment passed until somebody looked.
    expect(waits[11]).toBeGreaterThan(660)
    expect(waits[11]).toBeLessThan(1_130)
    await system.simulators.clear()
    await system.shiftClock(14 * 1_200_000)
    await wake()
    await until(async () => (await standing())?.state === 'announced')
  },
)

it('a Retry-After is waited for, however long', async () => {
  await system.simulators.faults({ provider: 'vonage', status: 429, retryAfterSeconds: 7_200 })
  await begin()
  const { state, waits } = await tried(1)
  expect(state).toBe('due')
  expect(waits).toBeGreaterThan(7_100)
})

it.each([
  ['dead', { failures: 10, next_probe_at: new Date(Date.now() + 3_600_000) }],
  ['at its limit', { limited_until: new Date(Date.now() + 3_600_000) }],
])('a provider that codes know to be %s is sent no notice, and no try is spent', async (_, pace) => {
  await system.sql`insert into provider_pace ${system.sql({ provider: 'vonage', ...pace })}`
  await begin()
  await until(notice)
  await new Promise((resolve) => setTimeout(resolve, patience(1.5)))
  expect(await notice()).toMatchObject({ state: 'due', tries: 0 })
  await system.sql`delete from provider_pace`
  await until(async () => (await standing())?.state === 'announced')
  expect(await notice()).toMatchObject({ tries: 1 })
})

it('a dead provider that no code tries is tried by a notice, whose answer ends it for codes too', async () => {
  await system.sql`insert into provider_pace ${system.sql({ provider: 'vonage', failures: 10, next_probe_at: new Date() })}`
  await begin()
  await until(async () => (await standing())?.state === 'announced')
  expect(await system.sql`select failures from provider_pace where provider = 'vonage'`).toEqual([{ failures: 0 }])
})

it('a notice that cannot be sent while its wave bakes is looked for now and then, and the workflow rests', async () => {
  await addMembers(system, [member])
  campaign = await startCampaign(system, planOf([100], { bakeSeconds: 600 }))
  await until(async () => (await campaign.status())?.phase === 'baking')
  const limited = { provider: 'sendgrid', limited_until: new Date(Date.now() + 3_600_000) }
  await system.sql`insert into provider_pace ${system.sql(limited)}`
  await changeMember(system, member.memberId, { family_card: true })
  await wake()
  await until(async () => (await standing())?.state === 'released')
  const length = async () => (await campaign.handle.describe()).historyLength
  const before = await length()
  await new Promise((resolve) => setTimeout(resolve, patience(3)))
  expect((await length()) - before).toBeLessThan(20)
  await system.sql`delete from provider_pace`
  await until(async () => (await system.simulators.messages(member.email!)).length === 1)
})

it('a notice that was in hand when its member changed is not sent again', async () => {
  await system.simulators.faults({ provider: 'vonage', status: 503 })
  await begin()
  await tried(1)
  await campaign.command({ command: 'pause' })
  await system.simulators.clear()
  // As a worker that died leaves it.
  await system.sql`
    update campaign_notices set state = 'sending', due_at = challenge_now() where campaign_id = ${campaign.campaignId}`
  await changeMember(system, member.memberId, { family_card: true })
  await campaign.command({ command: 'resume' })
  await until(async () => (await notice())?.state === 'dropped')
  expect(await standing()).toMatchObject({ state: 'excluded', reason: 'family_card' })
  await until(async () => (await system.simulators.messages(member.email!)).length === 1)
  expect(await system.simulators.messages(member.phone!)).toHaveLength(0)
})

it.each([
  ['refuses our account', { status: 403 }],
  ['does not know our application', { status: 404 }],
  ['refuses our sender', { status: 422, about: 'from' }],
  ['does not know our key', { status: 401 }],
] as const)(
  'a provider that %s pauses the campaign at once, marks no number, and keeps every member',
  async (_, fault) => {
    const members = Array.from({ length: 300 }, (_each, index) => eligibleMember(index))
    await system.simulators.faults({ provider: 'vonage', ...fault })
    await addMembers(system, members)
    campaign = await startCampaign(system, planOf([100]))
    const paused = await until(async () => {
      const status = await campaign.status()
      return status?.state === 'paused' ? status : undefined
    })
    expect(paused.pauseReason).toBe('vonage refuses our account')
    const shown = await campaign.handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')
    expect(shown.currentDetails).toContain('vonage refuses our account')
    const logged = () => system.sql`
    select event from campaign_log where campaign_id = ${campaign.campaignId} and event in ('paused', 'resumed') order by id`
    expect(await logged()).toEqual([{ event: 'paused' }])

    // Nobody has mended it: it goes on, and pauses again.
    await campaign.command({ command: 'resume' })
    await until(async () => (await logged()).length === 3)
    await until(async () => (await campaign.status())?.state === 'paused')
    expect(await system.sql`select from reachability`).toHaveLength(0)
    const of = { campaign_id: campaign.campaignId }
    expect(
      await system.sql`select state, count(*)::int from campaign_members where campaign_id = ${of.campaign_id} group by 1`,
    ).toEqual([{ state: 'awaiting', count: members.length }])
    expect(
      await system.sql`
    select state, max(tries) as tries from campaign_notices where campaign_id = ${of.campaign_id} group by 1`,
    ).toEqual([{ state: 'due', tries: 0 }])

    await system.simulators.clear()
    await campaign.command({ command: 'resume' })
    await until(async () => {
      const [row] = await system.sql<[{ announced: number }]>`
      select count(*)::int as announced from campaign_members
      where campaign_id = ${of.campaign_id} and state = 'announced'`
      return row.announced === members.length
    })
    expect(await system.simulators.messages()).toHaveLength(members.length)
    await until(async () => (await campaign.status())?.pauseReason === null)
  },
)

it('an account that is refused for e-mail pauses the campaign too, and its requests are kept', async () => {
  await system.simulators.faults({ provider: 'sendgrid', status: 403 })
  await addMembers(system, [{ ...member, familyCard: true }])
  campaign = await startCampaign(system, planOf([100]))
  await until(async () => (await campaign.status())?.state === 'paused')
  expect((await campaign.status())?.pauseReason).toBe('sendgrid refuses our account')
  await system.simulators.clear()
  await campaign.command({ command: 'resume' })
  await until(async () => (await system.simulators.messages(member.email!)).length === 1)
})

it('a number that the provider refuses for good is unreachable, and its member asked for own settings', async () => {
  await system.simulators.faults({ to: member.phone!, status: 422 })
  await begin()
  await until(async () => (await standing())?.state === 'excluded')
  expect(await standing()).toMatchObject({ reason: 'phone_unreachable' })
  await until(async () => (await system.simulators.messages(member.email!)).length === 1)
})
