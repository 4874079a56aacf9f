/**
 * R2–R4, R8, I9, U4: a whole rollout through Kafka, Postgres and Temporal: every member ends where the rule puts them,
 * and every history stays short. `npm run soak` does the same for as many members as one likes.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { auditEvents, auditMembers, auditNotices } from './support/rollout-audit.ts'
import { beginRollout, publishChanges, registerMembers, runLengths, untilSettled } from './support/rollout-run.ts'
import { startRolloutStack, type RolloutStack } from './support/rollout-stack.ts'
import { patience } from './support/speed.ts'

const PEOPLE = { seed: 5, members: Number(process.env['ROLLOUT_MEMBERS'] ?? 50_000), changes: 1_000 }
const CAMPAIGN = 'scale'

let stack: RolloutStack
beforeAll(async () => {
  stack = await startRolloutStack({ OTP_ENFORCE_AFTER_SECONDS: '3', OTP_NOTICES_AT_ONCE: '50' })
})
afterAll(() => stack?.stop())

it(
  '50,000 members end where the rule puts them, each told once and in order, in short histories',
  async () => {
    await registerMembers(stack, PEOPLE, 120_000)
    await beginRollout(stack, CAMPAIGN)
    await publishChanges(stack, PEOPLE, 5_000)
    await untilSettled(stack, CAMPAIGN, 300_000)

    expect(await auditMembers(stack, CAMPAIGN, PEOPLE)).toEqual([])
    const notices = await auditNotices(stack, CAMPAIGN)
    expect(notices).toMatchObject({ findings: [], twice: 0, unrecorded: 0 })
    expect(notices.sent).toBeGreaterThan(PEOPLE.members / 2)
    const { findings, events } = await auditEvents(stack, CAMPAIGN)
    expect(findings).toEqual([])
    expect(events).toBeGreaterThan(PEOPLE.members / 2)
    expect(Math.max(...(await runLengths(stack, CAMPAIGN)))).toBeLessThanOrEqual(4_096)
  },
  patience(500),
)
