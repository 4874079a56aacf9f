/**
 * M1: withdrawal and erasure close an open challenge, and what was kept of its destination goes with the member.
 */
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CancelledFailure } from '@temporalio/common'
import type { WorkflowFailedError } from '@temporalio/client'
import { admitChallenge } from '../postgres/admission.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { applyMemberChanges, type MemberChange } from '../postgres/members.ts'
import { judgeFor, startByClient, startSystem, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SWEEP_INTERVAL_SECONDS: '1' })
  await system.process('workers/challenge-worker.ts')
})
afterAll(() => system?.stop())

const withdrawal = (memberId: string): MemberChange => ({
  memberId,
  offset: '10',
  status: 'withdrawn',
  version: 2,
  email: null,
  phone: null,
  phoneCountry: null,
  mobileCarrier: null,
  birthDate: null,
  familyCard: null,
  country: null,
  language: null,
  notificationPreference: null,
  eventTime: new Date().toISOString(),
})
const erasure = (memberId: string): MemberChange => ({ memberId, offset: '11', status: 'erased', version: null })

it.each([
  ['withdrawn', withdrawal],
  ['erased', erasure],
])('a member who is %s: the code is dead at once, and the execution shows as Canceled', async (_, change) => {
  const memberId = await system.addMember()
  const challengeId = uuidv7()
  const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
  const code = await system.until(async () => (await system.codes(memberId))[0])
  await applyMemberChanges(system.sql, 0, [change(memberId)])
  expect((await judgeFor(system, challengeId, code))?.result).toBe('cancelled')
  const failure = (await handle.result().catch((error: unknown) => error)) as WorkflowFailedError
  expect(failure.cause).toBeInstanceOf(CancelledFailure)
  expect(await readChallenge(system.sql, challengeId)).toMatchObject({ reason: 'member_withdrawn' })
})

it('an erased member’s destinations are erased with them', async () => {
  const memberId = await system.addMember()
  const challengeId = uuidv7()
  await admitChallenge(system.sql, system.config.policy, {
    challengeId,
    memberId,
    purpose: 'view_membership',
    caller: 'x',
  })
  await applyMemberChanges(system.sql, 0, [erasure(memberId)])
  expect(await readChallenge(system.sql, challengeId)).toMatchObject({ destination: null, outcome: 'cancelled' })
  const [kept] = await system.sql`select * from challenges where challenge_id = ${challengeId}`
  expect(kept).toMatchObject({ sms_prefix: null, destination: null })
})

it('a member without any challenge leaves no trace in the ledger', async () => {
  const memberId = await system.addMember()
  await applyMemberChanges(system.sql, 0, [erasure(memberId)])
  expect(await system.sql`select from challenge_heads where member_id = ${memberId}`).toHaveLength(0)
})
