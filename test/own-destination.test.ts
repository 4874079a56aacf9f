/**
 * M2: what counts of a member's own choice and of the member events is the later of the two, of each field by itself; and
 * whatever asks where a member's codes go, goes by that.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Channel } from '../domain/challenge.ts'
import { admitChallenge, moveToOtherChannel } from '../postgres/admission.ts'
import { openWave, planCampaign, startCampaign, stepCampaign, takeNotices } from '../postgres/campaigns.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { applyMemberChanges, type MemberChange } from '../postgres/members.ts'
import { paceOf } from '../postgres/provider-pace.ts'
import { planOf } from './support/campaigns.ts'
import { RULES, setOwn, verifiedChallenge } from './support/own-destinations.ts'
import { startSystem, type System } from './support/system.ts'

const EMAIL = 'hanako@example.jp'
const [A, B, C] = ['+819011111111', '+819022222222', '+819033333333'] as const
const DAY = '2026-12-01T00:00:00.000Z'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SMS_REFUSED_PREFIXES: '+81990' })
})
afterAll(() => system?.stop())
beforeEach(async () => {
  await system.sql`truncate members, destinations, challenges, challenge_heads, enrollments, reachability, campaign_queue,
    campaigns, campaign_waves, campaign_members, campaign_notices, member_notices, outbox cascade`
  await system.shiftClock(0)
})

/** An event that arrives at its time, unless `arrives` says when. */
interface Event {
  readonly event: { phone?: string | null; preference?: Channel; carrier?: string; email?: string | null }
  readonly at: number
  readonly arrives?: number
}
type Step =
  | Event
  | { readonly own: { phone?: string; choice?: Channel }; readonly at: number }
  | { readonly gone: 'erased' | 'withdrawn'; readonly at: number }

const timeOf = (hours: number) => new Date(Date.parse(DAY) + hours * 3_600_000).toISOString()
const clockAt = (hours: number) => system.stopClock(DAY, hours * 3_600_000)

/** A history of one member, by hours; each event has the next version. */
async function live(steps: readonly Step[]): Promise<string> {
  const memberId = String(randomInt(100_000_000, 999_999_999))
  let version = 0
  for (const step of steps) {
    if ('own' in step) {
      await clockAt(step.at)
      const { kind } = await setOwn(system.sql, memberId, step.own)
      if (kind !== 'changed') throw new Error(kind)
      continue
    }
    await clockAt(('arrives' in step ? step.arrives : undefined) ?? step.at)
    version++
    const change: MemberChange =
      'gone' in step && step.gone === 'erased'
        ? { memberId, offset: String(version), status: 'erased', version: null }
        : stateOf(memberId, version, step)
    await applyMemberChanges(system.sql, 0, [change])
  }
  await clockAt(100)
  return memberId
}

const stateOf = (memberId: string, version: number, step: Step): MemberChange => {
  const isGone = 'gone' in step
  const { phone = A, preference = 'email', carrier = 'docomo', email = EMAIL } = 'event' in step ? step.event : {}
  return {
    memberId,
    offset: String(version),
    status: isGone ? 'withdrawn' : 'active',
    version,
    email: isGone ? null : email,
    phone: isGone ? null : phone,
    phoneCountry: isGone || phone === null ? null : 'JP',
    mobileCarrier: isGone ? null : carrier,
    birthDate: null,
    familyCard: false,
    country: isGone ? null : 'JP',
    language: 'ja',
    notificationPreference: isGone ? null : preference,
    eventTime: timeOf(step.at),
  }
}

async function destinationOf(memberId: string, channel?: Channel) {
  const admission = await admitChallenge(system.sql, system.config.policy, {
    challengeId: uuidv7(),
    memberId,
    purpose: 'view_membership',
    caller: 'test',
    ...(channel && { channel }),
  })
  if (!('challenge' in admission)) throw new Error(admission.kind)
  return admission.challenge.destination
}

describe('the later of the two counts', () => {
  it.each<{ name: string; steps: Step[]; code: string; sms: string }>([
    { name: 'nothing of our own', steps: [{ event: {}, at: 0 }], code: EMAIL, sms: A },
    {
      name: 'our own after the event',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
      ],
      code: B,
      sms: B,
    },
    {
      name: 'a number alone: the preference stays that of the event',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B }, at: 1 },
      ],
      code: EMAIL,
      sms: B,
    },
    {
      name: 'a choice alone: the number stays that of the event',
      steps: [
        { event: {}, at: 0 },
        { own: { choice: 'sms' }, at: 1 },
      ],
      code: A,
      sms: A,
    },
    {
      name: 'a later event that changes the number: of each field by itself',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { event: { phone: C }, at: 2 },
      ],
      code: C,
      sms: C,
    },
    {
      name: 'a later event that changes neither takes nothing back',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { event: { email: 'new@example.jp', carrier: 'softbank' }, at: 2 },
        { event: { email: 'newer@example.jp' }, at: 3 },
      ],
      code: B,
      sms: B,
    },
    {
      name: 'a later event that changes the preference leaves the number',
      steps: [
        { event: { preference: 'sms' }, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { event: { preference: 'email' }, at: 2 },
      ],
      code: EMAIL,
      sms: B,
    },
    {
      name: 'an event from before our own that arrives after it',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 2 },
        { event: { phone: C, preference: 'email' }, at: 1, arrives: 3 },
      ],
      code: B,
      sms: B,
    },
    {
      name: 'an event that takes the number away and one that gives it back',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { event: { phone: null }, at: 2 },
        { event: { phone: A }, at: 3 },
      ],
      code: A,
      sms: A,
    },
    {
      name: 'an event of a source whose clock is ahead does not outrank a later choice',
      steps: [
        { event: {}, at: 50, arrives: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
      ],
      code: B,
      sms: B,
    },
    {
      name: 'an event of a source whose clock is ahead, after our own, counts from when it came',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { event: { phone: C }, at: 50, arrives: 2 },
        { own: { phone: A }, at: 3 },
      ],
      code: A,
      sms: A,
    },
    {
      name: 'our own again, after the event',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { event: { phone: C, preference: 'sms' }, at: 2 },
        { own: { choice: 'email' }, at: 3 },
      ],
      code: EMAIL,
      sms: C,
    },
    {
      name: 'erased and back with the same number: nothing of our own is left',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { gone: 'erased', at: 2 },
        { event: {}, at: 0.5, arrives: 3 },
      ],
      code: EMAIL,
      sms: A,
    },
    {
      name: 'withdrawn and back: what the event tells is later',
      steps: [
        { event: {}, at: 0 },
        { own: { phone: B, choice: 'sms' }, at: 1 },
        { gone: 'withdrawn', at: 2 },
        { event: {}, at: 3 },
      ],
      code: EMAIL,
      sms: A,
    },
  ])('$name', async ({ steps, code, sms }) => {
    const memberId = await live(steps)
    const email = steps.findLast((step) => 'event' in step)
    const expected = code === EMAIL && email && 'event' in email ? (email.event.email ?? EMAIL) : code
    expect(await destinationOf(memberId)).toBe(expected)
    await system.sql`truncate challenges cascade`
    expect(await destinationOf(memberId, 'sms')).toBe(sms)
  })

  it('a member from before there was anything of our own, whose fields have no time', async () => {
    const memberId = await system.addMember({ channel: 'email', email: EMAIL, phone: A })
    await setOwn(system.sql, memberId, { phone: B, choice: 'sms' })
    expect(await destinationOf(memberId)).toBe(B)
  })
})

it('a tombstone erases what the member set, and the notices of it', async () => {
  const memberId = await live([
    { event: {}, at: 0 },
    { own: { phone: B, choice: 'sms' }, at: 1 },
    { gone: 'erased', at: 2 },
  ])
  expect(await system.sql`select from destinations where member_id = ${memberId}`).toHaveLength(0)
  expect(await system.sql`select from member_notices where member_id = ${memberId}`).toHaveLength(0)
})

describe('whatever asks where codes go', () => {
  const registered = (more: Event['event'] = {}) =>
    live([
      { event: { ...more }, at: 0 },
      { own: { phone: B }, at: 1 },
    ])

  it('a failover goes to the own number', async () => {
    const memberId = await registered()
    const challengeId = uuidv7()
    await admitChallenge(system.sql, system.config.policy, {
      challengeId,
      memberId,
      purpose: 'view_membership',
      caller: 'test',
    })
    await system.sql`update challenges set send_began_at = challenge_now(), expires_at = challenge_now() + interval '10 minutes'
      where challenge_id = ${challengeId}`
    await system.sql`update challenge_heads set newest_challenge_id = ${challengeId} where member_id = ${memberId}`
    const challenge = await readChallenge(system.sql, challengeId)
    expect(await moveToOtherChannel(system.sql, system.config.policy, challenge!)).toEqual({ kind: 'moved' })
    expect((await readChallenge(system.sql, challengeId))?.destination).toBe(B)
    // Nobody knows the carrier of a number that only the member told us.
    const [row] = await system.sql`select mobile_carrier from challenges where challenge_id = ${challengeId}`
    expect(row!['mobile_carrier']).toBeNull()
  })

  it('an SMS to the own number has the sender of the carrier that a later event names for it', async () => {
    const memberId = await live([
      { event: { carrier: 'docomo' }, at: 0 },
      { own: { phone: B }, at: 1 },
      { event: { phone: B, carrier: 'Y!mobile' }, at: 2 },
      // Of something else.
      { event: { phone: B, carrier: 'Y!mobile', email: 'other@example.jp' }, at: 3 },
    ])
    const admission = await admitChallenge(system.sql, system.config.policy, {
      challengeId: uuidv7(),
      memberId,
      purpose: 'view_membership',
      caller: 'test',
      channel: 'sms',
    })
    expect(admission.kind).toBe('admitted')
    const [row] = await system.sql`select destination, mobile_carrier from challenges
      where member_id = ${memberId} and purpose = 'view_membership'`
    expect(row).toEqual({ destination: B, mobile_carrier: 'Y!mobile' })
  })

  it('mandatory SMS goes by the own number, and is over when that cannot be reached', async () => {
    const memberId = await registered()
    await system.sql`insert into enrollments (member_id, mandatory_since) values (${memberId}, '2026-01-01')`
    expect(await destinationOf(memberId)).toBe(B)
    await system.sql`truncate challenges cascade`
    await system.sql`insert into reachability (member_id, phone, failed_at) values (${memberId}, ${A}, now())`
    expect(await destinationOf(memberId)).toBe(B)
    await system.sql`truncate challenges cascade`
    await system.sql`update reachability set phone = ${B}`
    expect(await destinationOf(memberId)).toBe(EMAIL)
  })

  it('a receipt of an SMS to the own number says whether the member can be reached; one to the number before does not', async () => {
    const memberId = await registered()
    for (const [destination, known] of [
      [A, 0],
      [B, 1],
    ] as const) {
      const challengeId = await verifiedChallenge(system.sql, { memberId, purpose: 'view_membership', destination })
      await system.sql`
        select apply_receipts('vonage', array[${randomUUID()}], array[${challengeId}], array['m'], array['failed'],
          array['1190'], array[now()::text], array['destination'])`
      expect(await system.sql`select from reachability where phone = ${destination}`).toHaveLength(known)
    }
  })

  it('a registration of a number that receipts called unreachable makes it reachable', async () => {
    const memberId = await live([{ event: {}, at: 0 }])
    await system.sql`insert into reachability (member_id, phone, failed_at) values (${memberId}, ${B}, now())`
    await setOwn(system.sql, memberId, { phone: B })
    expect(await system.sql`select from reachability`).toHaveLength(0)
  })

  const pace = paceOf(
    { perSecond: { sms: 0, email: 0 }, failuresBeforePause: 0, pauseMostMs: 30_000 },
    { sms: { id: 'vonage' }, email: { id: 'sendgrid' } },
  )
  const campaignRules = { ...RULES, enforceAfterSeconds: 60, leaseSeconds: 30, pace }
  const draw = async () => {
    await startCampaign(system.sql, { campaignId: 'autumn', plan: planOf([100]), by: 'test', claimed: false })
    await openWave(system.sql, 'autumn', 1)
    while ((await stepCampaign(system.sql, 'autumn', campaignRules, 100)) !== undefined);
  }
  const placeOf = async (memberId: string) => {
    const [row] = await system.sql<{ state: string; reason: string | null; phone: string | null }[]>`
      select state, reason, phone from campaign_members where member_id = ${memberId}`
    return row
  }

  it('a campaign announces to the own number, and takes who had none', async () => {
    const memberId = await registered({ phone: null })
    const without = await live([{ event: { phone: null }, at: 0 }])
    expect(await planCampaign(system.sql, 'autumn', planOf([100]), campaignRules)).toEqual([
      { wave: 1, reason: null, chosenSms: false, members: 1 },
      { wave: 1, reason: 'no_phone', chosenSms: false, members: 1 },
    ])
    await draw()
    expect(await placeOf(memberId)).toEqual({ state: 'awaiting', reason: null, phone: B })
    expect(await placeOf(without)).toMatchObject({ state: 'excluded', reason: 'no_phone' })
    const notices = await takeNotices(system.sql, 'autumn', campaignRules, 10)
    expect(notices.find((notice) => notice.memberId === memberId)).toMatchObject({ phone: B, mobileCarrier: null })
  })

  it('a campaign announces nothing to who has chosen SMS on our page', async () => {
    const memberId = await live([
      { event: {}, at: 0 },
      { own: { choice: 'sms' }, at: 1 },
    ])
    await draw()
    expect(await placeOf(memberId)).toMatchObject({ state: 'enforced' })
  })

  it('a change while a campaign stands is looked at: another number is announced anew, and a choice of SMS is enforced', async () => {
    const [other, chooser] = [await live([{ event: {}, at: 0 }]), await live([{ event: {}, at: 0 }])]
    await draw()
    expect(await placeOf(other)).toMatchObject({ state: 'awaiting', phone: A })
    await setOwn(system.sql, other, { phone: B })
    await setOwn(system.sql, chooser, { choice: 'sms' })
    await stepCampaign(system.sql, 'autumn', campaignRules, 100)
    expect(await placeOf(other)).toMatchObject({ state: 'awaiting', phone: B })
    expect(await placeOf(chooser)).toMatchObject({ state: 'enforced' })
  })

  it('a number in a refused range makes nobody’s SMS mandatory: such a member would get no code', async () => {
    const memberId = await live([{ event: { phone: '+819901234567' }, at: 0 }])
    await system.sql`insert into enrollments (member_id, mandatory_since) values (${memberId}, '2026-01-01')`
    expect(await destinationOf(memberId)).toBe(EMAIL)
    await draw()
    expect(await placeOf(memberId)).toMatchObject({ state: 'excluded', reason: 'phone_unreachable' })
    const [notice] = await takeNotices(system.sql, 'autumn', campaignRules, 10)
    expect(notice).toMatchObject({ kind: 'own_settings', phone: null, email: EMAIL })
  })
})
