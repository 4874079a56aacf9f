/**
 * C4, and the page: "The one-time password is valid for 10 minutes." Postgres' clock judges; Temporal's only wakes the
 * workflow. Here the two are moved together, and apart.
 */
import type { WorkflowHandle } from '@temporalio/client'
import { Worker } from '@temporalio/worker'
import type { TestWorkflowEnvironment } from '@temporalio/testing'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createChallengeActivities } from '../activities/challenge.ts'
import { startChallenge } from '../client/start-challenge.ts'
import { loadConfig } from '../config.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { createSenders } from '../providers/senders.ts'
import { workerDataConverter } from '../temporal/connect.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { attemptJudgedSignal } from '../workflows/messages.ts'
import { lengthened } from './support/speed.ts'
import { judgeFor, startByClient, startSystem, type System } from './support/system.ts'
import { startTimeSkipping } from './support/time-skipping.ts'

const MINUTE = 60_000

describe('with Temporal’s clock and the judging clock moved at will', () => {
  let system: System
  let environment: TestWorkflowEnvironment
  let stop: () => Promise<void>

  beforeAll(async () => {
    system = await startSystem()
    const skipping = await startTimeSkipping(system.config.temporal.codecKeys)
    environment = skipping.environment
    const { providers } = loadConfig(['providers'], system.env)
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: 'otp-challenge',
      workflowsPath: new URL('../workflows/challenge-queue.ts', import.meta.url).pathname,
      dataConverter: workerDataConverter(system.config.temporal.codecKeys, () => {}),
      activities: createChallengeActivities({
        ...system.judge,
        temporal: environment.client,
        delivery: providers,
        onRefusal: () => {},
        providers: createSenders(providers),
      }),
    })
    const running = worker.run()
    stop = async () => {
      worker.shutdown()
      await running
      await skipping.stop()
      await system.stop()
    }
  })
  afterAll(() => stop?.())
  beforeEach(() => system.shiftClock(0))

  const timersAre = (count: number, handle: WorkflowHandle) =>
    system.until(async () => {
      const { events } = await handle.fetchHistory()
      return events?.filter(({ timerStartedEventAttributes: timer }) => timer).length === count
    })

  /** A challenge whose code was sent; `sendBegan` is where its ten minutes begin. */
  async function sent() {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const handle = await startByClient(
      { ...system, temporal: environment.client },
      {
        challengeId,
        memberId,
        purpose: 'view_membership',
      },
    )
    const challenge = await system.until(async () => {
      const read = await readChallenge(system.sql, challengeId)
      return read?.sentAt ? read : undefined
    })
    const [code] = await system.codes(memberId)
    await timersAre(1, handle)
    return { handle, challengeId, code: code!, sendBegan: challenge.sendBeganAt!, challenge }
  }

  it('lives for exactly 600 s from the moment the first request to a provider begins', async () => {
    const { challenge } = await sent()
    expect(Date.parse(challenge.expiresAt!) - Date.parse(challenge.sendBeganAt!)).toBe(10 * MINUTE)
    expect(Date.parse(challenge.sendBeganAt!)).toBeLessThanOrEqual(Date.parse(challenge.sentAt!))
  })

  it('verifies at 9:59.9', async () => {
    const { challengeId, code, sendBegan } = await sent()
    await environment.sleep(10 * MINUTE - 1_000)
    await system.stopClock(sendBegan, 10 * MINUTE - 100)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('verified')
  })

  it('is expired at 10:00.0, and stays so', async () => {
    const { challengeId, code, sendBegan } = await sent()
    await system.stopClock(sendBegan, 10 * MINUTE)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('expired')
    await system.stopClock(sendBegan, 5 * MINUTE)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('expired')
  })

  it('is closed by the workflow’s timer', async () => {
    const { handle, challengeId, sendBegan } = await sent()
    await system.stopClock(sendBegan, 10 * MINUTE)
    await environment.sleep(10 * MINUTE)
    expect(await handle.result()).toMatchObject({ challengeId, outcome: 'expired' })
  })

  it('when the worker wakes early, it waits the rest, and the code still verifies', async () => {
    const { handle, challengeId, code, sendBegan } = await sent()
    await system.stopClock(sendBegan, 6 * MINUTE)
    await environment.sleep(10 * MINUTE)
    await timersAre(2, handle)
    expect((await readChallenge(system.sql, challengeId))?.outcome).toBeNull()
    expect((await handle.describe()).status.name).toBe('RUNNING')

    await system.stopClock(sendBegan, 10 * MINUTE - 100)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('verified')
    await handle.signal(attemptJudgedSignal, { closed: true, attemptsLeft: 5 })
    expect(await handle.result()).toMatchObject({ outcome: 'verified' })
  })

  it('when the worker wakes early and nothing comes, it expires at the second waking', async () => {
    const { handle, sendBegan } = await sent()
    await system.stopClock(sendBegan, 6 * MINUTE)
    await environment.sleep(10 * MINUTE)
    await timersAre(2, handle)
    await system.stopClock(sendBegan, 10 * MINUTE)
    await environment.sleep(4 * MINUTE)
    expect(await handle.result()).toMatchObject({ outcome: 'expired' })
  })

  it('when the worker wakes late, the code was dead all the same', async () => {
    const { handle, challengeId, code, sendBegan } = await sent()
    await system.stopClock(sendBegan, 10 * MINUTE)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('expired')
    expect((await handle.describe()).status.name).toBe('RUNNING')
    await environment.sleep(20 * MINUTE)
    expect(await handle.result()).toMatchObject({ outcome: 'expired' })
  })
})

describe('with a worker as a process', () => {
  let system: System
  afterEach(() => system?.stop())

  async function run(overrides: Record<string, string> = {}) {
    system = await startSystem(overrides)
    return system.process('workers/challenge-worker.ts')
  }

  async function sent() {
    const memberId = await system.addMember()
    const start = await startChallenge(
      { ...system, policy: system.config.policy },
      { memberId, purpose: 'view_membership', caller: 'test' },
    )
    if (!('challenge' in start)) throw new Error(start.kind)
    const { challengeId } = start.challenge
    const { expiresAt } = await system.until(async () => {
      const read = await readChallenge(system.sql, challengeId)
      return read?.sentAt ? read : undefined
    })
    const [code] = await system.codes(memberId)
    return { memberId, challengeId, code: code!, expiresAt: expiresAt! }
  }

  it('on real clocks, the code verifies before its end, and not after', async () => {
    // Long enough for a code to be sent and judged within it, short enough to be waited for.
    await run({ OTP_CODE_TTL_SECONDS: lengthened(5), OTP_CODE_MIN_LIFE_SECONDS: '0' })
    const inTime = await sent()
    // At once, and not close to its end, which a busy machine would miss: 9:59.9 is tried above.
    expect((await judgeFor(system, inTime.challengeId, inTime.code))?.result).toBe('verified')
    const late = await sent()
    const result = await system.temporal.workflow.getHandle(challengeWorkflowId(late.memberId)).result()
    expect(result).toMatchObject({ outcome: 'expired' })
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(late.expiresAt))
    expect((await judgeFor(system, late.challengeId, late.code))?.result).toBe('expired')
  })

  it('the code is dead although every process slept through it', async () => {
    const worker = await run()
    const { challengeId, code, expiresAt } = await sent()
    await worker.kill()
    await system.stopClock(expiresAt, 0)
    expect((await readChallenge(system.sql, challengeId))?.outcome).toBeNull()
    expect((await judgeFor(system, challengeId, code))?.result).toBe('expired')
  })
})
