/**
 * C1, C5, C6, C11, C12: one challenge, from its start to its one outcome, by each way in.
 */
import { randomUUID } from 'node:crypto'
import { type WorkflowFailedError, WorkflowUpdateFailedError } from '@temporalio/client'
import { type ApplicationFailure, CancelledFailure } from '@temporalio/common'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChallenge, type ChallengeStarter } from '../client/start-challenge.ts'
import { cancelChallenge, verifyCode } from '../client/verify-code.ts'
import { admitChallenge } from '../postgres/admission.ts'
import { readChallenge, takeBackRequest } from '../postgres/challenges.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { challengeStatusQuery, verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { holdHead } from './support/head-lock.ts'
import { judgeFor, startByClient, startSystem, wrongCode, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
  await system.process('workers/challenge-worker.ts')
})
afterAll(() => system?.stop())

const sentCode = (memberId: string) => system.until(async () => (await system.codes(memberId))[0])

async function start(memberId: string) {
  const start = await startChallenge(
    { ...system, policy: system.config.policy },
    { memberId, purpose: 'redeem_benefit', caller: 'test' },
  )
  if (!('challenge' in start)) throw new Error(`not admitted: ${start.kind}`)
  await start.started
  return { challengeId: start.challenge.challengeId, code: await sentCode(memberId) }
}

const resultOfMember = (memberId: string) => system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).result()
const outcomes = (challengeId: string) => system.sql<{ type: string }[]>`
  select type from outbox where data->>'challengeId' = ${challengeId}`

describe('a challenge ends verified', () => {
  it('when it is started and verified through the client functions', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await start(memberId)
    const verified = await verifyCode(
      { ...system.judge, temporal: system.temporal },
      { challengeId, code, attemptId: randomUUID() },
    )
    expect(verified?.answer).toMatchObject({ result: 'verified', verifiedAt: expect.any(String) })
    await verified?.told
    expect(await resultOfMember(memberId)).toMatchObject({ challengeId, outcome: 'verified' })
    expect(await outcomes(challengeId)).toEqual([{ type: 'otp.challenge.verified' }])
  })

  it('when a plain Temporal client starts it and signals the code', async () => {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    const code = await sentCode(memberId)
    await handle.signal(verifyCodeSignal, { challengeId, code })
    expect(await handle.result()).toMatchObject({ outcome: 'verified' })
  })

  it('when the code comes as an Update, which answers', async () => {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    const code = await sentCode(memberId)
    const wrong = await handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code: wrongCode(code) }] })
    expect(wrong).toEqual({ result: 'wrong_code', attemptsLeft: 4 })
    expect(await handle.query(challengeStatusQuery)).toMatchObject({
      status: 'open',
      channel: 'sms',
      destination: expect.stringMatching(/^\*\*\*-\*\*\*\*-\d{4}$/),
      attemptsLeft: 4,
      expiresAt: expect.any(String),
    })
    const right = await handle.executeUpdate(verifyCodeUpdate, {
      args: [{ challengeId, code: ` ${code.slice(0, 3)}-${code.slice(3)}` }],
    })
    expect(right).toMatchObject({ result: 'verified' })
    expect(await handle.result()).toMatchObject({ outcome: 'verified' })
  })
})

describe('what cannot be a challenge or a code', () => {
  it('is refused as an Update without costing an attempt', async () => {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    await sentCode(memberId)
    for (const code of ['12345', '1234567', 'abcdef', '']) {
      const failure = await handle
        .executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code }] })
        .catch((e: unknown) => e)
      expect(failure).toBeInstanceOf(WorkflowUpdateFailedError)
      expect((failure as WorkflowUpdateFailedError).cause).toMatchObject({ type: 'invalid_code' })
    }
    expect((await readChallenge(system.sql, challengeId))?.attempts).toBe(0)
  })

  it('fails a start whose workflow id is not the member’s', async () => {
    const memberId = await system.addMember()
    const run = system.temporal.workflow.execute('otpChallenge', {
      workflowId: 'otp-challenge/another',
      taskQueue: 'otp-challenge',
      args: [{ challengeId: uuidv7(), memberId, purpose: 'view_membership' }],
    })
    const failure = await run.catch((error: unknown) => error)
    expect((failure as WorkflowFailedError).cause).toMatchObject({ type: 'invalid_request' })
    expect(await system.codes(memberId)).toEqual([])
  })

  it.each([[null], [undefined], [42], ['x'], [[]], [{}], [{ challengeId: 'x', memberId: '1', purpose: 'p' }]])(
    'fails a start with %j as its input',
    async (input) => {
      const failure = await system.temporal.workflow
        .execute('otpChallenge', { workflowId: 'otp-challenge/1', taskQueue: 'otp-challenge', args: [input] })
        .catch((error: unknown) => error)
      expect((failure as WorkflowFailedError).cause).toMatchObject({ type: 'invalid_request' })
    },
  )
})

describe('a start that reaches Temporal directly and is refused', () => {
  it('completes as refused for an unknown member', async () => {
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId: 'nobody', purpose: 'view_membership' })
    expect(await handle.result()).toMatchObject({ outcome: 'refused', reason: 'unknown_member' })
    expect(await outcomes(challengeId)).toEqual([{ type: 'otp.challenge.refused' }])
  })

  it('fails as undeliverable, with advice, for a member who cannot be reached', async () => {
    const memberId = await system.addMember({ email: 'ab..cd@example.jp', phone: null })
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    const failure = (await handle.result().catch((error: unknown) => error)) as WorkflowFailedError
    expect((failure.cause as ApplicationFailure).details).toMatchObject([
      { outcome: 'undeliverable', reason: 'undeliverable_email', advice: 'update_email' },
    ])
  })

  it('is refused for a challenge id that was used', async () => {
    const [first, second] = [await system.addMember(), await system.addMember()]
    const { challengeId } = await start(first)
    const handle = await startByClient(system, { challengeId, memberId: second, purpose: 'view_membership' })
    expect(await handle.result()).toMatchObject({ outcome: 'refused', reason: 'challenge_id_used' })
    expect(await system.codes(second)).toEqual([])
  })
})

it('the code of the earlier message costs no attempt while the newer one waits for its provider (C8)', async () => {
  const memberId = await system.addMember()
  const { code } = await start(memberId)
  const newer = await admitChallenge(system.sql, system.config.policy, {
    challengeId: uuidv7(),
    memberId,
    purpose: 'redeem_benefit',
    caller: 'test',
  })
  if (!('challenge' in newer)) throw new Error('it was not admitted')
  const { challengeId } = newer.challenge
  expect(await judgeFor(system, challengeId, code)).toMatchObject({ result: 'older_code', attemptsLeft: 5 })
  const wrong = randomUUID()
  for (const attempt of [wrong, wrong, randomUUID()]) {
    expect(await judgeFor(system, challengeId, wrongCode(code), attempt)).toMatchObject({
      result: 'not_sent_yet',
      attemptsLeft: 5,
    })
  }
  await (
    await cancelChallenge({ ...system, policy: system.config.policy }, challengeId)
  )?.told
})

it('a code that its provider certainly did not take is not_sent_yet also for who guesses it (C4)', async () => {
  const memberId = await system.addMember()
  const { challengeId, code } = await start(memberId)
  const isSent = async () => (await readChallenge(system.sql, challengeId))?.sentAt ?? undefined
  await system.until(isSent)
  // As after a 429: it was stamped, and no message is out.
  await system.sql`update challenges set sent_at = null where challenge_id = ${challengeId}`
  await takeBackRequest(system.sql, challengeId)
  expect(await judgeFor(system, challengeId, code)).toMatchObject({
    result: 'not_sent_yet',
    attemptsLeft: 5,
    challenge: { outcome: null, expiresAt: null },
  })
  // A later request may have been taken, so the code counts again.
  await system.sql`update challenges set asked_at = challenge_now() where challenge_id = ${challengeId}`
  expect(await judgeFor(system, challengeId, code)).toMatchObject({ result: 'verified' })
})

describe('a cancelled challenge', () => {
  const cancelByCaller = async (challengeId: string) => {
    const cancelled = await cancelChallenge({ ...system, policy: system.config.policy }, challengeId)
    await cancelled?.told
  }

  it('shows as Canceled and its code is dead', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await start(memberId)
    const handle = system.temporal.workflow.getHandle(challengeWorkflowId(memberId))
    await handle.cancel()
    const failure = (await handle.result().catch((error: unknown) => error)) as WorkflowFailedError
    expect(failure.cause).toBeInstanceOf(CancelledFailure)
    const answer = await verifyCode(
      { ...system.judge, temporal: system.temporal },
      { challengeId, code, attemptId: randomUUID() },
    )
    expect(answer?.answer).toEqual({ result: 'cancelled' })
    expect(await outcomes(challengeId)).toEqual([{ type: 'otp.challenge.cancelled' }])
  })

  it('by its caller, is closed before Temporal hears of it', async () => {
    const memberId = await system.addMember()
    const { challengeId } = await start(memberId)
    const cancelled = await cancelChallenge({ ...system, policy: system.config.policy }, challengeId)
    expect(cancelled?.challenge.outcome).toBe('cancelled')
    await cancelled?.told
    const { status } = await system.until(async () => {
      const description = await system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).describe()
      return description.status.name !== 'RUNNING' && description
    })
    expect(status.name).toBe('CANCELLED')
  })

  it.each([
    ['the engine', (memberId: string) => system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).cancel()],
    ['its caller', (_memberId: string, challengeId: string) => cancelByCaller(challengeId)],
  ])('by %s when its time is over has expired, before the timer wakes it too', async (_by, cancel) => {
    const memberId = await system.addMember()
    const { challengeId } = await start(memberId)
    await system.shiftClock(600_000)
    try {
      await cancel(memberId, challengeId)
      const handle = system.temporal.workflow.getHandle(challengeWorkflowId(memberId))
      expect(await handle.result()).toMatchObject({ outcome: 'expired' })
      expect(await outcomes(challengeId)).toEqual([{ type: 'otp.challenge.expired' }])
    } finally {
      await system.shiftClock(0)
    }
  })

  it('before its code could be sent shows as Canceled at once', async () => {
    const memberId = await system.addMember()
    // Once it is admitted its provider is paused.
    const execute = async (options: Parameters<NonNullable<ChallengeStarter['execute']>>[0]) => {
      await system.sql`
        insert into provider_pace (provider, limited_until) values ('vonage', challenge_now() + interval '1 minute')
        on conflict (provider) do update set limited_until = excluded.limited_until`
      return system.temporal.workflow.start('otpChallenge', options)
    }
    try {
      const started = await startChallenge(
        { ...system, policy: system.config.policy, execute },
        { memberId, purpose: 'redeem_benefit', caller: 'test', channel: 'sms' },
      )
      if (!('challenge' in started)) throw new Error('it was not admitted')
      await started.started
      const { challengeId } = started.challenge
      const cancelled = await cancelChallenge({ ...system, policy: system.config.policy }, challengeId)
      await cancelled?.told
      const ended = system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).result()
      const failure = (await ended.catch((error: unknown) => error)) as WorkflowFailedError
      expect(failure.cause).toBeInstanceOf(CancelledFailure)
    } finally {
      await system.sql`delete from provider_pace`
    }
  })

  it('answers an attempt that it accepted while it was closed', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await start(memberId)
    const handle = system.temporal.workflow.getHandle(challengeWorkflowId(memberId))
    // The close waits for the head, and the attempt behind it; then for the attempts, which the close does not touch.
    const head = await holdHead(system.sql, memberId)
    const attempts = await system.sql.reserve()
    await attempts`begin`
    await attempts`lock table attempts`
    await handle.cancel()
    await system.until(async () => (await head.waiting()) > 0)
    const answer = handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code }] })
    await system.until(async () => {
      const waiting = await system.sql`
        select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      return waiting.length > 1
    })
    await head.release()
    await system.until(async () => {
      const { events } = await handle.fetchHistory()
      const closes = events!.find(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'closeChallenge',
      )
      const closed = events!.findIndex(
        ({ activityTaskCompletedEventAttributes: completed }) =>
          completed && String(completed.scheduledEventId) === String(closes?.eventId),
      )
      return closed !== -1 && events!.slice(closed).some((event) => event.workflowTaskCompletedEventAttributes)
    })
    await attempts`commit`
    attempts.release()
    expect(await answer).toEqual({ result: 'cancelled' })
    await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) as CancelledFailure })
  })

  it('that was verified first completes as verified', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await start(memberId)
    // Judged, and nobody told the workflow: the cancel finds what stands.
    expect((await judgeFor(system, challengeId, code))?.result).toBe('verified')
    const handle = system.temporal.workflow.getHandle(challengeWorkflowId(memberId))
    await handle.cancel()
    expect(await handle.result()).toMatchObject({ outcome: 'verified' })
  })
})

it('a member withdrawn is not sent a code', async () => {
  const memberId = await system.addMember()
  await system.sql`update members set status = 'withdrawn' where member_id = ${memberId}`
  const start = await startChallenge(
    { ...system, policy: system.config.policy },
    { memberId, purpose: 'redeem_benefit', caller: 'test' },
  )
  expect(start.kind).toBe('unknown_member')
})
