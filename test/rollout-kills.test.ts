/**
 * Q4, R4, M2, U4, I9: the campaign worker, the consumer, the relay, Postgres, Temporal and Kafka killed at moments by
 * chance while members change and a campaign is at work. `npm run soak -- --kill` does it with more of everything.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { auditEvents, auditMembers, auditNotices } from './support/rollout-audit.ts'
import {
  beginRollout,
  chooseDeaths,
  publishChanges,
  registerMembers,
  runLengths,
  strikeAll,
  untilSettled,
} from './support/rollout-run.ts'
import { startRolloutStack, type RolloutStack } from './support/rollout-stack.ts'
import { patience } from './support/speed.ts'

const SEED = Number(process.env['ROLLOUT_SEED'] ?? Date.now() % 1_000_000)
const PEOPLE = { seed: SEED, members: 2_000, changes: 400 }
const EACH = 2
const NOTICES_AT_ONCE = 10
const CAMPAIGN = 'kills'

let stack: RolloutStack
beforeAll(async () => {
  stack = await startRolloutStack({
    OTP_ENFORCE_AFTER_SECONDS: '4',
    OTP_NOTICES_AT_ONCE: String(NOTICES_AT_ONCE),
    OTP_NOTICE_LEASE_SECONDS: '10',
  })
})
afterAll(() => stack?.stop())

it(
  'everybody ends where the rule puts them, and hears twice only where an answer was lost',
  async () => {
    const deaths = chooseDeaths(SEED, EACH, 2_000)
    console.log(`ROLLOUT_SEED=${SEED}: ${deaths.map(({ name, afterMs }) => `${name} +${afterMs} ms`).join(', ')}`)
    await registerMembers(stack, PEOPLE, 60_000)
    // A provider that takes its time, so that there is always a batch in hand to die with.
    await stack.simulators.faults({ latencyMs: 40 })
    await beginRollout(stack, CAMPAIGN)
    await Promise.all([strikeAll(stack, deaths), publishChanges(stack, PEOPLE, 15_000)])
    await untilSettled(stack, CAMPAIGN, 120_000)

    expect(await auditMembers(stack, CAMPAIGN, PEOPLE)).toEqual([])
    const { findings, twice, unrecorded } = await auditNotices(stack, CAMPAIGN)
    expect(findings).toEqual([])
    const kills = deaths.filter(({ name }) => name === 'campaign-worker').length
    console.log(`sent twice: ${twice}, sent and then given up: ${unrecorded}, of ${kills * NOTICES_AT_ONCE} at most`)
    expect(twice + unrecorded).toBeLessThanOrEqual(kills * NOTICES_AT_ONCE)
    expect((await auditEvents(stack, CAMPAIGN)).findings).toEqual([])
    expect(Math.max(...(await runLengths(stack, CAMPAIGN)))).toBeLessThanOrEqual(4_096)
  },
  patience(300),
)
