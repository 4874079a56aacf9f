/**
 * D8, I11: a campaign that sends does not hold up codes, and its own history replays.
 */
import { Worker } from '@temporalio/worker'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { workerDataConverter } from '../temporal/connect.ts'
import { addMembers, planOf, sampleMember, startCampaign } from './support/campaigns.ts'
import { patience } from './support/speed.ts'
import { startByClient, startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

const CHALLENGES = 30
const MEMBERS = 3_000
const NOTICES_PER_MINUTE = 3_000
/** The acceptance's own bound. On a slower machine each piece of work that a send waits behind takes so much longer. */
const MAY_GROW_MS = patience(0.2)

let system: System
beforeAll(async () => {
  system = await startSystem()
  await Promise.all([system.process('workers/challenge-worker.ts'), system.process('workers/campaign-worker.ts')])
})
afterAll(() => system?.stop())

const millis = (time?: { seconds?: unknown; nanos?: number | null } | null) =>
  Number(time!.seconds) * 1_000 + (time!.nanos ?? 0) / 1e6

/** How long a send waited for a worker, the 95th percentile of some challenges, one after the other. */
async function p95OfScheduleToStart(): Promise<number> {
  const waits: number[] = []
  for (let count = 0; count < CHALLENGES; count++) {
    const memberId = await system.addMember()
    const handle = await startByClient(system, { challengeId: uuidv7(), memberId, purpose: 'view_membership' })
    await until(async () => (await system.codes(memberId))[0])
    await handle.cancel()
    await handle.result().catch(() => {})
    const { events = [] } = await handle.fetchHistory()
    const scheduled = events!.find(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'sendCode',
    )!
    const startedEvent = events!.find(
      (event) => Number(event.activityTaskStartedEventAttributes?.scheduledEventId ?? -1) === Number(scheduled.eventId),
    )!
    waits.push(millis(startedEvent.eventTime) - millis(scheduled.eventTime))
  }
  return waits.toSorted((a, b) => a - b)[Math.ceil(waits.length * 0.95) - 1]!
}

it('the wait of a send for a worker grows by at most 200 ms while notices go out at their rate', async () => {
  const alone = await p95OfScheduleToStart()
  await addMembers(
    system,
    Array.from({ length: MEMBERS }, (_, index) => sampleMember(index)),
  )
  const campaign = await startCampaign(system, planOf([100], { ratePerMinute: NOTICES_PER_MINUTE }))
  const noticesSent = async () => {
    const [row] = await system.sql<[{ sent: number }]>`
      select count(*)::int as sent from campaign_notices where state = 'accepted'`
    return row.sent
  }
  await until(async () => (await noticesSent()) > 0)
  const before = await noticesSent()
  const beside = await p95OfScheduleToStart()
  // The comparison means something only where notices went out all the time.
  expect(await noticesSent()).toBeGreaterThan(before)
  expect((await campaign.status())?.phase).not.toBe('standing')
  expect(beside - alone).toBeLessThanOrEqual(MAY_GROW_MS)

  await campaign.command({ command: 'pause' })
  await campaign.command({ command: 'resume' })
  await campaign.command({ command: 'abort' })
  await campaign.handle.result()
  await Worker.runReplayHistory(
    {
      workflowsPath: new URL('../workflows/campaign-queue.ts', import.meta.url).pathname,
      dataConverter: workerDataConverter(system.config.temporal.codecKeys, () => {}),
    },
    await campaign.handle.fetchHistory(),
    campaign.handle.workflowId,
  )
})
