/**
 * D8: the notices of a campaign and codes share the number of SMS a second that their provider takes; codes go first.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addMembers, planOf, sampleMember, startCampaign } from './support/campaigns.ts'
import { begin } from './support/endings.ts'
import { mostInASecond } from './support/most-in-a-second.ts'
import { patience } from './support/speed.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

const PER_SECOND = 20
const MEMBERS = 200
const CODES = 20

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SMS_PER_SECOND: String(PER_SECOND) })
  await Promise.all([system.process('workers/challenge-worker.ts'), system.process('workers/campaign-worker.ts')])
})
afterAll(() => system?.stop())

it('a campaign without a rate of its own leaves codes their pace, and the provider its limit', async () => {
  const members = Array.from({ length: MEMBERS }, (_, index) => ({
    ...sampleMember(index),
    status: 'active' as const,
    birthDate: '1980-01-01',
    // Three of four are asked to make settings of their own, by SMS, as there is no address.
    familyCard: index % 4 !== 0,
    email: null,
    notificationPreference: 'email' as const,
    phone: `+8190${String(12_000_000 + index)}`,
    phoneCountry: 'JP',
  }))
  await addMembers(system, members)
  const numbers = new Set(members.map(({ phone }) => phone))
  const arrivals = async () => (await system.simulators.messages()).filter(({ channel }) => channel === 'sms')
  const noticed = async () => (await arrivals()).filter(({ to }) => numbers.has(to)).length

  const whom = await Promise.all(Array.from({ length: CODES }, () => system.addMember({ email: null })))
  const campaign = await startCampaign(system, planOf([100]))
  await until(async () => (await noticed()) > PER_SECOND / 2)
  const began = Date.now()
  await Promise.all(whom.map((memberId) => begin(system, { memberId })))
  await until(async () => {
    const [row] = await system.sql`select from challenges where sent_at is null limit 1`
    return row === undefined
  })
  // As many as go out in a second, behind the few notices that were on their way, and what a busy machine takes.
  expect(Date.now() - began).toBeLessThan(patience(8))
  expect(await noticed()).toBeLessThan(MEMBERS)

  await until(async () => (await noticed()) === MEMBERS)
  const times = (await arrivals()).map(({ at }) => Date.parse(at))
  expect(times).toHaveLength(MEMBERS + CODES)
  // A slot is exact; a busy machine may be late for one, and on time for the next.
  expect(mostInASecond(times)).toBeLessThanOrEqual(PER_SECOND * 1.5)
  await campaign.command({ command: 'abort' })
})
