/**
 * What delivery costs a challenge whose message is taken at once and delivered: two statements (that it was sent, and that
 * its receipt is kept) and three history events (the activity that sends), and its receipt costs the workflow nothing.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createStatementMeter } from '../bench/measure/statements.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { startApi, type Api } from './support/api.ts'
import { connectAsAdministrator } from './support/database.ts'
import { executionOf } from './support/endings.ts'
import { sendGridEvent, sendGridPost, vonagePost, vonageStatus, WEBHOOK_ENV } from './support/webhooks.ts'

/** More than any sweep or cleanup runs a statement meanwhile. */
const CHALLENGES = 10

let api: Api
beforeAll(async () => {
  api = await startApi({ ...WEBHOOK_ENV, OTP_SWEEP_INTERVAL_SECONDS: '3600' })
})
afterAll(() => api?.stop())

it.each(['sms', 'email'] as const)('by %s: two statements, three events, none for its receipt', async (channel) => {
  const { system } = api
  const memberIds = await Promise.all(Array.from({ length: CHALLENGES }, () => system.addMember({ channel })))
  const administrator = connectAsAdministrator()
  try {
    const meter = await createStatementMeter(administrator, new URL(system.env['DATABASE_URL']!).pathname.slice(1))
    await meter.reset()
    const challengeIds = []
    for (const memberId of memberIds) {
      const body = { memberId, purpose: 'redeem_benefit' }
      const started = await api.call('POST', '/v1/challenges', { body, key: randomUUID() })
      expect(started.statusCode).toBe(201)
      challengeIds.push(started.json<{ challengeId: string }>().challengeId)
    }
    const histories = await Promise.all(memberIds.map(eventsOf))
    for (const challengeId of challengeIds) {
      const post =
        channel === 'email'
          ? sendGridPost([sendGridEvent(challengeId, 'delivered')])
          : await vonagePost(vonageStatus(challengeId, 'delivered'))
      expect((await api.app.inject(post)).statusCode).toBe(204)
    }
    const perChallenge = (await meter.read()).filter(({ calls }) => calls >= CHALLENGES)
    expect(Object.fromEntries(perChallenge.map(({ name, calls }) => [name, calls / CHALLENGES]))).toEqual({
      // What every challenge has, wherever its code goes …
      'select members': 1,
      admit: 1,
      open_and_stamp: 1,
      // … and what delivery adds.
      record_sent: 1,
      apply_receipts: 1,
    })
    for (const events of histories) {
      expect(events.filter((type) => type.startsWith('activityTask'))).toEqual([
        'activityTaskScheduledEventAttributes',
        'activityTaskStartedEventAttributes',
        'activityTaskCompletedEventAttributes',
      ])
    }
    expect(await Promise.all(memberIds.map(eventsOf))).toEqual(histories)
    const challenges = await Promise.all(challengeIds.map((id) => readChallenge(system.sql, id)))
    expect(challenges.map((challenge) => challenge?.delivery)).toEqual(challengeIds.map(() => 'delivered'))
  } finally {
    await administrator.end()
  }
})

/** The history of a member's challenge once its code was sent and its timer runs: a word for each event. */
async function eventsOf(memberId: string): Promise<string[]> {
  return api.system.until(async () => {
    const { events } = await executionOf(api.system, memberId).fetchHistory()
    const types = (events ?? []).flatMap((event) => Object.keys(event).filter((key) => key.endsWith('EventAttributes')))
    return types.includes('timerStartedEventAttributes') && types
  })
}
