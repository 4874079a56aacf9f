/**
 * The bare loop: the least that a workflow can do to send a message and wait for an answer. No database, no limits, no
 * verdict: the cost of Temporal and of the provider alone.
 */
import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow'
import type { BareActivities } from './activities.ts'

const { sendMessage } = proxyActivities<BareActivities>({
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '10m',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
})

export const answeredSignal = defineSignal('answered')

/** @param member the member's number, see `bench/members.ts` */
export async function bareLoop(member: number): Promise<'answered' | 'late'> {
  let answered = false
  setHandler(answeredSignal, () => {
    answered = true
  })
  await sendMessage(member)
  return (await condition(() => answered, '10m')) ? 'answered' : 'late'
}
