/**
 * The sweep (C11), run by a Temporal Schedule: closes what is past its time or whose execution is gone, and tells the
 * executions that a lost signal left behind; has notices sent that nobody has begun to send (P2).
 */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow'
import type { Swept, SweepActivities } from '../activities/sweep.ts'

const { sweepChallenges } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '1m',
  summary: 'close what is overdue, and tell who was not told',
  retry: { maximumAttempts: 3 },
})

export async function challengeSweep(): Promise<Swept> {
  setCurrentDetails('Looks for challenges that no process has finished.')
  const swept = await sweepChallenges()
  setCurrentDetails(
    ['What was done:', '', ...Object.entries(swept).map(([what, count]) => `- ${what}: ${String(count)}`)].join('\n'),
  )
  return swept
}
