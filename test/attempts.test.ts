/**
 * C5–C7: what an attempt costs, what a success is worth, and that nothing changes either. Judged on Postgres alone: the
 * challenges are opened by the statement that opens them, with no worker and no Temporal.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deriveCode } from '../codes/code.ts'
import { judgeCode } from '../codes/judge-code.ts'
import { admitChallenge } from '../postgres/admission.ts'
import { closeChallenge, openAndStamp } from '../postgres/challenges.ts'
import { unlockMember } from '../postgres/support.ts'
import { patience } from './support/speed.ts'
import { judgeFor, startSystem, wrongCode, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())

/** Admits and opens a challenge as its workflow would. */
async function open(memberId: string, keyRing = system.config.codes.masterKeys) {
  const { sql } = system
  const { policy, codes } = system.config
  const challengeId = uuidv7()
  const admission = await admitChallenge(sql, policy, {
    challengeId,
    memberId,
    purpose: 'view_membership',
    caller: 'test',
  })
  if (!('challenge' in admission)) throw new Error(`${admission.kind} ${'reason' in admission ? admission.reason : ''}`)
  const stamp = await openAndStamp(
    sql,
    { challengeId, memberId, runId: randomUUID(), keyId: keyRing.current, nonce: randomBytes(16) },
    policy,
  )
  if (stamp.kind !== 'send') throw new Error(stamp.kind)
  const material = { memberId, challengeId, keyId: stamp.keyId, nonce: Buffer.from(stamp.nonce, 'hex') }
  return { challengeId, code: deriveCode(keyRing, material, codes.digits) }
}
const times = <T>(n: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)))
const tally = (results: readonly (string | undefined)[]) =>
  Object.fromEntries([...new Set(results)].map((result) => [result, results.filter((each) => each === result).length]))
const attemptsOf = async (challengeId: string) =>
  (
    await system.sql`
  select attempts from challenges where challenge_id = ${challengeId}`
  )[0]!['attempts'] as number
const unlock = (memberId: string) => unlockMember(system.sql, { memberId, by: 'test', why: 'they called' })
const headOf = async (memberId: string) =>
  (
    await system.sql`
  select failures, locked_until::text as "lockedUntil" from challenge_heads where member_id = ${memberId}`
  )[0]!

it('a challenge whose execution was terminated for a newer start was superseded, another was cancelled', async () => {
  const memberId = await system.addMember()
  const older = await open(memberId)
  const newer = uuidv7()
  const request = { challengeId: newer, memberId, purpose: 'view_membership', caller: 'test' }
  await admitChallenge(system.sql, system.config.policy, request)
  const other = await open(await system.addMember())
  for (const { challengeId } of [older, other]) {
    // As the sweep does.
    const as = { challengeId, as: 'cancelled', reason: 'terminated', fromWorkflow: true } as const
    await closeChallenge(system.sql, as, system.config.policy)
  }
  const outcomeOf = async ({ challengeId }: { challengeId: string }) =>
    (await system.sql`select outcome from challenges where challenge_id = ${challengeId}`)[0]!['outcome'] as string
  expect([await outcomeOf(older), await outcomeOf(other)]).toEqual(['superseded', 'cancelled'])
})

describe('an attempt', () => {
  it('200 parallel right answers give one verified and 199 already_used, within 2 s', async () => {
    const { challengeId, code } = await open(await system.addMember())
    const began = Date.now()
    const results = await times(200, async () => (await judgeFor(system, challengeId, code))?.result)
    expect(Date.now() - began).toBeLessThan(patience(2))
    expect(tally(results)).toEqual({ verified: 1, already_used: 199 })
  })

  it('200 parallel guesses spend at most five, and the right code is refused after them', async () => {
    const { challengeId, code } = await open(await system.addMember())
    const results = await times(200, async () => (await judgeFor(system, challengeId, wrongCode(code)))?.result)
    expect(tally(results)).toEqual({ wrong_code: 5, attempts_exhausted: 195 })
    expect(await attemptsOf(challengeId)).toBe(5)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('attempts_exhausted')
  })

  it('with the same id gets the same verdict and counts once, at once or later', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await open(memberId)
    const attemptId = randomUUID()
    const wrong = wrongCode(code)
    const results = await times(20, async () => judgeFor(system, challengeId, wrong, attemptId))
    expect(results.every((each) => each?.result === 'wrong_code' && each.attemptsLeft === 4)).toBe(true)
    expect(await attemptsOf(challengeId)).toBe(1)

    const right = randomUUID()
    expect((await judgeFor(system, challengeId, code, right))?.result).toBe('verified')
    expect(await judgeFor(system, challengeId, code, right)).toMatchObject({ result: 'verified', closedNow: false })
    expect((await judgeFor(system, challengeId, code))?.result).toBe('already_used')
    expect((await judgeFor(system, challengeId, wrong, attemptId))?.result).toBe('wrong_code')
  })

  it('is not spent by an error on our side', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await open(memberId)
    const other = { current: 'other', keys: new Map([['other', randomBytes(32)]]) }
    const lost = judgeCode(
      { ...system.judge, codes: { ...system.judge.codes, masterKeys: other } },
      { challengeId, code, attemptId: randomUUID(), fromWorkflow: false },
    )
    await expect(lost).rejects.toThrow('master key')
    expect(await attemptsOf(challengeId)).toBe(0)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('verified')
  })

  it('counts until the challenge is closed, and a closed one answers with what stands whatever the code', async () => {
    for (const [as, reason] of [
      ['cancelled', undefined],
      ['undeliverable', 'not_sent'],
    ] as const) {
      const { challengeId, code } = await open(await system.addMember())
      await closeChallenge(
        system.sql,
        { challengeId, as, ...(reason && { reason }), fromWorkflow: false },
        system.config.policy,
      )
      for (const each of [code, wrongCode(code)]) expect((await judgeFor(system, challengeId, each))?.result).toBe(as)
      expect(await attemptsOf(challengeId)).toBe(0)
    }
  })

  it('beyond 50 submissions of any kind nothing is computed any more', async () => {
    const memberId = await system.addMember()
    const older = await open(memberId)
    const { challengeId, code } = await open(memberId)
    const results = []
    for (let n = 0; n < 52; n++) results.push((await judgeFor(system, challengeId, older.code))?.result)
    expect(tally(results)).toEqual({ older_code: 50, attempts_exhausted: 2 })
    expect((await judgeFor(system, challengeId, code))?.result).toBe('attempts_exhausted')
  })

  it('for an unknown challenge is no attempt', async () => {
    expect(await judgeFor(system, uuidv7(), '123456')).toBeUndefined()
  })
})

describe('a member', () => {
  const exhaust = async (memberId: string) => {
    const { challengeId, code } = await open(memberId)
    for (let n = 0; n < 5; n++) await judgeFor(system, challengeId, wrongCode(code))
  }

  it('is locked by every 10th consecutive failure, twice as long each time, and a new code resets nothing', async () => {
    const memberId = await system.addMember()
    const minutesLocked = async () => {
      const [row] = await system.sql`
        select coalesce(round(extract(epoch from locked_until - challenge_now()) / 60), 0)::int as minutes
        from challenge_heads where member_id = ${memberId}`
      return row!['minutes'] as number
    }
    let shift = 0
    for (const expected of [30, 60, 120]) {
      await exhaust(memberId)
      expect(await minutesLocked()).not.toBeGreaterThan(0)
      await exhaust(memberId)
      expect(await minutesLocked()).toBe(expected)
      const refused = await open(memberId).catch((error: Error) => error.message)
      expect(refused).toBe('refused locked')
      await system.shiftClock((shift += expected * 60_000))
    }
    expect((await headOf(memberId))['failures']).toBe(30)
    const { challengeId, code } = await open(memberId)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('verified')
    expect(await headOf(memberId)).toEqual({ failures: 0, lockedUntil: null })
    await system.shiftClock(0)
  })

  it('while locked gets `locked` even for the right code of an open challenge, and it costs nothing', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await open(memberId)
    await system.sql`
      update challenge_heads set locked_until = challenge_now() + interval '1 minute' where member_id = ${memberId}`
    expect((await judgeFor(system, challengeId, code))?.result).toBe('locked')
    expect(await attemptsOf(challengeId)).toBe(0)
    await unlock(memberId)
    expect((await judgeFor(system, challengeId, code))?.result).toBe('verified')
  })

  it('is locked by the 100th failure until an operator unlocks', async () => {
    const memberId = await system.addMember()
    const { challengeId, code } = await open(memberId)
    await system.sql`update challenge_heads set failures = 99 where member_id = ${memberId}`
    await judgeFor(system, challengeId, wrongCode(code))
    expect((await headOf(memberId))['lockedUntil']).toBe('infinity')
    await system.shiftClock(365 * 86_400_000)
    expect(await open(memberId).catch((error: Error) => error.message)).toBe('refused locked')
    expect(await unlock(memberId)).toMatchObject({ kind: 'done', isUnlocked: true })
    await open(memberId)
    await system.shiftClock(0)
    expect(await unlock('nobody')).toEqual({ kind: 'unknown_member' })
  })
})

describe('a code', () => {
  it('of an older master key verifies beside one of the current key', async () => {
    const { masterKeys } = system.config.codes
    const older = await open(await system.addMember())
    const rotated = { current: 'next', keys: new Map([['next', randomBytes(32)], ...masterKeys.keys]) }
    const newer = await open(await system.addMember(), rotated)
    const judge = { ...system.judge, codes: { ...system.judge.codes, masterKeys: rotated } }
    for (const { challengeId, code } of [older, newer]) {
      const judged = await judgeCode(judge, { challengeId, code, attemptId: randomUUID(), fromWorkflow: false })
      expect(judged?.result).toBe('verified')
    }
  })

  it('is not sent where it waited so long for its turn that too little of its life would be left', async () => {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const { policy } = system.config
    await admitChallenge(system.sql, policy, { challengeId, memberId, purpose: 'view_membership', caller: 'test' })
    const stamped = (afterSeconds: number, runId: string) =>
      system.sql.begin(async (transaction) => {
        await transaction`
          update challenges set admitted_at = challenge_now() - make_interval(secs => ${afterSeconds})
          where challenge_id = ${challengeId}`
        return openAndStamp(
          transaction as never,
          { challengeId, memberId, runId, keyId: 'test-master', nonce: randomBytes(16) },
          policy,
        )
      })
    expect(await stamped(policy.ttlSeconds - policy.minLifeSeconds + 1, 'run-1')).toMatchObject({
      kind: 'closed',
      challenge: { outcome: 'undeliverable', reason: 'too_late' },
    })
  })

  it('cannot be known from a challenge id that somebody chose: each opening has a nonce of its own', async () => {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const request = { challengeId, memberId, purpose: 'view_membership', caller: 'test' }
    await admitChallenge(system.sql, system.config.policy, request)
    await expect(admitChallenge(system.sql, system.config.policy, request)).rejects.toThrow('challenge id used')
    const openAs = (runId: string) =>
      openAndStamp(
        system.sql,
        { challengeId, memberId, runId, keyId: 'test-master', nonce: randomBytes(16) },
        system.config.policy,
      )
    const first = await openAs('run-1')
    const again = await openAs('run-1')
    expect(again).toMatchObject({ kind: 'send', nonce: first.kind === 'send' && first.nonce })
    expect(await openAs('run-2')).toEqual({ kind: 'id_used' })
  })
})
