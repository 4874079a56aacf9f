/**
 * P2: nobody's codes are sent elsewhere without fresh proof of who they are and of the number; one statement decides, and a
 * repeated request changes nothing.
 */
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyMemberChanges } from '../postgres/members.ts'
import { readDestination, setDestination, type DestinationChange } from '../postgres/destinations.ts'
import { RULES, setOwn, verifiedChallenge } from './support/own-destinations.ts'
import { startSystem, type MemberFields, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())
beforeEach(() => system.shiftClock(0))

let numbers = 0
const newNumber = () => `+8180${String(20_000_000 + ++numbers)}`

/** A member with everything that it takes to register a number. */
async function ready(fields: MemberFields = {}) {
  const { sql } = system
  const memberId = await system.addMember({ channel: 'email', ...fields })
  const phone = newNumber()
  const email = `m${memberId}@example.jp`
  const stepUpId = await verifiedChallenge(sql, { memberId, purpose: 'change_membership', destination: email })
  const challengeId = await verifiedChallenge(sql, { memberId, purpose: 'register_phone', destination: phone })
  const request: DestinationChange = {
    memberId,
    version: 0,
    stepUpId,
    registration: { challengeId, phone, country: 'JP' },
    choice: 'sms',
  }
  return { memberId, phone, email, stepUpId, challengeId, request }
}

const set = (request: DestinationChange, rules: Partial<typeof RULES> = {}) =>
  setDestination(system.sql, request, { ...RULES, ...rules })
const refused = (reason: string) => ({ kind: 'refused', reason })

/** Nothing of a change stands. */
async function expectNothing(memberId: string) {
  const [row] = await system.sql`
    select (select count(*)::int from destinations where member_id = ${memberId}) as rows,
      (select count(*)::int from outbox where subject = ${memberId}) as events,
      (select count(*)::int from member_notices where member_id = ${memberId}) as notices`
  expect(row).toEqual({ rows: 0, events: 0, notices: 0 })
}

describe('the proof of who it is', () => {
  it.each<{ name: string; how: (it: Awaited<ReturnType<typeof ready>>) => Promise<Partial<DestinationChange>> }>([
    { name: 'none', how: async () => ({ stepUpId: null }) },
    { name: 'a challenge that is not known', how: async () => ({ stepUpId: uuidv7() }) },
    { name: 'a challenge of another purpose', how: async ({ challengeId }) => ({ stepUpId: challengeId }) },
    {
      name: 'another member’s challenge',
      how: async () => ({ stepUpId: (await ready()).stepUpId }),
    },
    {
      name: 'a challenge that was not verified',
      how: async ({ stepUpId }) => {
        await system.sql`update challenges set outcome = 'expired' where challenge_id = ${stepUpId}`
        return {}
      },
    },
    {
      name: 'a challenge from more than ten minutes ago',
      how: async () => {
        await system.shiftClock(600_001)
        return {}
      },
    },
    {
      name: 'a challenge at an address that is no longer the member’s',
      how: async ({ memberId }) => {
        await system.sql`update members set email = 'other@example.jp', version = version + 1 where member_id = ${memberId}`
        return {}
      },
    },
  ])('does not hold: $name', async ({ how }) => {
    const member = await ready()
    const request = { ...member.request, ...(await how(member)) }
    expect(await set(request)).toEqual(refused('step_up_required'))
    await expectNothing(member.memberId)
  })

  it('at the number that was replaced since proves nothing any more', async () => {
    const memberId = await system.addMember({ channel: 'sms' })
    const [row] = await system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    const destination = row.phone
    const stolen = await verifiedChallenge(system.sql, { memberId, purpose: 'change_membership', destination })
    expect(await setOwn(system.sql, memberId, { phone: newNumber() })).toMatchObject({ kind: 'changed' })
    const request = { memberId, version: 1, stepUpId: stolen, choice: 'email' } as const
    expect(await set(request)).toEqual(refused('step_up_required'))
  })
})

describe('the proof of the number', () => {
  it('is of exactly the number that is set', async () => {
    const member = await ready()
    const registration = { ...member.request.registration!, phone: newNumber() }
    expect(await set({ ...member.request, registration })).toEqual(refused('number_not_verified'))
    await expectNothing(member.memberId)
  })

  it('is the member’s own: two members may have one number, but each proves it', async () => {
    const [one, other] = [await ready(), await ready()]
    const request = { ...other.request, registration: one.request.registration! }
    expect(await set(request)).toEqual(refused('number_not_verified'))
    expect(await set(one.request)).toMatchObject({ kind: 'changed' })
    const { memberId } = other
    const again = await verifiedChallenge(system.sql, { memberId, purpose: 'register_phone', destination: one.phone })
    const registration = { ...one.request.registration!, challengeId: again }
    expect(await set({ ...other.request, registration })).toMatchObject({ kind: 'changed' })
  })

  it('is no other challenge that was verified there', async () => {
    const { memberId, phone, request } = await ready()
    for (const purpose of ['change_membership', 'view_membership']) {
      const challengeId = await verifiedChallenge(system.sql, { memberId, purpose, destination: phone })
      const registration = { ...request.registration!, challengeId }
      expect(await set({ ...request, registration })).toEqual(refused('number_not_verified'))
    }
  })

  it('sets a number once: after another one it has to be proven anew', async () => {
    const member = await ready()
    expect(await set(member.request)).toMatchObject({ kind: 'changed' })
    const { memberId, email } = member
    await setOwn(system.sql, memberId, { phone: newNumber() })
    const stepUpId = await verifiedChallenge(system.sql, { memberId, purpose: 'change_membership', destination: email })
    expect(await set({ ...member.request, stepUpId, version: 2 })).toEqual(refused('number_not_verified'))
  })
})

describe('a change', () => {
  it('that is sent again, also twice at once, changes nothing more', async () => {
    const { memberId, phone, request } = await ready()
    const answers = await Promise.all(Array.from({ length: 10 }, () => set(request)))
    const [done, ...others] = answers.toSorted((one, other) => one.kind.localeCompare(other.kind))
    expect(done).toMatchObject({ kind: 'changed' })
    expect(others).toEqual(others.map(() => refused('changed_meanwhile')))
    expect(await readDestination(system.sql, memberId, RULES)).toMatchObject({ version: 1, phone, preference: 'sms' })
    expect(await system.sql`select type, data from outbox where subject = ${memberId} order by id`).toEqual([
      { type: 'otp.destination.changed', data: { memberId, field: 'phone' } },
      { type: 'otp.destination.changed', data: { memberId, field: 'preference', channel: 'sms' } },
    ])
    expect(await system.sql`select from member_notices where member_id = ${memberId}`).toHaveLength(3)
  })

  it('by a form from before another change is refused', async () => {
    const { memberId, email, stepUpId } = await ready()
    expect(await set({ memberId, version: 0, stepUpId, choice: 'sms' })).toMatchObject({ kind: 'changed' })
    expect(await set({ memberId, version: 1, stepUpId, choice: 'email' })).toMatchObject({ kind: 'changed' })
    expect(await set({ memberId, version: 0, stepUpId, choice: 'sms' })).toEqual(refused('changed_meanwhile'))
    expect(await readDestination(system.sql, memberId, RULES)).toMatchObject({ preference: 'email', email })
  })

  it('to what stands is none', async () => {
    const { memberId, stepUpId } = await ready()
    expect(await set({ memberId, version: 0, stepUpId, choice: 'email' })).toEqual({ kind: 'unchanged' })
    await expectNothing(memberId)
  })

  it('is for residents of Japan', async () => {
    const member = await ready({ country: 'FR' })
    expect(await set(member.request)).toEqual(refused('not_resident'))
    await expectNothing(member.memberId)
  })

  it('is for members: not for who has withdrawn, who was erased, and whom nobody knows', async () => {
    const [withdrawn, erased] = [await ready(), await ready()]
    await system.sql`update members set status = 'withdrawn' where member_id = ${withdrawn.memberId}`
    await applyMemberChanges(system.sql, 0, [
      { memberId: erased.memberId, offset: '5', status: 'erased', version: null },
    ])
    for (const { request } of [withdrawn, erased]) expect(await set(request)).toEqual(refused('unknown_member'))
    expect(await set({ ...withdrawn.request, memberId: 'nobody' })).toEqual(refused('unknown_member'))
    await expectNothing(withdrawn.memberId)
    await expectNothing(erased.memberId)
  })

  it('to e-mail is refused where SMS is mandatory, also when a new number makes it so', async () => {
    const { memberId, stepUpId, request } = await ready()
    await system.sql`insert into enrollments (member_id, mandatory_since) values (${memberId}, now())`
    expect(await set({ memberId, version: 0, stepUpId, choice: 'email' })).toEqual(refused('sms_mandatory'))
    await system.sql`
      insert into reachability (member_id, phone, failed_at) select member_id, phone, now() from members
      where member_id = ${memberId}`
    expect(await set({ ...request, choice: 'email' })).toEqual(refused('sms_mandatory'))
    await expectNothing(memberId)
    expect(await set({ memberId, version: 0, stepUpId, choice: 'email' })).toEqual({ kind: 'unchanged' })
  })

  it('to what cannot be used is refused', async () => {
    const noPhone = await ready({ phone: null })
    const { memberId, stepUpId, request } = noPhone
    expect(await set({ memberId, version: 0, stepUpId, choice: 'sms' })).toEqual(refused('no_usable_phone'))
    expect(await set(request, { smsRefusedPrefixes: ['+8180'] })).toEqual(refused('no_usable_phone'))
    expect(await set(request, { smsCountries: ['TW'] })).toEqual(refused('no_usable_phone'))
    await expectNothing(memberId)
    const phone = newNumber()
    const noEmail = await system.addMember({ email: null, phone })
    const proven = { memberId: noEmail, purpose: 'change_membership', destination: phone }
    const change = { memberId: noEmail, version: 0, stepUpId: await verifiedChallenge(system.sql, proven) }
    expect(await set({ ...change, choice: 'email' })).toEqual(refused('no_usable_email'))
  })

  it('and an erasure at the same time leave nothing of the member’s', async () => {
    const members = await Promise.all(Array.from({ length: 20 }, () => ready()))
    await Promise.all(
      members.flatMap(({ memberId, request }) => [
        set(request),
        applyMemberChanges(system.sql, 0, [{ memberId, offset: '5', status: 'erased', version: null }]),
      ]),
    )
    const ids = members.map(({ memberId }) => memberId)
    expect(await system.sql`select from destinations where member_id = any(${ids})`).toHaveLength(0)
    expect(await system.sql`select from member_notices where member_id = any(${ids})`).toHaveLength(0)
  })
})
