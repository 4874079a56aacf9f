/**
 * D6, C4: whatever a provider does, the same code or none, inside the code's life. What one failure means for the
 * sends of others is in `provider-pace.test.ts`.
 */
import { randomUUID } from 'node:crypto'
import { WorkflowFailedError } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyCode } from '../client/verify-code.ts'
import type { Fault } from '../local/simulators/faults.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { CHANNEL } from '../workflows/search-attributes.ts'
import { begin, endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { codeOf } from './support/simulators.ts'
import { lengthened, patience } from './support/speed.ts'
import { startSystem, type MemberFields, type System } from './support/system.ts'

/** A provider counts as silent after a second. */
let system: System
/** A code lives 6 s, of which the member must have 3. */
let brief: System
beforeAll(async () => {
  ;[system, brief] = await Promise.all([
    startSystem({ OTP_PROVIDER_TIMEOUT_SECONDS: '1' }),
    startSystem({ OTP_CODE_TTL_SECONDS: lengthened(6), OTP_CODE_MIN_LIFE_SECONDS: lengthened(3) }),
  ])
  await Promise.all([system, brief].map((each) => each.process('workers/challenge-worker.ts')))
})
afterAll(() => Promise.all([system?.stop(), brief?.stop()]))

/** Starts a challenge of a new member, whose messages meet these faults in turn. */
async function startUnder(
  faults: Omit<Fault, 'to'>[],
  { on = system, channel = 'sms', ...fields }: MemberFields & { on?: System } = {},
) {
  const memberId = await on.addMember({ channel, ...fields })
  const [member] = await on.sql<[{ to: string }]>`
    select case when notification_preference = 'sms' then phone else email end as to
    from members where member_id = ${memberId}`
  for (const fault of faults) await on.simulators.faults({ ...fault, to: member.to })
  const challengeId = await begin(on, { memberId })
  const messages = () => on.simulators.messages(member.to)
  return { memberId, challengeId, messages }
}

type Started = Awaited<ReturnType<typeof startUnder>>

const isSent = async ({ challengeId }: Started, on = system) =>
  (await readChallenge(on.sql, challengeId))?.sentAt ?? undefined

async function verifyWithItsCode(started: Started, on = system) {
  const { challengeId, messages } = started
  const [newest] = await messages()
  const submission = { challengeId, code: codeOf(newest!), attemptId: randomUUID() }
  const verified = await verifyCode({ ...on.judge, temporal: on.temporal }, submission)
  await verified?.told
  return verified?.answer.result
}

/** The failure that the execution ended with. */
async function failureOf({ memberId }: Started, on = system) {
  const failure: unknown = await executionOf(on, memberId)
    .result()
    .catch((error: unknown) => error)
  if (!(failure instanceof WorkflowFailedError)) throw new Error('the execution did not fail')
  return failure.cause
}

describe.concurrent.each(['sms', 'email'] as const)('by %s', (channel) => {
  it('an answer lost after the provider accepted leads to the same code again, and to no other', async () => {
    const started = await startUnder([{ drop: 'after', times: 1 }], { channel })
    await system.until(() => isSent(started))
    const messages = await started.messages()
    expect(messages).toHaveLength(2)
    expect(new Set(messages.map(codeOf)).size).toBe(1)
    expect(await verifyWithItsCode(started)).toBe('verified')
    expect(await endingOf(system, started.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('an answer that comes too late is a lost one', async () => {
    const started = await startUnder([{ latencyMs: 3_000, times: 1 }], { channel })
    await system.until(() => isSent(started))
    const messages = await started.messages()
    expect(messages).toHaveLength(2)
    expect(new Set(messages.map(codeOf)).size).toBe(1)
    expect(await verifyWithItsCode(started)).toBe('verified')
  })

  it('a connection that breaks before anything was accepted is tried again', async () => {
    const started = await startUnder([{ drop: 'before', times: 1 }], { channel })
    await system.until(() => isSent(started))
    expect(await started.messages()).toHaveLength(1)
    expect(await verifyWithItsCode(started)).toBe('verified')
  })

  it('500s are tried again, and the life of the code does not grow by it', async () => {
    const started = await startUnder([{ status: 500, times: 2 }], { channel })
    const sentAt = await system.until(() => isSent(started))
    const challenge = await readChallenge(system.sql, started.challengeId)
    expect(await started.messages()).toHaveLength(1)
    // Two pauses, of a second and of two.
    expect(Date.parse(sentAt) - Date.parse(challenge!.sendBeganAt!)).toBeGreaterThan(2_500)
    expect(Date.parse(challenge!.expiresAt!) - Date.parse(challenge!.sendBeganAt!)).toBe(600_000)
    expect(await verifyWithItsCode(started)).toBe('verified')
  })

  it.each([400, 422])('a %i is final, and without another channel undeliverable at once', async (status) => {
    const without = channel === 'sms' ? { email: null } : { phone: null }
    const started = await startUnder([{ status, times: 1 }], { channel, ...without })
    expect(await failureOf(started)).toMatchObject({
      type: 'undeliverable',
      details: [{ outcome: 'undeliverable', reason: 'rejected_by_provider', advice: 'contact_center' }],
    })
    expect((await executionOf(system, started.memberId).describe()).status.name).toBe('FAILED')
    expect(await endingOf(system, started.challengeId)).toEqual(endedOnceAs('undeliverable'))
    expect(await started.messages()).toEqual([])
  })

  it.each<Pick<Fault, 'status' | 'about'>>([
    { status: 400 },
    { status: 422 },
    { status: 422, about: 'from' },
    { status: 401 },
    { status: 403 },
    { status: 404 },
  ])('%j sends the same code by the other channel, with the same expiry', async (fault) => {
    const started = await startUnder([fault], { channel })
    await system.until(() => isSent(started))
    const challenge = await readChallenge(system.sql, started.challengeId)
    expect(challenge).toMatchObject({ channel: channel === 'sms' ? 'email' : 'sms', outcome: null })
    expect(Date.parse(challenge!.expiresAt!) - Date.parse(challenge!.sendBeganAt!)).toBe(600_000)
    const [message, ...more] = await system.simulators.messages(challenge!.destination!)
    expect(more).toEqual([])
    expect(await started.messages()).toEqual([])
    const submission = { challengeId: started.challengeId, code: codeOf(message!), attemptId: randomUUID() }
    const verified = await verifyCode({ ...system.judge, temporal: system.temporal }, submission)
    await verified?.told
    expect(await executionOf(system, started.memberId).result()).toMatchObject({ outcome: 'verified' })
    const { typedSearchAttributes } = await executionOf(system, started.memberId).describe()
    expect(typedSearchAttributes.get(CHANNEL)).toBe(challenge!.channel)
  })

  it.each<Pick<Fault, 'status' | 'about'>>([
    { status: 401 },
    { status: 402 },
    { status: 403 },
    { status: 404 },
    { status: 422, about: 'from' },
  ])(
    '%j is about our account: an operator can mend it, so without another channel it is tried again',
    async (fault) => {
      const without = channel === 'sms' ? { email: null } : { phone: null }
      const started = await startUnder([{ ...fault, times: 1 }], { channel, ...without })
      await system.until(() => isSent(started))
      expect(await verifyWithItsCode(started)).toBe('verified')
    },
  )
})

describe('a provider that refuses for good', () => {
  it('on both channels leaves the challenge undeliverable, after one request each', async () => {
    const started = await startUnder([{ status: 422 }])
    const member = await system.sql<
      [{ email: string }]
    >`select email from members where member_id = ${started.memberId}`
    await system.simulators.faults({ status: 422, to: member[0].email })
    expect(await failureOf(started)).toMatchObject({ type: 'undeliverable' })
    expect(await endingOf(system, started.challengeId)).toEqual(endedOnceAs('undeliverable'))
  })

  it('never moves a member whose SMS is mandatory to e-mail', async () => {
    const memberId = await system.addMember({ channel: 'email' })
    await system.sql`insert into enrollments values (${memberId}, challenge_now() - interval '1 day')`
    const [{ phone, email }] = await system.sql<[{ phone: string; email: string }]>`
      select phone, email from members where member_id = ${memberId}`
    await system.simulators.faults({ status: 422, to: phone })
    const challengeId = await begin(system, { memberId })
    const failure: unknown = await executionOf(system, memberId)
      .result()
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(WorkflowFailedError)
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('undeliverable'))
    expect(await system.simulators.messages(email)).toEqual([])
  })
})

describe.concurrent('a provider dead until the code has less than its minimum life', () => {
  it.each([
    ['refuses', { status: 503, times: 10 }],
    ['drops the connection', { drop: 'before', times: 10 }],
  ] as const)('that %s: undeliverable, and nothing is sent late', async (_words, fault) => {
    // What comes after ten requests would be accepted; there is room for half of them.
    const started = await startUnder([fault], { on: brief })
    expect(await failureOf(started, brief)).toMatchObject({
      type: 'undeliverable',
      details: [{ outcome: 'undeliverable', reason: 'too_late', advice: 'contact_center' }],
    })
    expect(await endingOf(brief, started.challengeId)).toEqual(endedOnceAs('undeliverable'))
    expect(await started.messages()).toEqual([])
  })
})

describe.concurrent('while its send is still being answered', () => {
  it('a code verifies, and the execution completes without waiting for the answer', async () => {
    const started = await startUnder([{ latencyMs: 60_000, times: 1 }], { on: brief })
    await brief.until(async () => (await started.messages()).length > 0)
    const began = Date.now()
    expect(await verifyWithItsCode(started, brief)).toBe('verified')
    expect(await executionOf(brief, started.memberId).result()).toMatchObject({ outcome: 'verified' })
    expect(Date.now() - began).toBeLessThan(patience(2.5))
    expect(await endingOf(brief, started.challengeId)).toEqual(endedOnceAs('verified'))
    expect(await isSent(started, brief)).toBeUndefined()
  })
})
