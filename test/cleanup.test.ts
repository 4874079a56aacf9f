/**
 * C9, C13, D7: what is kept for a time is forgotten after it, each hour, batch after batch; what is younger stays.
 */
import { randomUUID } from 'node:crypto'
import { MockActivityEnvironment } from '@temporalio/testing'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCleanupActivities } from '../activities/cleanup.ts'
import { admitChallenge } from '../postgres/admission.ts'
import { keepRefusedStart } from '../postgres/refused-starts.ts'
import { forgetABatch } from './support/forget.ts'
import { startSystem, type System } from './support/system.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const RETENTION = {
  receiptDays: 7,
  outboxDays: 7,
  destinationDays: 30,
  challengeDays: 365,
  campaignDays: 365,
  refusedStartHours: 24,
}

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_RECEIPT_DAYS: '7' })
})
afterAll(() => system?.stop())

/** Kept at this moment of the judging clock: an address's hash, an idempotency key of a start and of another call, and three receipts. */
async function keep() {
  const challengeId = uuidv7()
  await admitChallenge(system.sql, system.config.policy, {
    challengeId,
    memberId: await system.addMember(),
    purpose: 'view_membership',
    caller: 'test',
    ipHash: 'ab'.repeat(32),
    idempotency: { key: randomUUID(), requestHash: '01' },
  })
  await system.sql`select claim_request_key(${randomUUID()}, '01')`
  const events = [randomUUID(), randomUUID(), randomUUID()]
  const same = (value: string) => events.map(() => value)
  await system.sql`
    select apply_receipts('sendgrid', ${events}, ${same(challengeId)}, ${same('m')}, ${['accepted', 'delivered', 'failed']},
      ${same('x')}, ${same(new Date().toISOString())})`
}
/** Starts that were refused: a day old. */
const refusedStarts = async () => {
  const [row] = await system.sql<[{ count: number }]>`select count(*)::int as count from refused_starts`
  return row.count
}
const kept = async () => {
  const [row] = await system.sql<[{ addresses: number; keys: number; receipts: number }]>`
    select (select count(*)::int from challenges where ip_hash is not null) as addresses,
      (select count(*)::int from idempotency_keys) + (select count(*)::int from request_keys) as keys, (select count(*)::int from receipts) as receipts`
  return row
}

describe('the cleanup', () => {
  it('forgets each kind when its time is over, and nothing sooner', async () => {
    await system.shiftClock(0)
    await keep()
    await system.shiftClock(DAY_MS - HOUR_MS)
    expect(await forgetABatch(system.sql, { receiptDays: 7 }, 1_000)).toBe(false)
    expect(await kept()).toEqual({ addresses: 1, keys: 2, receipts: 3 })
    await system.shiftClock(DAY_MS + HOUR_MS)
    await forgetABatch(system.sql, { receiptDays: 7 }, 1_000)
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 3 })
    await system.shiftClock(7 * DAY_MS - HOUR_MS)
    await forgetABatch(system.sql, { receiptDays: 7 }, 1_000)
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 3 })
    await system.shiftClock(7 * DAY_MS + HOUR_MS)
    await forgetABatch(system.sql, { receiptDays: 7 }, 1_000)
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 0 })
  })

  it('says that there is more as long as a batch was full', async () => {
    await system.shiftClock(0)
    await keep()
    await system.shiftClock(8 * DAY_MS)
    expect(await forgetABatch(system.sql, { receiptDays: 7 }, 2)).toBe(true)
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 1 })
    expect(await forgetABatch(system.sql, { receiptDays: 7 }, 2)).toBe(false)
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 0 })
  })

  it('runs each hour by a schedule that forgets what the configuration says, and the sweep forgets nothing', async () => {
    await system.shiftClock(0)
    await keep()
    await keepRefusedStart(
      system.sql,
      { memberId: await system.addMember(), purpose: 'view_membership', caller: 'test' },
      'member',
    )
    expect(await refusedStarts()).toBe(1)
    await system.shiftClock(8 * DAY_MS)
    await system.process('workers/challenge-worker.ts', { OTP_SWEEP_INTERVAL_SECONDS: '1' })
    const schedule = system.temporal.schedule.getHandle('otp-challenge-cleanup')
    const { spec } = await schedule.describe()
    expect(spec.intervals).toMatchObject([{ every: HOUR_MS }])
    const sweep = system.temporal.schedule.getHandle('otp-challenge-sweep')
    await system.until(async () => (await sweep.describe()).info.numActionsTaken >= 2)
    expect(await kept()).toEqual({ addresses: 1, keys: 2, receipts: 3 })
    await schedule.trigger()
    await system.until(async () => (await kept()).receipts === 0 && (await refusedStarts()) === 0)
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 0 })
  })

  it.each([
    [
      'cannot be forgotten',
      async () => {
        await system.sql`create function refuse() returns trigger language plpgsql as $$ begin raise 'kept'; end $$`
        await system.sql`create trigger refuse before delete on receipts for each row execute function refuse()`
        return async () => void (await system.sql`drop function refuse cascade`)
      },
    ],
    [
      'is locked for long',
      async () => {
        const session = await system.sql.reserve()
        await session`begin`
        await session`lock table receipts`
        return async () => {
          await session`rollback`
          session.release()
        }
      },
    ],
  ])('one kind that %s stops no other one, and the cleanup says which it was', async (_words, obstruct) => {
    await system.shiftClock(0)
    await keep()
    await system.sql`
      insert into outbox_sent (id, event_id, type, subject, data, occurred_at)
      values (1, gen_random_uuid(), 'otp.challenge.verified', 'm', '{}', challenge_now())`
    await system.shiftClock(8 * DAY_MS)
    const release = await obstruct()
    try {
      const activities = createCleanupActivities({ sql: system.sql, retention: RETENTION })
      await expect(new MockActivityEnvironment().run(() => activities.forgetOldRecords())).rejects.toMatchObject({
        message: 'not forgotten: receipts',
        type: 'cleanup_incomplete',
      })
    } finally {
      await release()
    }
    expect(await kept()).toEqual({ addresses: 0, keys: 0, receipts: 3 })
    expect(await system.sql`select from outbox_sent`).toHaveLength(0)
    await forgetABatch(system.sql, { receiptDays: 7 })
  })
})
