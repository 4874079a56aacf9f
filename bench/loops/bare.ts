import type { Client } from '@temporalio/client'
import type { BareWorker } from '../bare/process.ts'
import { BARE_TASK_QUEUE } from '../bare/task-queue.ts'
import type { answeredSignal, bareLoop } from '../bare/workflow.ts'
import { benchMember } from '../members.ts'
import type { OutboxReader } from '../outbox.ts'
import { pauseUntil } from './pause.ts'
import { ANSWER_AFTER_MS, type Loop } from './loop.ts'

const SIGNAL: (typeof answeredSignal)['name'] = 'answered'

export interface BareLoopDependencies {
  readonly temporal: Client
  readonly worker: BareWorker
  readonly outbox: OutboxReader
}

/** (a): what Temporal and the provider cost by themselves. */
export function createBareLoop({ temporal, worker, outbox }: BareLoopDependencies): Loop {
  const workflowId = (member: number) => `bench-bare/${benchMember(member).memberId}`
  return {
    name: 'bare',
    workflowId,
    async run(member) {
      const sent = worker.sent(member)
      const began = performance.now()
      const handle = await temporal.workflow.start<typeof bareLoop>('bareLoop', {
        workflowId: workflowId(member),
        taskQueue: BARE_TASK_QUEUE,
        args: [member],
      })
      await sent
      const handedOver = performance.now()
      // Of no use here; the other loops read their code, and all shall ask the same of the simulators.
      await outbox.code(benchMember(member).destination)
      await pauseUntil(handedOver + ANSWER_AFTER_MS)
      const answered = performance.now()
      await handle.signal(SIGNAL)
      if ((await handle.result()) !== 'answered') throw new Error('the bare loop did not hear the answer')
      return { startMs: handedOver - began, completedMs: performance.now() - answered }
    },
  }
}
