/**
 * C2, C3, C8, C14: the newest challenge wins, whatever is going on.
 */
import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChallenge, type StartRequest } from '../client/start-challenge.ts'
import { admitChallenge } from '../postgres/admission.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { patience } from './support/speed.ts'
import { judgeFor, startByClient, startSystem, wrongCode, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())

async function start(request: Partial<StartRequest> & { memberId: string }, policy = system.config.policy) {
  const start = await startChallenge({ ...system, policy }, { purpose: 'view_membership', caller: 'test', ...request })
  if (!('challenge' in start)) return { refused: start }
  await start.started
  return { challengeId: start.challenge.challengeId }
}

const openChallenges = async (memberId: string) =>
  system.sql<
    { id: string }[]
  >`select challenge_id as id from challenges where member_id = ${memberId} and outcome is null`
const isSent = async (challengeId: string | undefined) =>
  (await readChallenge(system.sql, challengeId!))?.sentAt ?? undefined
const statusOf = async (memberId: string) =>
  (await system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).describe()).status.name

describe('with no worker running', () => {
  it('a newer start succeeds after the deadline, by terminating what stands in its way', async () => {
    const memberId = await system.addMember()
    const first = await start({ memberId })
    const began = Date.now()
    const second = await start({ memberId })
    expect(Date.now() - began).toBeGreaterThanOrEqual(5_000)
    // The deadline, and the machine's share.
    expect(Date.now() - began).toBeLessThan(5_000 + patience(4))
    const description = await system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).describe()
    expect(description.memo).toEqual({ challengeId: second.challengeId })
    expect((await readChallenge(system.sql, second.challengeId!))?.outcome).toBeNull()
    expect(first.challengeId).not.toBe(second.challengeId)
  })

  it('a start that died between admission and workflow is finished by the same idempotency key', async () => {
    const memberId = await system.addMember()
    const request = {
      memberId,
      purpose: 'view_membership',
      caller: 'test',
      idempotency: { key: randomUUID(), requestHash: 'ab' },
    }
    const admitted = await admitChallenge(system.sql, system.config.policy, { ...request, challengeId: uuidv7() })
    expect(admitted.kind).toBe('admitted')
    const resumed = await startChallenge({ ...system, policy: system.config.policy }, request)
    expect(resumed).toMatchObject({ kind: 'existing', challenge: 'challenge' in admitted && admitted.challenge })
    if ('challenge' in resumed) await resumed.started
    expect(await statusOf(memberId)).toBe('RUNNING')
    const other = await startChallenge(
      { ...system, policy: system.config.policy },
      { ...request, idempotency: { ...request.idempotency, requestHash: 'cd' } },
    )
    expect(other).toMatchObject({ kind: 'refused', reason: 'idempotency_key_reused' })
  })

  it('one that died there for good is void after 30 s, and gives its limits back', async () => {
    const policy = { ...system.config.policy, cooldownSeconds: 60, limitPer10Minutes: 1 }
    const request = { memberId: await system.addMember(), purpose: 'view_membership', caller: 'test' }
    await admitChallenge(system.sql, policy, { ...request, challengeId: uuidv7() })
    const refused = await admitChallenge(system.sql, policy, { ...request, challengeId: uuidv7() })
    expect(refused).toMatchObject({ kind: 'refused', reason: 'too_many_challenges' })
    await system.shiftClock(30_001)
    try {
      const admitted = await admitChallenge(system.sql, policy, { ...request, challengeId: uuidv7() })
      expect(admitted.kind).toBe('admitted')
    } finally {
      await system.shiftClock(0)
    }
  })
})

describe('with a worker running', () => {
  beforeAll(async () => {
    await system.process('workers/challenge-worker.ts')
  })

  it('50 starts at once for one member end with one open challenge, 49 superseded, and at most 5 messages', async () => {
    const memberId = await system.addMember()
    const began = Date.now()
    const starts = await Promise.all(Array.from({ length: 50 }, () => start({ memberId })))
    const open = await system.until(async () => {
      const rows = await openChallenges(memberId)
      return rows.length === 1 && (await isSent(rows[0]!.id)) ? rows[0]! : undefined
    })
    expect(Date.now() - began).toBeLessThan(patience(5))
    expect(starts.filter((each) => each.refused)).toEqual([])

    const outcomes = await system.sql`
      select outcome, count(*)::int from challenges where member_id = ${memberId} group by outcome order by outcome`
    expect(outcomes).toEqual([
      { outcome: 'superseded', count: 49 },
      { outcome: null, count: 1 },
    ])
    const codes = await system.codes(memberId)
    expect(codes.length).toBeLessThanOrEqual(5)
    const [newest, ...older] = codes
    for (const code of older.filter((each) => each !== newest)) {
      expect((await judgeFor(system, open.id, code))?.result).toBe('older_code')
    }
    for (const { challengeId } of starts.filter((each) => each.challengeId !== open.id)) {
      expect((await judgeFor(system, challengeId!, newest!))?.result).toBe('superseded')
    }
    expect((await judgeFor(system, open.id, newest!))?.result).toBe('verified')
    const events = await system.sql`
      select type, count(*)::int from outbox where subject = ${memberId} group by type order by type`
    expect(events).toEqual([
      { type: 'otp.challenge.superseded', count: 49 },
      { type: 'otp.challenge.verified', count: 1 },
    ])
  })

  it('the older execution shows as Canceled, the newer one runs', async () => {
    const memberId = await system.addMember()
    const first = await start({ memberId })
    await system.until(() => isSent(first.challengeId))
    const { runId } = await system.temporal.workflow.getHandle(challengeWorkflowId(memberId)).describe()
    const second = await start({ memberId })
    await system.until(() => isSent(second.challengeId))
    const older = await system.temporal.workflow.getHandle(challengeWorkflowId(memberId), runId).describe()
    expect(older.status.name).toBe('CANCELLED')
    expect(await statusOf(memberId)).toBe('RUNNING')
    expect((await readChallenge(system.sql, first.challengeId!))?.outcome).toBe('superseded')
  })

  it('an earlier code has an answer of its own, names when the newest was sent, and costs no attempt', async () => {
    const memberId = await system.addMember()
    const first = await start({ memberId })
    await system.until(() => isSent(first.challengeId))
    const [olderCode] = await system.codes(memberId)
    const second = await start({ memberId })
    const sentAt = await system.until(() => isSent(second.challengeId))
    const [newest] = await system.codes(memberId)
    const older = await judgeFor(system, second.challengeId!, olderCode!)
    expect(older).toMatchObject({ result: 'older_code', attemptsLeft: 5, newestSentAt: sentAt })
    const wrong = await judgeFor(system, second.challengeId!, wrongCode(olderCode!, newest!))
    expect(wrong).toMatchObject({ result: 'wrong_code', attemptsLeft: 4 })

    await system.shiftClock(9 * 60_000)
    try {
      // Still within ten minutes of the older send; the newest is alive.
      expect((await judgeFor(system, second.challengeId!, olderCode!))?.result).toBe('older_code')
    } finally {
      await system.shiftClock(0)
    }
  })

  it('"send again" continues the older challenge, and whoever holds an id of the chain is led to the newest', async () => {
    const memberId = await system.addMember()
    const first = await start({ memberId })
    await system.until(() => isSent(first.challengeId))
    const second = await start({ memberId, continues: first.challengeId! })
    await system.until(() => isSent(second.challengeId))
    const third = await start({ memberId, continues: first.challengeId! })
    await system.until(() => isSent(third.challengeId))
    expect(await readChallenge(system.sql, third.challengeId!)).toMatchObject({ continues: second.challengeId })
    for (const { challengeId } of [first, second]) {
      expect(await readChallenge(system.sql, challengeId!)).toMatchObject({
        outcome: 'superseded',
        continuedBy: third.challengeId,
      })
    }
    const [event] = await system.sql`
      select data->>'continuedBy' as "continuedBy" from outbox where data->>'challengeId' = ${second.challengeId!}`
    expect(event).toEqual({ continuedBy: third.challengeId })
  })

  it('a refused start leaves the open challenge as it was', async () => {
    const memberId = await system.addMember()
    const first = await start({ memberId })
    await system.until(() => isSent(first.challengeId))
    const refused = await start({ memberId }, { ...system.config.policy, cooldownSeconds: 30 })
    expect(refused.refused).toMatchObject({ reason: 'too_many_challenges', retryAfter: expect.any(Number) })
    expect(await statusOf(memberId)).toBe('RUNNING')
    const [code] = await system.codes(memberId)
    expect((await judgeFor(system, first.challengeId!, code!))?.result).toBe('verified')
  })

  it('a start by a plain client while one is open is refused by the engine itself', async () => {
    const memberId = await system.addMember()
    const first = await start({ memberId })
    await system.until(() => isSent(first.challengeId))
    const again = startByClient(system, { challengeId: uuidv7(), memberId, purpose: 'view_membership' })
    await expect(again).rejects.toThrow('already started')
    expect(await openChallenges(memberId)).toEqual([{ id: first.challengeId }])
  })
})
