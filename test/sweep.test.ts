/**
 * C11: what no process finished, the sweep ends: one outcome, one event, a closed execution.
 */
import { randomUUID } from 'node:crypto'
import { MockActivityEnvironment } from '@temporalio/testing'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { admitChallenge } from '../postgres/admission.ts'
import { closeChallenge, readChallenge } from '../postgres/challenges.ts'
import { sendNotices } from '../client/send-notices.ts'
import { createSweepActivities, type Swept } from '../activities/sweep.ts'
import { begin, endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { lengthened, patience } from './support/speed.ts'
import { judgeFor, startSystem, type System } from './support/system.ts'

const SWEPT_EVERY_SECOND = { OTP_SWEEP_INTERVAL_SECONDS: '1' }
const WORKER = 'workers/challenge-worker.ts'
/** Long enough that an overdue challenge is told from one that its own timer closed. */
const LIFE_SECONDS = lengthened(4)
const BRIEF = { OTP_CODE_TTL_SECONDS: LIFE_SECONDS, OTP_CODE_MIN_LIFE_SECONDS: '0' }

async function open(system: System) {
  const memberId = await system.addMember()
  const challengeId = await begin(system, { memberId })
  const { runId } = await system.until(async () => {
    const challenge = await readChallenge(system.sql, challengeId)
    return challenge?.sentAt ? challenge : undefined
  })
  return { memberId, challengeId, execution: executionOf(system, memberId, runId!) }
}

type Open = Awaited<ReturnType<typeof open>>

const endOf = (system: System, { challengeId }: Pick<Open, 'challengeId'>) =>
  system.until(async () => {
    const ending = await endingOf(system, challengeId)
    return ending.outcome !== null && ending
  }, 25_000)

const statusOf = ({ execution }: Open) => execution.describe().then(({ status }) => status.name)
const closedStatusOf = (system: System, challenge: Open) =>
  system.until(async () => {
    const status = await statusOf(challenge)
    return status !== 'RUNNING' && status
  }, 25_000)

const untold = async ({ sql }: System) =>
  (await sql`select from challenges where outcome is not null and not told`).length

describe.concurrent('with a worker running', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem(SWEPT_EVERY_SECOND)
    await system.process(WORKER)
  })
  afterAll(() => system?.stop())

  it('an execution terminated by hand: its challenge ends as cancelled', async () => {
    const challenge = await open(system)
    await challenge.execution.terminate('by hand')
    expect(await endOf(system, challenge)).toEqual(endedOnceAs('cancelled'))
    expect(await readChallenge(system.sql, challenge.challengeId)).toMatchObject({ reason: 'terminated' })
    expect(await statusOf(challenge)).toBe('TERMINATED')
  })

  it('an execution terminated after its verdict was written: the verdict stands', async () => {
    const challenge = await open(system)
    const [code] = await system.codes(challenge.memberId)
    expect((await judgeFor(system, challenge.challengeId, code!))?.result).toBe('verified')
    await challenge.execution.terminate('by hand')
    await system.until(async () => (await untoldOf(challenge)) === 0, 25_000)
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })

  const untoldOf = async ({ challengeId }: Open) =>
    (await system.sql`select from challenges where challenge_id = ${challengeId} and not told`).length

  it('a verdict of which the execution never heard: it completes all the same', async () => {
    const challenge = await open(system)
    const [code] = await system.codes(challenge.memberId)
    expect((await judgeFor(system, challenge.challengeId, code!))?.result).toBe('verified')
    expect(await closedStatusOf(system, challenge)).toBe('COMPLETED')
    expect(await challenge.execution.result()).toMatchObject({ outcome: 'verified' })
    expect(await endingOf(system, challenge.challengeId)).toEqual(endedOnceAs('verified'))
  })

  it('a cancel of which the execution never heard: it shows as Canceled', async () => {
    const challenge = await open(system)
    const { challengeId } = challenge
    await closeChallenge(system.sql, { challengeId, as: 'cancelled', fromWorkflow: false }, system.config.policy)
    expect(await closedStatusOf(system, challenge)).toBe('CANCELLED')
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('cancelled'))
  })

  it('a challenge that lives is left alone', async () => {
    const challenge = await open(system)
    const other = await open(system)
    await other.execution.terminate('by hand')
    await endOf(system, other)
    expect(await endingOf(system, challenge.challengeId)).toEqual({ outcome: null, events: [], attempts: 0 })
    expect(await statusOf(challenge)).toBe('RUNNING')
  })
})

describe('with codes that live for a few seconds', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ ...SWEPT_EVERY_SECOND, ...BRIEF })
  })
  afterAll(() => system?.stop())

  it('what became overdue with no worker running ends once one runs, each as what it is', async () => {
    const worker = await system.process(WORKER)
    const [waiting, terminated, verified] = await Promise.all([open(system), open(system), open(system)])
    const [code] = await system.codes(verified.memberId)
    await worker.kill()
    await terminated.execution.terminate('by hand')
    expect((await judgeFor(system, verified.challengeId, code!))?.result).toBe('verified')
    const abandoned = { challengeId: uuidv7() }
    const admission = await admitChallenge(system.sql, system.config.policy, {
      ...abandoned,
      memberId: await system.addMember(),
      purpose: 'redeem_benefit',
      caller: 'test',
    })
    expect(admission.kind).toBe('admitted')
    const overdue = await system.sql`select challenge_now() + ${`${LIFE_SECONDS} seconds`}::interval as at`
    await system.until(async () => (await system.sql`select where challenge_now() > ${overdue[0]!['at']}`).length > 0)

    await system.process(WORKER)
    expect(await endOf(system, waiting)).toEqual(endedOnceAs('expired'))
    expect(await closedStatusOf(system, waiting)).toBe('COMPLETED')
    // Overdue and terminated: the sweep takes what is past its time first.
    expect(await endOf(system, terminated)).toEqual(endedOnceAs('expired'))
    expect(await closedStatusOf(system, verified)).toBe('COMPLETED')
    expect(await endingOf(system, verified.challengeId)).toEqual(endedOnceAs('verified'))
    expect(await endOf(system, abandoned)).toEqual(endedOnceAs('cancelled'))
    expect(await readChallenge(system.sql, abandoned.challengeId)).toMatchObject({ reason: 'start_abandoned' })
    // Nobody is left to be told, so that the sweep's work does not grow.
    await system.until(async () => (await untold(system)) === 0, 25_000)
  })
})

describe('an admission that no start followed', () => {
  let system: System
  beforeAll(async () => {
    system = await startSystem({ ...SWEPT_EVERY_SECOND, OTP_VOID_AFTER_SECONDS: lengthened(2) })
  })
  afterAll(() => system?.stop())
  const admit = async (idempotency?: { key: string; requestHash: string }, memberId?: string) => {
    const admission = await admitChallenge(system.sql, system.config.policy, {
      challengeId: uuidv7(),
      memberId: memberId ?? (await system.addMember()),
      purpose: 'redeem_benefit',
      caller: 'test',
      ...(idempotency && { idempotency }),
    })
    if (!('challenge' in admission)) throw new Error(admission.kind)
    return admission.challenge
  }

  it('ends as cancelled once it is void, but not where its workflow only waited for a worker', async () => {
    const key = { key: uuidv7(), requestHash: 'ab' }
    const abandoned = await admit(key)
    const waiting = await admit()
    await system.temporal.workflow.start('otpChallenge', {
      workflowId: `otp-challenge/${waiting.memberId}`,
      taskQueue: 'otp-challenge',
      args: [{ challengeId: waiting.challengeId, memberId: waiting.memberId, purpose: waiting.purpose }],
      memo: { challengeId: waiting.challengeId },
      startDelay: patience(6),
    })
    await system.process(WORKER)
    expect(await endOf(system, abandoned)).toEqual(endedOnceAs('cancelled'))
    expect(await readChallenge(system.sql, abandoned.challengeId)).toMatchObject({ reason: 'start_abandoned' })
    await system.until(async () => (await system.codes(waiting.memberId)).length === 1)
    expect((await readChallenge(system.sql, waiting.challengeId))?.outcome).toBeNull()

    // The same request, repeated later still, is a new one.
    const again = await admit(key, abandoned.memberId)
    expect(again.challengeId).not.toBe(abandoned.challengeId)
  })
})

describe('with 500 closed and 500 open challenges whose executions nobody can tell anything', () => {
  let system: System
  beforeAll(async () => {
    // No sweep of its own: here each is asked for.
    system = await startSystem({ OTP_SWEEP_INTERVAL_SECONDS: '3600' })
    await system.process(WORKER)
    await stuck(500, { isClosed: true })
    await stuck(500, { isClosed: false })
  })
  afterAll(() => system?.stop())

  /** The engine has an error for each of these runs, and not that there is none. They were closed, or failed, a minute ago. */
  async function stuck(count: number, { isClosed }: { isClosed: boolean }) {
    await system.sql`
      with made as (
        insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, run_id, channel, destination, language,
          admitted_at, send_began_at, sent_at, expires_at, provider, provider_message_id, outcome, closed_at)
        select id, 'stuck' || n || ${String(isClosed)}, 1, 'view_membership', 'test', id, 'no run ' || n, 'sms', '+819000000000', 'en', at, at, at,
          at + interval '10 minutes', 'vonage', id::text, case when ${isClosed} then 'verified' end, case when ${isClosed} then at end
        from (select n, gen_random_uuid() as id from generate_series(1, ${count}) n) as ids, (select challenge_now() - interval '1 minute' as at)
        returning challenge_id
      )
      insert into receipts (provider, event_id, reference, kind, occurred_at, received_at)
      select 'vonage', challenge_id::text, challenge_id, 'failed', challenge_now(), challenge_now()
      from made where not ${isClosed}`
  }
  const sweep = () => {
    const { sql, temporal, config } = system
    const activities = createSweepActivities({
      sql,
      temporal,
      policy: config.policy,
      sendNotices: (ids) => sendNotices(temporal, ids),
    })
    return new MockActivityEnvironment().run<[], Swept, () => Promise<Swept>>(() => activities.sweepChallenges())
  }
  /** Of those that were closed from the beginning. `dueInMs`: until the last of them is due again, by the true clock. */
  const tries = async () => {
    const [row] = await system.sql<[{ least: number; most: number; untold: number; dueInMs: number }]>`
      select min(sweep_tries)::int as least, max(sweep_tries)::int as most, count(*) filter (where not told)::int as untold,
        extract(epoch from max(sweep_after) - clock_timestamp())::float8 * 1000 as "dueInMs"
      from challenges where run_id like 'no run%' and outcome = 'verified'`
    return row
  }

  it('a signal and a hint that were lost after them are repaired within two sweeps', async () => {
    const [verified, undelivered] = [await open(system), await open(system)]
    const [code] = await system.codes(verified.memberId)
    expect((await judgeFor(system, verified.challengeId, code!))?.result).toBe('verified')
    await system.sql`
      select apply_receipts(provider, array[${randomUUID()}], array[${undelivered.challengeId}], array[provider_message_id],
        array['failed'], array['x'], array[now()::text])
      from challenges where challenge_id = ${undelivered.challengeId}`
    // The API is given five seconds to tell by itself.
    await system.shiftClock(5_500)
    await sweep()
    await sweep()
    await system.shiftClock(0)
    expect(await closedStatusOf(system, verified)).toBe('COMPLETED')
    await system.until(async () => (await readChallenge(system.sql, undelivered.challengeId))?.channel === 'email')
  })

  it('each is tried less and less often, and given up once no execution can live any more', async () => {
    const waits: number[] = []
    let now = 0
    for (let tried = 1; tried < 8; tried++) {
      const { dueInMs, ...standing } = await tries()
      expect(standing).toEqual({ least: tried, most: tried, untold: 500 })
      waits.push(dueInMs - now)
      now = Math.ceil(dueInMs) + 1
      await system.shiftClock(now)
      // In two batches: by then the open ones have expired, and nobody can tell them either.
      await sweep()
      await sweep()
    }
    await system.shiftClock(0)
    expect(await tries()).toMatchObject({ least: 8, most: 8, untold: 0 })
    // The first was counted from the sweep before this test.
    expect(waits.slice(1).map((ms) => Math.round(ms / 10_000) * 10)).toEqual([60, 120, 240, 480, 600, 600])
    expect(now / 1_000).toBeGreaterThan(system.config.policy.executionTimeoutSeconds)
  })

  it('a step that fails stops no other one, and the sweep says which it was', async () => {
    const challenge = await open(system)
    const [code] = await system.codes(challenge.memberId)
    expect((await judgeFor(system, challenge.challengeId, code!))?.result).toBe('verified')
    await system.sql`alter table member_notices rename to member_notices_gone`
    await system.shiftClock(5_500)
    try {
      await expect(sweep()).rejects.toMatchObject({ message: 'failed: notices', type: 'sweep_incomplete' })
    } finally {
      await system.shiftClock(0)
      await system.sql`alter table member_notices_gone rename to member_notices`
    }
    expect(await closedStatusOf(system, challenge)).toBe('COMPLETED')
  })
})
