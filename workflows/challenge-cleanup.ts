/**
 * The cleanup (C9, C13, D7), run each hour by a Temporal Schedule: forgets what was kept long enough.
 */
import { proxyActivities } from '@temporalio/workflow'
import type { CleanupActivities } from '../activities/cleanup.ts'

const { forgetOldRecords } = proxyActivities<CleanupActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '1m',
  retry: { maximumAttempts: 3 },
})

export async function challengeCleanup(): Promise<void> {
  await forgetOldRecords()
}
