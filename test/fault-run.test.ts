/**
 * D6: a provider's bad day costs retries, and no member: 1,000 challenges while it answers 20 % with 500, 10 % with 429,
 * drops 5 % after it accepted them, and leaves 2 % hanging.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyCode } from '../client/verify-code.ts'
import type { Fault } from '../local/simulators/faults.ts'
import { begin } from './support/endings.ts'
import { codeOf } from './support/simulators.ts'
import { patience } from './support/speed.ts'
import { startSystem, type System } from './support/system.ts'

const CHALLENGES = 1_000
const AT_ONCE = 50
const SEED = 20_261_125
const BAD_DAY: Fault[] = [
  { share: 0.2, seed: SEED, status: 500 },
  // Each that says for how long stops all for a second.
  { share: 0.02, seed: SEED, status: 429, retryAfterSeconds: 1 },
  { share: 0.08, seed: SEED, status: 429 },
  { share: 0.05, seed: SEED, drop: 'after' },
  { share: 0.02, seed: SEED, drop: 'before', latencyMs: 60_000 },
]

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_PROVIDER_TIMEOUT_SECONDS: '1' })
  await Promise.all([1, 2].map(() => system.process('workers/challenge-worker.ts')))
})
afterAll(() => system?.stop())

/** Works on all, so many at a time. */
async function forAll<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const entries = items.entries()
  const worker = async () => {
    for (const [index, item] of entries) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}

it(
  'each ends verified with the one code that its member got, and none is undeliverable',
  { timeout: patience(180) },
  async () => {
    for (const fault of BAD_DAY) await system.simulators.faults(fault)
    // The same numbers each time meet the same faults each time.
    const members = await forAll(
      Array.from({ length: CHALLENGES }, (_, index) => `+8190${10_000_000 + index}`),
      async (phone) => ({ phone, memberId: await system.addMember({ phone, email: null }) }),
    )
    const started = await forAll(members, async (member) => ({
      ...member,
      challengeId: await begin(system, { memberId: member.memberId }),
    }))
    await system.until(async () => {
      const [row] = await system.sql<[{ undecided: number }]>`
      select count(*)::int as undecided from challenges where sent_at is null and outcome is null`
      return row.undecided === 0
    }, 120_000)

    const codes = new Map<string, Set<string>>()
    const messages = await system.simulators.messages()
    for (const message of messages) codes.set(message.to, (codes.get(message.to) ?? new Set()).add(codeOf(message)))
    expect(new Set([...codes.values()].map((own) => own.size))).toEqual(new Set([1]))
    // 5 % and more were sent again: the faults were met.
    expect(messages.length).toBeGreaterThan(CHALLENGES * 1.03)

    const verdicts = await forAll(started, async ({ challengeId, phone }) => {
      const [code] = codes.get(phone) ?? []
      const submission = { challengeId, code: code!, attemptId: randomUUID() }
      const verified = await verifyCode({ ...system.judge, temporal: system.temporal }, submission)
      await verified?.told
      return verified?.answer.result
    })
    expect(new Set(verdicts)).toEqual(new Set(['verified']))
    const outcomes = await system.sql`
    select c.outcome, count(distinct c.challenge_id)::int as challenges, count(*)::int as events
    from challenges c left join outbox o on o.data->>'challengeId' = c.challenge_id::text
    group by c.outcome`
    expect(outcomes).toEqual([{ outcome: 'verified', challenges: CHALLENGES, events: CHALLENGES }])
  },
)
