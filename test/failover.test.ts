/**
 * D7: a negative receipt on a live challenge: the same code goes by the other channel where policy allows, with the same
 * expiry, once. A hint alone moves nothing.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tellOfFailedDeliveries } from '../client/fail-over.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { challengeStatusQuery, deliveryFailedSignal, verifyCodeSignal } from '../workflows/messages.ts'
import { begin, endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { codeOf } from './support/simulators.ts'
import { patience } from './support/speed.ts'
import { startSystem, type MemberFields, type System, type WorkerProcess } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SWEEP_INTERVAL_SECONDS: '1' })
  await system.process('workers/challenge-worker.ts')
})
afterAll(() => system?.stop())

async function sent(fields: MemberFields = {}) {
  const memberId = await system.addMember(fields)
  const [member] = await system.sql<[{ phone: string; email: string }]>`
    select phone, email from members where member_id = ${memberId}`
  const challengeId = await begin(system, { memberId })
  const challenge = await system.until(async () => {
    const read = await readChallenge(system.sql, challengeId)
    return read?.sentAt ? read : undefined
  })
  return { memberId, challengeId, challenge, ...member }
}

/** As its webhook would write it. */
const receipt = ({ challengeId }: { challengeId: string }, kind: 'failed' | 'delivered') => system.sql`
  select apply_receipts(provider, array[${randomUUID()}], array[${challengeId}], array[provider_message_id],
    array[${kind}], array['x'], array[now()::text])
  from challenges where challenge_id = ${challengeId}`

const byEmail = (challengeId: string) =>
  system.until(async () => {
    const read = await readChallenge(system.sql, challengeId)
    return read?.channel === 'email' && read.sentAt ? read : undefined
  })

describe('a negative receipt', () => {
  it('sends the same code by the other channel within 2 s, with the same expiry, and it verifies', async () => {
    const started = await sent()
    const [first] = await system.simulators.messages(started.phone)
    await receipt(started, 'failed')
    const began = Date.now()
    await tellOfFailedDeliveries(system, [started.challengeId])
    const moved = await byEmail(started.challengeId)
    expect(Date.now() - began).toBeLessThan(patience(2))
    expect(moved).toMatchObject({ expiresAt: started.challenge.expiresAt, delivery: null, outcome: null })
    const [second, ...more] = await system.simulators.messages(started.email)
    expect(more).toEqual([])
    expect(codeOf(second!)).toBe(codeOf(first!))
    const execution = executionOf(system, started.memberId)
    await system.until(async () => (await execution.query(challengeStatusQuery)).channel === 'email')
    await execution.signal(verifyCodeSignal, { challengeId: started.challengeId, code: codeOf(second!) })
    expect(await execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, started.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('of which nobody told is found by the sweep', async () => {
    const started = await sent()
    await receipt(started, 'failed')
    expect(await byEmail(started.challengeId)).toMatchObject({ outcome: null })
  })

  it('on a challenge that has failed over already moves it no further', async () => {
    const started = await sent()
    await receipt(started, 'failed')
    await byEmail(started.challengeId)
    await receipt(started, 'failed')
    await executionOf(system, started.memberId).signal(deliveryFailedSignal)
    await system.until(async () => (await readChallenge(system.sql, started.challengeId))?.delivery === 'failed')
    // The query is answered after the signal, and after what it led to was begun.
    await executionOf(system, started.memberId).query(challengeStatusQuery)
    expect(await readChallenge(system.sql, started.challengeId)).toMatchObject({ channel: 'email', outcome: null })
    expect(await system.simulators.messages(started.phone)).toHaveLength(1)
  })

  it('for a member whose SMS is mandatory sends no e-mail, and the status says that it failed', async () => {
    const memberId = await system.addMember({ channel: 'email' })
    await system.sql`insert into enrollments values (${memberId}, challenge_now() - interval '1 day')`
    const [{ email }] = await system.sql<[{ email: string }]>`select email from members where member_id = ${memberId}`
    const challengeId = await begin(system, { memberId })
    await system.until(async () => ((await readChallenge(system.sql, challengeId))?.sentAt ? true : undefined))
    await receipt({ challengeId }, 'failed')
    await tellOfFailedDeliveries(system, [challengeId])
    const history = async () => (await executionOf(system, memberId).fetchHistory()).events ?? []
    await system.until(
      async () => (await history()).filter((event) => event.activityTaskCompletedEventAttributes).length >= 2,
    )
    expect(await readChallenge(system.sql, challengeId)).toMatchObject({
      channel: 'sms',
      delivery: 'failed',
      outcome: null,
    })
    expect(await system.simulators.messages(email)).toEqual([])
  })

  it('after which the message was delivered all the same moves nothing', async () => {
    const started = await sent()
    await receipt(started, 'delivered')
    await executionOf(system, started.memberId).signal(deliveryFailedSignal)
    const history = async () => (await executionOf(system, started.memberId).fetchHistory()).events ?? []
    await system.until(
      async () => (await history()).filter((event) => event.activityTaskCompletedEventAttributes).length >= 2,
    )
    expect(await readChallenge(system.sql, started.challengeId)).toMatchObject({ channel: 'sms', outcome: null })
    expect(await system.simulators.messages(started.email)).toEqual([])
  })
})

describe('a negative receipt on a challenge that has no other channel', () => {
  const refusals = async (challengeId: string) => {
    const [row] = await system.sql<[{ refused: string | null }]>`
      select failover_refused as refused from challenges where challenge_id = ${challengeId}`
    return row.refused
  }
  /** A sweep found this one, so it has looked at all of them. */
  const oneMoreSweep = async () => {
    const other = await sent()
    await receipt(other, 'failed')
    await byEmail(other.challengeId)
  }
  const history = async (memberId: string) => {
    const events = (await executionOf(system, memberId).fetchHistory()).events ?? []
    const activities = events.map((event) => event.activityTaskScheduledEventAttributes?.activityType?.name)
    return {
      failovers: activities.filter((name) => name === 'failOver').length,
      signals: events.filter((event) => event.workflowExecutionSignaledEventAttributes).length,
    }
  }

  it('is told once, whatever comes after it', async () => {
    const started = await sent({ channel: 'email', phone: null })
    await receipt(started, 'failed')
    await tellOfFailedDeliveries(system, [started.challengeId])
    expect(await system.until(() => refusals(started.challengeId).then((reason) => reason ?? undefined))).toBe(
      'no_phone',
    )
    const told = await history(started.memberId)
    expect(told.failovers).toBe(1)
    for (let sweep = 0; sweep < 3; sweep++) await oneMoreSweep()
    // The provider tells of the same message in other words.
    await receipt(started, 'failed')
    await tellOfFailedDeliveries(system, [started.challengeId])
    expect(await history(started.memberId)).toEqual(told)
    expect(await readChallenge(system.sql, started.challengeId)).toMatchObject({ delivery: 'failed', outcome: null })
  })

  it('is found once by the sweep where nobody told of it', async () => {
    const started = await sent({ channel: 'sms', email: null })
    await receipt(started, 'failed')
    await system.until(() => refusals(started.challengeId).then((reason) => reason ?? undefined))
    const told = await history(started.memberId)
    for (let sweep = 0; sweep < 2; sweep++) await oneMoreSweep()
    expect(await history(started.memberId)).toEqual(told)
    expect(told.failovers).toBe(1)
  })
})

describe('a worker killed after the challenge moved, before the other provider has answered', () => {
  let killed: System
  let worker: WorkerProcess
  beforeAll(async () => {
    killed = await startSystem()
    worker = await killed.process('workers/challenge-worker.ts')
  })
  afterAll(() => killed?.stop())

  it('leaves a challenge whose same code the next worker sends there, and nowhere else', async () => {
    const memberId = await killed.addMember()
    const [{ phone, email }] = await killed.sql<[{ phone: string; email: string }]>`
      select phone, email from members where member_id = ${memberId}`
    await killed.simulators.faults({ to: phone, status: 422 })
    // Taken at once, and never answered within this test.
    await killed.simulators.faults({ to: email, latencyMs: 60_000, times: 1 })
    const challengeId = await begin(killed, { memberId })
    await killed.until(async () => (await killed.simulators.messages(email)).length === 1)
    expect(await readChallenge(killed.sql, challengeId)).toMatchObject({ channel: 'email', sentAt: null })
    await worker.kill()
    await killed.process('workers/challenge-worker.ts')
    await killed.until(async () => ((await readChallenge(killed.sql, challengeId))?.sentAt ? true : undefined), 30_000)

    const messages = await killed.simulators.messages(email)
    expect(messages).toHaveLength(2)
    expect(new Set(messages.map(codeOf)).size).toBe(1)
    expect(await killed.simulators.messages(phone)).toEqual([])
    const execution = executionOf(killed, memberId)
    await execution.signal(verifyCodeSignal, { challengeId, code: codeOf(messages[0]!) })
    expect(await execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(killed, challengeId)).toEqual(endedOnceAs('verified'))
  })
})

it('a flood of hints typed by hand sends nothing, and the code verifies after it', async () => {
  const started = await sent()
  const execution = executionOf(system, started.memberId)
  await Promise.all(Array.from({ length: 50 }, () => execution.signal(deliveryFailedSignal)))
  const [message, ...more] = await system.simulators.messages(started.phone)
  await execution.signal(verifyCodeSignal, { challengeId: started.challengeId, code: codeOf(message!) })
  expect(await execution.result()).toMatchObject({ outcome: 'verified' })
  expect(more).toEqual([])
  expect(await system.simulators.messages(started.email)).toEqual([])
})
