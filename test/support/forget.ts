import type { Sql } from '../../postgres/connect.ts'
import { purges, type RetentionTimes } from '../../postgres/retention.ts'

const FOR_EVER = {
  receiptDays: 9_999,
  outboxDays: 9_999,
  destinationDays: 9_999,
  challengeDays: 9_999,
  campaignDays: 9_999,
  refusedStartHours: 99_999,
}

/**
 * Forgets one batch of each kind, as the cleanup does again and again.
 *
 * @param times what is not named is kept
 * @returns whether there may be more
 */
export async function forgetABatch(sql: Sql, times: Partial<RetentionTimes>, most = 1_000): Promise<boolean> {
  let isMore = false
  for (const { forget } of purges(sql, { ...FOR_EVER, ...times })) isMore = (await forget(most)) === most || isMore
  return isMore
}
