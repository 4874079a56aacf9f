/**
 * What the cleanup does, each kind by itself and each batch safe to repeat (C9, C13, D7, U4): one kind that cannot be
 * forgotten, or takes long, holds up no other.
 */
import { ApplicationFailure, Context, log } from '@temporalio/activity'
import type { Config } from '../config.ts'
import type { Sql } from '../postgres/connect.ts'
import { purges } from '../postgres/retention.ts'

export interface CleanupDependencies {
  readonly sql: Sql
  readonly retention: Config<'retention'>['retention']
}

export type CleanupActivities = ReturnType<typeof createCleanupActivities>

/** Rows in one statement, which takes less than 200 ms so (`npm run bench:purges`). */
const BATCH = 1_000
/** A kind that has more than it can forget in this time is left to the next hour; all kinds together take half an hour at most. */
const MOST_MS = 90_000

export function createCleanupActivities({ sql, retention }: CleanupDependencies) {
  return {
    /**
     * @returns how many rows of each kind were forgotten
     * @throws a failure that names the kinds that could not be, once all others are
     */
    async forgetOldRecords(): Promise<Record<string, number>> {
      const forgotten: Record<string, number> = {}
      const failed: string[] = []
      for (const { kind, forget } of purges(sql, retention)) {
        const until = Date.now() + MOST_MS
        forgotten[kind] = 0
        try {
          for (let rows = BATCH; rows === BATCH && Date.now() < until;) {
            rows = await forget(BATCH)
            forgotten[kind] += rows
            Context.current().heartbeat()
          }
        } catch (error) {
          failed.push(kind)
          log.warn('what was kept long enough could not be forgotten', { kind, error })
        }
        Context.current().cancellationSignal.throwIfAborted()
      }
      if (failed.length > 0) {
        throw ApplicationFailure.create({
          message: `not forgotten: ${failed.join(', ')}`,
          type: 'cleanup_incomplete',
          details: [forgotten],
        })
      }
      return forgotten
    },
  }
}
