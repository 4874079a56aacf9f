/**
 * C2–C7, Q4: killed with SIGKILL at any moment, each challenge ends in exactly one recorded outcome; a repeated send
 * carries the same code, an attempt counts once, and a verdict once written is the one that everybody gets.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChallenge } from '../client/start-challenge.ts'
import { verifyCode } from '../client/verify-code.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { begin, endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { holdHead, type HeadLock } from './support/head-lock.ts'
import { startProcess } from './support/kafka.ts'
import { lengthened, patience } from './support/speed.ts'
import { startSystem, wrongCode, type System, type WorkerProcess } from './support/system.ts'

const WORKER = 'workers/challenge-worker.ts'

/** An open challenge whose code is known. */
async function open(system: System) {
  const memberId = await system.addMember()
  const challengeId = await begin(system, { memberId })
  const code = await system.until(async () => (await system.codes(memberId))[0])
  await system.until(async () => (await readChallenge(system.sql, challengeId))?.sentAt ?? undefined)
  return { memberId, challengeId, code, execution: executionOf(system, memberId) }
}

type Open = Awaited<ReturnType<typeof open>>

async function verify(system: System, { challengeId, code }: Pick<Open, 'challengeId' | 'code'>) {
  const submission = { challengeId, code, attemptId: randomUUID() }
  const verified = await verifyCode({ ...system.judge, temporal: system.temporal }, submission)
  await verified?.told
  return verified?.answer.result
}

const attemptsOf = ({ sql }: System, { challengeId }: Pick<Open, 'challengeId'>) =>
  sql<{ verdict: string }[]>`select verdict from attempts where challenge_id = ${challengeId}`

const isWaitedFor = (system: System, lock: HeadLock) => system.until(async () => (await lock.waiting()) > 0)

describe('the worker killed', () => {
  let system: System
  let situations: Awaited<ReturnType<typeof prepare>>
  /** The verdict on the right code while no worker ran. */
  let withoutWorker: string | undefined

  /** A member whose phone's messages meet a fault. */
  async function memberUnder(fault: { latencyMs: number; drop?: 'before' }) {
    const memberId = await system.addMember()
    const [member] = await system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    await system.simulators.faults({ ...fault, to: member.phone, times: 1 })
    return memberId
  }

  /** One challenge in each state that a worker can die in. */
  async function prepare() {
    const [beforeAccepted, afterAccepted, byUpdate, bySignal, waiting, cancelled] = await Promise.all([
      memberUnder({ latencyMs: 600_000, drop: 'before' }).then(async (memberId) => {
        const challengeId = await begin(system, { memberId })
        await system.until(async () => (await readChallenge(system.sql, challengeId))?.sendBeganAt ?? undefined)
        return { memberId, challengeId }
      }),
      memberUnder({ latencyMs: 600_000 }).then(async (memberId) => {
        const challengeId = await begin(system, { memberId })
        const code = await system.until(async () => (await system.codes(memberId))[0])
        return { memberId, challengeId, code }
      }),
      open(system),
      open(system),
      open(system),
      open(system),
    ])
    const locks = await Promise.all([byUpdate, bySignal, cancelled].map((each) => holdHead(system.sql, each.memberId)))
    const update = byUpdate.execution.executeUpdate(verifyCodeUpdate, {
      args: [{ challengeId: byUpdate.challengeId, code: byUpdate.code }],
    })
    const wrong = wrongCode(bySignal.code)
    await bySignal.execution.signal(verifyCodeSignal, { challengeId: bySignal.challengeId, code: wrong })
    const cancelledUpdate = cancelled.execution.executeUpdate(verifyCodeUpdate, {
      args: [{ challengeId: cancelled.challengeId, code: cancelled.code }],
    })
    await Promise.all(locks.map((lock) => isWaitedFor(system, lock)))
    await cancelled.execution.cancel()
    return {
      locks,
      beforeAccepted,
      afterAccepted,
      byUpdate: { ...byUpdate, update },
      bySignal,
      waiting,
      cancelled: { ...cancelled, update: cancelledUpdate },
    }
  }

  beforeAll(async () => {
    system = await startSystem()
    const worker = await system.process(WORKER)
    situations = await prepare()
    await worker.kill()
    // Nobody waits for their answers any more: the statements that were under way are committed all the same.
    await Promise.all(situations.locks.map((lock) => lock.release()))
    await system.until(async () => (await attemptsOf(system, situations.byUpdate)).length > 0)
    withoutWorker = await verify(system, situations.waiting)
    await system.process(WORKER)
  })
  afterAll(() => system?.stop())

  it.concurrent('in mid-send, before the provider accepted: the code is sent once', async () => {
    const { memberId, challengeId } = situations.beforeAccepted
    const code = await system.until(async () => (await system.codes(memberId))[0], 25_000)
    expect(await system.codes(memberId)).toHaveLength(1)
    expect(await verify(system, { challengeId, code })).toBe('verified')
    expect(await executionOf(system, memberId).result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
  })

  it.concurrent('in mid-send, after the provider accepted: the same code goes out again, and verifies', async () => {
    const { memberId, challengeId, code } = situations.afterAccepted
    await system.until(async () => (await readChallenge(system.sql, challengeId))?.sentAt ?? undefined, 25_000)
    expect(await system.codes(memberId)).toEqual([code, code])
    expect(await verify(system, { challengeId, code })).toBe('verified')
    expect(await executionOf(system, memberId).result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
  })

  it.concurrent('in mid-wait: what was verified without it is what the execution completes as', async () => {
    const { execution, challengeId } = situations.waiting
    expect(withoutWorker).toBe('verified')
    expect(await execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
  })

  it.concurrent('between a check and its answer: the verdict that was written is the one that is given', async () => {
    const { byUpdate } = situations
    expect(await byUpdate.update).toMatchObject({ result: 'verified' })
    expect(await byUpdate.execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await attemptsOf(system, byUpdate)).toEqual([{ verdict: 'verified' }])
    expect(await endingOf(system, byUpdate.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it.concurrent('in mid-verify by signal: the wrong attempt counts once, and the right code verifies after it', async () => {
    const { bySignal } = situations
    const { challengeId, code, execution } = bySignal
    // The check of the dead worker is repeated; then the execution is where the right code finds it.
    await execution.signal(verifyCodeSignal, { challengeId, code })
    expect(await execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await attemptsOf(system, bySignal)).toEqual([{ verdict: 'wrong_code' }, { verdict: 'verified' }])
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified', 1))
  })

  it.concurrent('in mid-verify with a cancel on its way: the verdict that was written stands', async () => {
    const { cancelled } = situations
    expect(await cancelled.update).toMatchObject({ result: 'verified' })
    expect(await cancelled.execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, cancelled.challengeId)).toEqual(endedOnceAs('verified'))
  })
})

describe('one of two workers killed', () => {
  let system: System
  let workers: WorkerProcess[]
  beforeAll(async () => {
    system = await startSystem()
    workers = await Promise.all([system.process(WORKER), system.process(WORKER)])
  })
  afterAll(() => system?.stop())

  /** The process that has the execution in its memory, once that rests on its timer. */
  const holderOf = ({ execution }: Open) =>
    system.until(async () => {
      const { events } = await execution.fetchHistory()
      if (!events?.at(-1)?.timerStartedEventAttributes) return undefined
      const task = events.findLast((event) => event.workflowTaskStartedEventAttributes)
      const identity = task?.workflowTaskStartedEventAttributes?.identity
      return workers.find(({ child }) => identity === `${child.pid}@${hostname()}`)
    })

  it('the next verify by signal completes within 2 s', async () => {
    const challenge = await open(system)
    const holder = await holderOf(challenge)
    await holder.kill()
    const began = Date.now()
    await challenge.execution.signal(verifyCodeSignal, challenge)
    expect(await challenge.execution.result()).toMatchObject({ outcome: 'verified' })
    expect(Date.now() - began).toBeLessThan(patience(2))
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })
})

describe('with its worker alive', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem()
    await system.process(WORKER)
  })
  afterAll(() => system?.stop())

  it('a cancel in the middle of a check returns the verdict that was written', async () => {
    const challenge = await open(system)
    const { challengeId, code, execution } = challenge
    const lock = await holdHead(system.sql, challenge.memberId)
    const update = execution.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code }] })
    await isWaitedFor(system, lock)
    await execution.cancel()
    await lock.release()
    expect(await update).toMatchObject({ result: 'verified' })
    expect(await execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('a cancel in the middle of a check that fails: the check is answered, and the challenge is cancelled', async () => {
    const challenge = await open(system)
    const { challengeId, code, execution } = challenge
    const lock = await holdHead(system.sql, challenge.memberId)
    const update = execution.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code: wrongCode(code) }] })
    await isWaitedFor(system, lock)
    await execution.cancel()
    await lock.release()
    expect(await update).toEqual({ result: 'wrong_code', attemptsLeft: 4 })
    await expect(execution.result()).rejects.toThrow('cancelled')
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('cancelled', 1))
  })

  /** The engine admits 10 Updates of an execution at a time: each sender has one under way. */
  async function updateAll({ execution, challengeId }: Open, codes: readonly string[]) {
    const answers: string[] = []
    const left = codes.values()
    const send = async () => {
      for (const code of left) answers.push(await answerTo(execution, { challengeId, code }))
    }
    await Promise.all(Array.from({ length: 10 }, send))
    return answers
  }

  async function answerTo(execution: Open['execution'], attempt: Pick<Open, 'challengeId' | 'code'>) {
    try {
      return (await execution.executeUpdate(verifyCodeUpdate, { args: [attempt] })).result
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError) return 'completed'
      throw error
    }
  }

  /** As many as are taken before the execution completes. */
  const signalAll = ({ execution, challengeId }: Open, codes: readonly string[]) =>
    Promise.all(
      codes.map((code) =>
        execution.signal(verifyCodeSignal, { challengeId, code }).catch((error: unknown) => {
          if (!(error instanceof WorkflowNotFoundError)) throw error
        }),
      ),
    )

  const times = (count: number, make: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => make(index))
  const verdictsOf = async (challenge: Open) => (await attemptsOf(system, challenge)).map(({ verdict }) => verdict)

  it('200 Updates with the right code: one is verified', async () => {
    const challenge = await open(system)
    const answers = await updateAll(
      challenge,
      times(200, () => challenge.code),
    )
    expect(answers.filter((answer) => answer === 'verified')).toHaveLength(1)
    expect(answers.filter((answer) => !['verified', 'already_used', 'completed'].includes(answer))).toEqual([])
    expect(await verdictsOf(challenge)).toEqual(['verified'])
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('200 Updates that guess spend five attempts, and the right code is refused then', async () => {
    const challenge = await open(system)
    const answers = await updateAll(
      challenge,
      times(200, () => wrongCode(challenge.code)),
    )
    expect(answers.filter((answer) => answer === 'wrong_code')).toHaveLength(5)
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('attempts_exhausted', 5))
    expect(await verify(system, challenge)).toBe('attempts_exhausted')
  })

  it('200 signals with the right code: one is verified', async () => {
    const challenge = await open(system)
    await signalAll(
      challenge,
      times(200, () => challenge.code),
    )
    expect(await challenge.execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await verdictsOf(challenge)).toEqual(['verified'])
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('200 signals, right and wrong: at most five attempts are spent, and the one outcome is what was judged', async () => {
    const challenge = await open(system)
    await signalAll(
      challenge,
      times(200, (index) => (index % 20 === 7 ? challenge.code : wrongCode(challenge.code))),
    )
    const { outcome } = await challenge.execution.result()
    const verdicts = await verdictsOf(challenge)
    const wrong = verdicts.filter((verdict) => verdict === 'wrong_code').length
    expect(wrong).toBeLessThanOrEqual(5)
    expect(verdicts.filter((verdict) => verdict === 'verified')).toHaveLength(outcome === 'verified' ? 1 : 0)
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs(outcome, wrong))
  })
})

describe('a caller killed between admission and start', () => {
  let system: System
  let deaf: Awaited<ReturnType<typeof listenDeaf>>
  beforeAll(async () => {
    ;[system, deaf] = await Promise.all([startSystem({ OTP_VOID_AFTER_SECONDS: lengthened(3) }), listenDeaf()])
    await system.process(WORKER)
  })
  afterAll(() => Promise.all([system?.stop(), deaf?.close()]))

  /** A Temporal that takes connections and says nothing. */
  async function listenDeaf() {
    const sockets: Socket[] = []
    const server = createServer((socket) => void sockets.push(socket.on('error', () => {})))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return {
      address: `127.0.0.1:${address.port}`,
      async close() {
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => server.close(resolve))
      },
    }
  }

  async function startAndDie(idempotency?: { key: string; requestHash: string }) {
    const memberId = await system.addMember()
    const request = { memberId, purpose: 'redeem_benefit', caller: 'test', ...(idempotency && { idempotency }) }
    const options = { env: system.env, temporalAddress: deaf.address, request }
    const caller = await startProcess('test/support/caller-process.ts', options)
    await caller.end('SIGKILL')
    const [abandoned] = await system.sql<[{ id: string }]>`
      select challenge_id as id from challenges where member_id = ${memberId}`
    return { memberId, request, challengeId: abandoned.id }
  }

  it.concurrent('leaves a challenge that the same idempotency key finishes', async () => {
    const { memberId, request, challengeId } = await startAndDie({ key: randomUUID(), requestHash: 'ab' })
    expect(await begin(system, request)).toBe(challengeId)
    const code = await system.until(async () => (await system.codes(memberId))[0])
    expect(await verify(system, { challengeId, code })).toBe('verified')
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
  })

  it.concurrent('holds its limits until it is void, and the next challenge is the one that counts', async () => {
    const { memberId, request, challengeId } = await startAndDie()
    const policy = { ...system.config.policy, cooldownSeconds: 30, limitPer10Minutes: 1 }
    const next = () => startChallenge({ ...system, policy }, request)
    expect(await next()).toMatchObject({ kind: 'refused', reason: 'too_many_challenges' })
    const start = await system.until(async () => {
      const attempt = await next()
      return 'challenge' in attempt && attempt
    })
    await start.started
    const code = await system.until(async () => (await system.codes(memberId))[0])
    expect(await verify(system, { challengeId: start.challenge.challengeId, code })).toBe('verified')
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('superseded'))
    expect(await endingOf(system, start.challenge.challengeId)).toEqual(endedOnceAs('verified'))
    expect(await system.codes(memberId)).toHaveLength(1)
  })
})
