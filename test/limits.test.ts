/**
 * C9, C13: issuing is limited, a refusal names when to try again and changes nothing, and a repeated request is one
 * request.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Policy } from '../config.ts'
import { admitChallenge, type AdmissionRequest } from '../postgres/admission.ts'
import { closeChallenge, type Limit } from '../postgres/challenges.ts'
import { applyMemberChanges } from '../postgres/members.ts'
import { readCodeEntry } from '../postgres/page-visits.ts'
import { forgetABatch } from './support/forget.ts'
import { startSystem, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())
let shift = 0
beforeEach(() => {
  shift = 0
  return system.shiftClock(0)
})
const later = (seconds: number) => system.shiftClock((shift += seconds * 1000))

const admit = (request: Partial<AdmissionRequest> & { memberId: string }, policy: Partial<Policy>) =>
  admitChallenge(
    system.sql,
    { ...system.config.policy, ...policy },
    { challengeId: uuidv7(), purpose: 'view_membership', caller: 'test', ...request },
  )
const refusal = (retryAfter: number, limit: Limit) => ({
  kind: 'refused',
  reason: 'too_many_challenges',
  retryAfter,
  limit,
})
/** 0800 is toll-free, and refused. */
const aPhone = () => `+8180${randomInt(10_000_000, 99_999_999)}`
const idOf = (admission: Awaited<ReturnType<typeof admit>>) => {
  if (!('challenge' in admission)) throw new Error(admission.kind)
  return admission.challenge.challengeId
}

describe('the cooldown', () => {
  const policy = { cooldownSeconds: 30 }
  it('keeps a second challenge to the same destination off for 30 s, to the second', async () => {
    const memberId = await system.addMember()
    // Its send began: what is only admitted would be void at the same moment.
    const id = idOf(await admit({ memberId }, policy))
    await system.sql`update challenges set send_began_at = admitted_at where challenge_id = ${id}`
    expect(await admit({ memberId }, policy)).toEqual(refusal(30, 'cooldown'))
    await later(29)
    expect(await admit({ memberId }, policy)).toEqual(refusal(1, 'cooldown'))
    await later(1)
    expect((await admit({ memberId }, policy)).kind).toBe('admitted')
  })

  it('does not keep the other channel off', async () => {
    const memberId = await system.addMember()
    await admit({ memberId, channel: 'sms' }, policy)
    expect((await admit({ memberId, channel: 'email' }, policy)).kind).toBe('admitted')
  })

  it('ends when a challenge is verified, and not when it is cancelled', async () => {
    const memberId = await system.addMember()
    const id = idOf(await admit({ memberId }, policy))
    await system.sql`update challenges set send_began_at = admitted_at where challenge_id = ${id}`
    await closeChallenge(system.sql, { challengeId: id, as: 'cancelled', fromWorkflow: false }, system.config.policy)
    expect((await admit({ memberId }, policy)).kind).toBe('refused')
    await system.sql`update challenges set outcome = 'verified' where challenge_id = ${id}`
    expect((await admit({ memberId }, policy)).kind).toBe('admitted')
  })
})

describe('the number of challenges', () => {
  it('is limited per member in 10 minutes, also when all start at once', async () => {
    const memberId = await system.addMember()
    const all = await Promise.all(Array.from({ length: 30 }, () => admit({ memberId }, { limitPer10Minutes: 5 })))
    expect(all.filter(({ kind }) => kind === 'admitted')).toHaveLength(5)
    expect(all.find(({ kind }) => kind === 'refused')).toEqual(refusal(600, 'member'))
  })

  it('is limited per destination over the members that share it, also when all start at once', async () => {
    const phone = aPhone()
    const family = await Promise.all(Array.from({ length: 12 }, () => system.addMember({ phone })))
    const all = await Promise.all(family.map((memberId) => admit({ memberId }, { limitPer10Minutes: 5 })))
    expect(all.filter(({ kind }) => kind === 'admitted')).toHaveLength(5)
  })

  it('is limited in 24 hours', async () => {
    const memberId = await system.addMember()
    for (let n = 0; n < 3; n++) {
      const id = idOf(await admit({ memberId }, { limitPer24Hours: 3 }))
      await system.sql`update challenges set send_began_at = admitted_at where challenge_id = ${id}`
      await later(3_600)
    }
    expect(await admit({ memberId }, { limitPer24Hours: 3 })).toEqual(refusal(21 * 3_600, 'member'))
    await later(21 * 3_600)
    expect((await admit({ memberId }, { limitPer24Hours: 3 })).kind).toBe('admitted')
  })

  it('is limited per end-user address', async () => {
    const ipHash = 'ab'.repeat(32)
    const policy = { ipLimitPer10Minutes: 2 }
    const memberIds = await Promise.all(Array.from({ length: 3 }, () => system.addMember()))
    const [first, second, third] = memberIds
    await admit({ memberId: first!, ipHash }, policy)
    await admit({ memberId: second!, ipHash }, policy)
    expect(await admit({ memberId: third!, ipHash }, policy)).toEqual(refusal(600, 'ip'))
    expect((await admit({ memberId: third!, ipHash: 'cd'.repeat(32) }, policy)).kind).toBe('admitted')
  })

  it('is limited per hour for a block of phone numbers, against SMS pumping', async () => {
    const policy = { smsLimitPerPrefixPerHour: 2 }
    const block = aPhone().slice(0, -4)
    const [a, b, c] = await Promise.all(['0001', '0002', '0003'].map((n) => system.addMember({ phone: block + n })))
    await admit({ memberId: a! }, policy)
    await admit({ memberId: b! }, policy)
    expect(await admit({ memberId: c! }, policy)).toEqual(refusal(3_600, 'sms_prefix'))
    expect((await admit({ memberId: c!, channel: 'email' }, policy)).kind).toBe('admitted')
  })

  it.each([
    ['end-user address', { ipLimitPer10Minutes: 3 }, { ipHash: 'ef'.repeat(32) }],
    ['block of phone numbers', { smsLimitPerPrefixPerHour: 3 }, {}],
  ])('admits no more than the limit of an %s where many ask at once', async (_what, policy, more) => {
    const block = aPhone().slice(0, -4)
    const phones = Array.from({ length: 20 }, (_, n) => block + String(n).padStart(4, '0'))
    const memberIds = await Promise.all(phones.map((phone) => system.addMember({ phone })))
    const admissions = await Promise.all(memberIds.map((memberId) => admit({ memberId, ...more }, policy)))
    expect(admissions.filter(({ kind }) => kind === 'admitted')).toHaveLength(3)
  })
})

describe('a number that others register (F19)', () => {
  const policy = { limitPer10Minutes: 5, limitPer24Hours: 20, registrationLimitPer24Hours: 3 }
  const registering = (phone: string) => ({
    purpose: 'register_phone',
    registering: { e164: phone, country: 'JP' },
  })

  it('has a small budget of its own for them, and its owner gets a code however many ask', async () => {
    const phone = aPhone()
    const owner = await system.addMember({ phone })
    const others = await Promise.all(Array.from({ length: 20 }, () => system.addMember()))
    const all = await Promise.all(others.map((memberId) => admit({ memberId, ...registering(phone) }, policy)))
    expect(all.filter(({ kind }) => kind === 'admitted')).toHaveLength(3)
    const refused = all.filter(({ kind }) => kind === 'refused')
    expect(refused).toEqual(Array.from({ length: 17 }, () => refusal(86_400, 'registration')))
    for (let n = 0; n < 5; n++) expect((await admit({ memberId: owner }, policy)).kind).toBe('admitted')
    expect(await admit({ memberId: owner }, policy)).toMatchObject({ kind: 'refused', limit: 'member' })
  })

  it('is no other’s for the member who has it', async () => {
    const phone = aPhone()
    const owner = await system.addMember({ phone })
    for (let n = 0; n < 5; n++)
      expect((await admit({ memberId: owner, ...registering(phone) }, policy)).kind).toBe('admitted')
  })
})

describe('a challenge that waited for its provider', () => {
  it('counts from its send where its limits were given back meanwhile', async () => {
    const policy = { limitPer10Minutes: 1, cooldownSeconds: 30 }
    const memberId = await system.addMember()
    const id = idOf(await admit({ memberId }, policy))
    await later(300)
    await system.sql`update challenges set send_began_at = challenge_now(), asked_at = challenge_now() where challenge_id = ${id}`
    await later(1)
    expect(await admit({ memberId, channel: 'email' }, policy)).toEqual(refusal(599, 'member'))
    expect(await admit({ memberId }, { cooldownSeconds: 30 })).toEqual(refusal(29, 'cooldown'))
    await later(598)
    expect(await admit({ memberId }, policy)).toEqual(refusal(1, 'member'))
    await later(1)
    expect((await admit({ memberId }, policy)).kind).toBe('admitted')
  })

  it('counts from its admission where it was sent soon', async () => {
    const policy = { limitPer10Minutes: 1 }
    const memberId = await system.addMember()
    const id = idOf(await admit({ memberId }, policy))
    await later(20)
    await system.sql`update challenges set send_began_at = challenge_now() where challenge_id = ${id}`
    expect(await admit({ memberId }, policy)).toEqual(refusal(580, 'member'))
  })
})

describe('a refused start', () => {
  const keptOf = (memberId: string) => system.sql<{ purpose: string; caller: string; reason: string }[]>`
    select purpose, caller, reason from refused_starts where member_id = ${memberId} order by at`

  it('is kept with its reason, and the newest twenty of a member', async () => {
    const memberId = await system.addMember()
    await admit({ memberId }, {})
    for (let n = 0; n < 25; n++) {
      await admit({ memberId, purpose: n < 10 ? 'redeem_benefit' : 'view_membership' }, { limitPer10Minutes: 1 })
    }
    const kept = await keptOf(memberId)
    expect(kept).toHaveLength(20)
    expect(kept.at(0)).toEqual({ purpose: 'redeem_benefit', caller: 'test', reason: 'member' })
    expect(kept.at(-1)).toEqual({ purpose: 'view_membership', caller: 'test', reason: 'member' })
  })

  it('is kept where there is nothing to send to, and not for whom nobody knows', async () => {
    const memberId = await system.addMember({ phone: null, email: null })
    await admit({ memberId }, {})
    expect(await keptOf(memberId)).toMatchObject([{ reason: 'no_destination' }])
    await admit({ memberId: 'nobody' }, {})
    await admit({ memberId, purpose: 'not_a_purpose' }, {})
    expect(await keptOf('nobody')).toEqual([])
    expect(await keptOf(memberId)).toHaveLength(1)
  })

  it('is forgotten when its time is over, and with its member', async () => {
    const [stays, erased] = [
      await system.addMember({ phone: null, email: null }),
      await system.addMember({ phone: null, email: null }),
    ]
    await admit({ memberId: stays }, {})
    await admit({ memberId: erased }, {})
    await applyMemberChanges(system.sql, 0, [{ memberId: erased, offset: '9', status: 'erased', version: null }])
    expect(await keptOf(erased)).toEqual([])
    await later(23 * 3_600)
    await forgetABatch(system.sql, { refusedStartHours: 24 })
    expect(await keptOf(stays)).toHaveLength(1)
    await later(2 * 3_600)
    expect(await forgetABatch(system.sql, { refusedStartHours: 24 })).toBe(false)
    expect(await keptOf(stays)).toEqual([])
  })
})

describe('a destination that policy does not allow', () => {
  it('is never an SMS to a country outside the list', async () => {
    const memberId = await system.addMember({ phone: '+12025550123', email: null, country: 'US' })
    expect(await admit({ memberId }, {})).toMatchObject({ kind: 'undeliverable', advice: 'contact_center' })
    expect((await admit({ memberId }, { smsCountries: ['JP', 'US'] })).kind).toBe('admitted')
  })
})

describe('the same idempotency key', () => {
  it('from the same caller with the same request is one challenge, also when both come at once', async () => {
    const memberId = await system.addMember()
    const idempotency = { key: randomUUID(), requestHash: '01' }
    const policy = { limitPer10Minutes: 1 }
    const all = await Promise.all(Array.from({ length: 10 }, () => admit({ memberId, idempotency }, policy)))
    expect(new Set(all.map(idOf)).size).toBe(1)
    expect(all.filter(({ kind }) => kind === 'admitted')).toHaveLength(1)
    expect((await admit({ memberId, idempotency, caller: 'another' }, {})).kind).toBe('admitted')
  })

  it('with another request is refused, also for another member at the same moment', async () => {
    const key = randomUUID()
    const [a, b] = await Promise.all([system.addMember(), system.addMember()])
    const both = await Promise.all([
      admit({ memberId: a, idempotency: { key, requestHash: '0a' } }, {}),
      admit({ memberId: b, idempotency: { key, requestHash: '0b' } }, {}),
    ])
    expect(both.map(({ kind }) => kind).sort()).toEqual(['admitted', 'refused'])
    expect(both).toContainEqual({ kind: 'refused', reason: 'idempotency_key_reused' })
  })
})

describe('a chain of resends', () => {
  it.each(['verified', 'cancelled'])('does not go on from one that is %s', async (outcome) => {
    const memberId = await system.addMember()
    const id = idOf(await admit({ memberId }, {}))
    await system.sql`update challenges set outcome = ${outcome} where challenge_id = ${id}`
    expect(await admit({ memberId, continues: id }, {})).toMatchObject({ kind: 'refused', reason: 'challenge_closed' })
  })

  it('goes on from the last that was sent where a resend died half-way', async () => {
    const memberId = await system.addMember()
    const id = idOf(await admit({ memberId }, {}))
    await system.sql`update challenges set send_began_at = admitted_at where challenge_id = ${id}`
    const dead = idOf(await admit({ memberId, continues: id }, {}))
    const as = { as: 'cancelled', reason: 'start_abandoned', fromWorkflow: true } as const
    await closeChallenge(system.sql, { challengeId: dead, ...as }, system.config.policy)
    const next = await admit({ memberId, continues: id }, {})
    expect(next).toMatchObject({ kind: 'admitted', challenge: { continues: id } })
  })

  it('shows what was admitted last, and after it is void what is live', async () => {
    const memberId = await system.addMember()
    const live = idOf(await admit({ memberId }, {}))
    await system.sql`
      update challenges set send_began_at = admitted_at, expires_at = admitted_at + interval '10 minutes'
      where challenge_id = ${live}`
    const waiting = idOf(await admit({ memberId, continues: live }, {}))
    const rules = { ...system.config.policy, proofSeconds: 120 }
    const shown = async () => (await readCodeEntry(system.sql, live, undefined, rules))?.challenge.challengeId
    expect(await shown()).toBe(waiting)
    await later(31)
    expect(await shown()).toBe(live)
    // Sent at last: then it is the newest.
    await system.sql`update challenges set send_began_at = challenge_now() where challenge_id = ${waiting}`
    expect(await shown()).toBe(waiting)
    await system.sql`update challenges set outcome = 'verified', closed_at = challenge_now() where challenge_id = ${live}`
    expect(await shown()).toBe(live)
  })

  it('does not take over another member’s challenge', async () => {
    const id = idOf(await admit({ memberId: await system.addMember() }, {}))
    const other = await admit({ memberId: await system.addMember(), continues: id }, {})
    expect(other).toMatchObject({ kind: 'refused', reason: 'challenge_closed' })
  })
})
