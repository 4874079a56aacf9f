/**
 * C2, C11: the execution, not the run. A reset, a cron, a delayed start and an execution time-out are ordinary: the challenge
 * follows its workflow id to what lives there, and the next start takes over whatever it finds.
 */
import { randomUUID } from 'node:crypto'
import type { WorkflowStartOptions } from '@temporalio/client'
import proto from '@temporalio/proto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tellOfFailedDeliveries } from '../client/fail-over.ts'
import { cancelChallenge, verifyCode } from '../client/verify-code.ts'
import type { ChallengeInput, ChallengeResult } from '../domain/challenge.ts'
import { openAndStamp, readChallenge } from '../postgres/challenges.ts'
import { begin, endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { judgeFor, startByClient, startSystem, type System } from './support/system.ts'

const { CommandType, EventType } = proto.temporal.api.enums.v1
const WORKER = 'workers/challenge-worker.ts'
const SWEPT_WITHIN_MS = 25_000

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SWEEP_INTERVAL_SECONDS: '1' })
})
afterAll(() => system?.stop())

interface Open {
  readonly memberId: string
  readonly challengeId: string
  readonly code: string
  readonly expiresAt: string
}

/** A challenge whose code is out, and known to its workflow. */
async function open(start: (memberId: string) => Promise<string> = (memberId) => begin(system, { memberId })) {
  const memberId = await system.addMember()
  const challengeId = await start(memberId)
  const { expiresAt } = await sent(challengeId)
  await system.until(
    async () => (await executionOf(system, memberId).query<{ status: string }>('challengeStatus')).status === 'open',
  )
  const [code] = await system.codes(memberId)
  return { memberId, challengeId, code: code!, expiresAt: expiresAt! }
}

const sent = (challengeId: string, withinMs?: number) =>
  system.until(async () => {
    const challenge = await readChallenge(system.sql, challengeId)
    return challenge?.sentAt ? challenge : undefined
  }, withinMs)

const byClient = async (memberId: string, options: Partial<WorkflowStartOptions> = {}) => {
  const challengeId = uuidv7()
  await system.temporal.workflow.start<(input: ChallengeInput) => Promise<ChallengeResult>>('otpChallenge', {
    taskQueue: 'otp-challenge',
    args: [{ challengeId, memberId, purpose: 'view_membership' }],
    ...(options as object),
    workflowId: `otp-challenge/${memberId}`,
  })
  return challengeId
}

const KINDS = ['FirstWorkflowTask', 'LastWorkflowTask'] as const

/** As `temporal workflow reset --type …` does. @returns the run that lives now */
async function reset({ memberId }: Pick<Open, 'memberId'>, kind: (typeof KINDS)[number]): Promise<string> {
  const execution = executionOf(system, memberId)
  const { runId } = await execution.describe()
  const { events } = await execution.fetchHistory()
  const tasks = events!.filter(({ eventType }) => eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
  const answer = await system.temporal.workflowService.resetWorkflowExecution({
    namespace: system.namespace,
    workflowExecution: { workflowId: execution.workflowId, runId },
    reason: 'by hand',
    workflowTaskFinishEventId: tasks.at(kind === 'FirstWorkflowTask' ? 0 : -1)!.eventId!,
    requestId: randomUUID(),
  })
  return answer.runId
}

/** The sweep has looked since: it closed one that was terminated after this was asked, and once more. */
async function swept(): Promise<void> {
  for (let times = 0; times < 2; times++) {
    const other = await open()
    await executionOf(system, other.memberId).terminate('by hand')
    await ended(other)
  }
}

const ended = ({ challengeId }: Pick<Open, 'challengeId'>) =>
  system.until(async () => {
    const ending = await endingOf(system, challengeId)
    return ending.outcome !== null && ending
  }, SWEPT_WITHIN_MS)

const statusOf = ({ memberId }: Pick<Open, 'memberId'>, runId?: string) =>
  executionOf(system, memberId, runId)
    .describe()
    .then(({ status }) => status.name)
const endsAs = (challenge: Open, runId: string, status: string) =>
  system.until(async () => (await statusOf(challenge, runId)) === status, SWEPT_WITHIN_MS)

const verify = async ({ challengeId, code }: Open) => {
  const verified = await verifyCode(
    { ...system.judge, temporal: system.temporal },
    { challengeId, code, attemptId: randomUUID() },
  )
  await verified!.told
  return verified!.answer.result
}

const WITHOUT_A_WORD = [
  [
    CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
    { failWorkflowExecutionCommandAttributes: { failure: { message: 'a bug' } } },
  ],
  [CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, { cancelWorkflowExecutionCommandAttributes: {} }],
  [CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, { completeWorkflowExecutionCommandAttributes: {} }],
] as const

/** One whose execution ended as a worker with a bug would end it; no worker runs yet. */
async function endedBadly([commandType, attributes]: (typeof WITHOUT_A_WORD)[number]): Promise<string> {
  const memberId = await system.addMember()
  const challengeId = await begin(system, { memberId })
  const { namespace, temporal } = system
  const service = temporal.workflowService
  const task = await temporal.withDeadline(Date.now() + 10_000, () =>
    service.pollWorkflowTaskQueue({ namespace, taskQueue: { name: 'otp-challenge' }, identity: 'test' }),
  )
  const { runId } = task.workflowExecution!
  const stamp = { challengeId, memberId, runId: runId!, keyId: 'test-master', nonce: Buffer.alloc(16) }
  expect((await openAndStamp(system.sql, stamp, system.config.policy)).kind).toBe('send')
  const commands = [{ commandType, ...attributes }]
  await service.respondWorkflowTaskCompleted({ namespace, taskToken: task.taskToken, identity: 'test', commands })
  return challengeId
}

it('executions that failed, were canceled or completed without a word: their challenges end as cancelled', async () => {
  const challenges = []
  for (const way of WITHOUT_A_WORD) challenges.push(await endedBadly(way))
  await system.process(WORKER)
  for (const challengeId of challenges) {
    expect(await ended({ challengeId })).toEqual(endedOnceAs('cancelled'))
    expect(await readChallenge(system.sql, challengeId)).toMatchObject({ reason: 'terminated' })
  }
})

describe.each(KINDS)('a reset (%s)', (kind) => {
  it('leaves the challenge open, sends nothing again and moves no time; its right code verifies', async () => {
    const challenge = await open()
    const runId = await reset(challenge, kind)
    await swept()
    expect(await endingOf(system, challenge.challengeId)).toEqual({ outcome: null, events: [], attempts: 0 })
    expect(await statusOf(challenge)).toBe('RUNNING')
    expect((await readChallenge(system.sql, challenge.challengeId))?.expiresAt).toBe(challenge.expiresAt)
    expect(await system.codes(challenge.memberId)).toEqual([challenge.code])
    expect(await verify(challenge)).toBe('verified')
    await endsAs(challenge, runId, 'COMPLETED')
    expect(await executionOf(system, challenge.memberId, runId).result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('leaves one open that a plain client started, and its right code verifies', async () => {
    const challenge = await open(byClient)
    const runId = await reset(challenge, kind)
    await swept()
    expect(await endingOf(system, challenge.challengeId)).toEqual({ outcome: null, events: [], attempts: 0 })
    expect(await verify(challenge)).toBe('verified')
    await endsAs(challenge, runId, 'COMPLETED')
  })

  it('is followed by a cancel', async () => {
    const challenge = await open()
    const runId = await reset(challenge, kind)
    const cancelled = await cancelChallenge({ ...system, policy: system.config.policy }, challenge.challengeId)
    await cancelled!.told
    await endsAs(challenge, runId, 'CANCELLED')
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('cancelled'))
  })

  it('is followed by the sweep, where nobody told of the verdict', async () => {
    const challenge = await open()
    const runId = await reset(challenge, kind)
    expect((await judgeFor(system, challenge.challengeId, challenge.code))?.result).toBe('verified')
    await endsAs(challenge, runId, 'COMPLETED')
  })

  it('is followed by the news that its message failed', async () => {
    const challenge = await open()
    await reset(challenge, kind)
    await system.sql`
      select apply_receipts(provider, array[${randomUUID()}], array[${challenge.challengeId}], array[provider_message_id],
        array['failed'], array['x'], array[now()::text])
      from challenges where challenge_id = ${challenge.challengeId}`
    await tellOfFailedDeliveries(system, [challenge.challengeId])
    await system.until(async () => (await readChallenge(system.sql, challenge.challengeId))?.channel === 'email')
    const { expiresAt } = await sent(challenge.challengeId)
    expect(expiresAt).toBe(challenge.expiresAt)
    expect(new Set(await system.codes(challenge.memberId))).toEqual(new Set([challenge.code]))
  })

  it('and a termination of what lives then: the challenge ends as cancelled', async () => {
    const challenge = await open()
    await reset(challenge, kind)
    await executionOf(system, challenge.memberId).terminate('by hand')
    expect(await ended(challenge)).toEqual(endedOnceAs('cancelled'))
    expect(await readChallenge(system.sql, challenge.challengeId)).toMatchObject({ reason: 'terminated' })
  })

  it('of one that has ended: the outcome that stands is its result again', async () => {
    const challenge = await open()
    expect(await verify(challenge)).toBe('verified')
    await executionOf(system, challenge.memberId).result()
    const runId = await reset(challenge, kind)
    expect(await executionOf(system, challenge.memberId, runId).result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })
})

it('another execution with an id that was used is refused, also while the first one ended without a word', async () => {
  const challenge = await open(byClient)
  await executionOf(system, challenge.memberId).terminate('by hand')
  const { memberId, challengeId } = challenge
  const again = await startByClient(system, { memberId, challengeId, purpose: 'view_membership' })
  expect(await again.result()).toMatchObject({ outcome: 'refused', reason: 'challenge_id_used' })
  expect(await ended(challenge)).toEqual(endedOnceAs('cancelled'))
})

describe('the next start takes over within 5 s', () => {
  /** @returns how long it took until the code of a start over our own API was out */
  async function takesOver(memberId: string): Promise<number> {
    const began = Date.now()
    const challengeId = await begin(system, { memberId })
    await sent(challengeId)
    const took = Date.now() - began
    const description = await executionOf(system, memberId).describe()
    expect(description).toMatchObject({ status: { name: 'RUNNING' }, memo: { challengeId } })
    return took
  }

  it('from an execution with a cron whose challenge was verified', async () => {
    const challenge = await open((memberId) => byClient(memberId, { cronSchedule: '@every 2s' }))
    const { runId } = await executionOf(system, challenge.memberId).describe()
    expect(await verify(challenge)).toBe('verified')
    await system.until(async () => (await executionOf(system, challenge.memberId).describe()).runId !== runId)
    expect(await takesOver(challenge.memberId)).toBeLessThan(5_000)
    // And no cron brings anything back.
    await swept()
    expect(
      (
        await system.temporal.workflow.count(
          `WorkflowId = 'otp-challenge/${challenge.memberId}' AND ExecutionStatus = 'Running'`,
        )
      ).count,
    ).toBe(1)
  })

  it('from one with a cron whose challenge is open', async () => {
    const challenge = await open((memberId) => byClient(memberId, { cronSchedule: '@every 2s' }))
    expect(await takesOver(challenge.memberId)).toBeLessThan(5_000)
    expect(await ended(challenge)).toEqual(endedOnceAs('superseded'))
  })

  it.each<[string, Partial<WorkflowStartOptions>]>([
    ['a cron that is not due yet', { cronSchedule: '@every 1h' }],
    ['a start that was delayed', { startDelay: '1h' }],
  ])('from one with %s', async (_words, options) => {
    const memberId = await system.addMember()
    await byClient(memberId, options)
    expect(await takesOver(memberId)).toBeLessThan(5_000)
  })
})

describe('a challenge that we start', () => {
  it('is given half an hour by the engine, whatever becomes of its worker', async () => {
    const { memberId } = await open()
    const { raw } = await executionOf(system, memberId).describe()
    expect(Number(raw.executionConfig?.workflowExecutionTimeout?.seconds)).toBe(1_800)
  })

  it('and one whose time was over, whoever set it, ends as cancelled', async () => {
    const challenge = await open((memberId) => byClient(memberId, { workflowExecutionTimeout: '4s' }))
    expect(await ended(challenge)).toEqual(endedOnceAs('cancelled'))
    expect(await statusOf(challenge)).toBe('TIMED_OUT')
  })
})
