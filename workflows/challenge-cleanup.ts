/**
 * The cleanup (C9, C13, D7, U4), run each hour by a Temporal Schedule: forgets what was kept long enough, each kind by itself.
 */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow'
import type { CleanupActivities } from '../activities/cleanup.ts'

const { forgetOldRecords } = proxyActivities<CleanupActivities>({
  startToCloseTimeout: '30m',
  summary: 'forget what was kept long enough',
  heartbeatTimeout: '1m',
  retry: { maximumAttempts: 3 },
})

export async function challengeCleanup(): Promise<void> {
  setCurrentDetails('Forgets what was kept long enough, batch after batch.')
  await forgetOldRecords()
  setCurrentDetails('All that was kept long enough is forgotten.')
}
