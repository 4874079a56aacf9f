/**
 * What the cleanup does, each step safe to repeat (C9, C13, D7, U4).
 */
import { Context } from '@temporalio/activity'
import type { Config } from '../config.ts'
import type { Sql } from '../postgres/connect.ts'
import { forgetLedgers, forgetOld } from '../postgres/retention.ts'
import { forgetSent } from '../postgres/outbox.ts'
import { forgetRefusedStarts } from '../postgres/refused-starts.ts'

export interface CleanupDependencies {
  readonly sql: Sql
  readonly retention: Config<'retention'>['retention']
}

export type CleanupActivities = ReturnType<typeof createCleanupActivities>

/** Rows of a kind in one statement: tens of milliseconds. */
const BATCH = 5_000

export function createCleanupActivities({ sql, retention }: CleanupDependencies) {
  const inBatches = async (forget: () => Promise<boolean>) => {
    while (await forget()) {
      Context.current().heartbeat()
      Context.current().cancellationSignal.throwIfAborted()
    }
  }
  return {
    /** Forgets what was kept long enough, batch after batch. */
    async forgetOldRecords(): Promise<void> {
      await inBatches(() => forgetOld(sql, retention.receiptDays, BATCH))
      await inBatches(() => forgetLedgers(sql, retention, BATCH))
      await inBatches(() => forgetRefusedStarts(sql, retention.refusedStartHours, BATCH))
      await inBatches(() => forgetSent(sql, retention.outboxDays, BATCH))
    },
  }
}
