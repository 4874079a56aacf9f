/**
 * The sweep (C11), run by a Temporal Schedule: closes what is past its time or whose execution is gone, and tells the
 * executions that a lost signal left behind; has notices sent that nobody has begun to send (P2).
 */
import { proxyActivities } from '@temporalio/workflow'
import type { Swept, SweepActivities } from '../activities/sweep.ts'

const { sweepChallenges } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '1m',
  retry: { maximumAttempts: 3 },
})

export async function challengeSweep(): Promise<Swept> {
  return sweepChallenges()
}
