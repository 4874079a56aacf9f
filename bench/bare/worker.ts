/**
 * The bare loop's worker, a process of its own: with the options, the codec and the provider clients of the challenge
 * worker. It tells the process that forked it of every message sent, which costs less than any other way to know.
 */
import { pino } from 'pino'
import { loadConfig } from '../../config.ts'
import { createSenders } from '../../providers/senders.ts'
import { connectWorker, installRuntime } from '../../temporal/worker.ts'
import { createBareActivities } from './activities.ts'
import { BARE_TASK_QUEUE } from './task-queue.ts'

const { providers, temporal, metrics } = loadConfig(['providers', 'temporal', 'metrics'])
const log = pino({ level: 'warn' })
installRuntime(log, metrics)
const worker = await connectWorker(temporal, log, {
  taskQueue: BARE_TASK_QUEUE,
  deployment: { name: 'bare', behavior: 'PINNED' },
  workflowsPath: new URL('workflow.ts', import.meta.url).pathname,
  activities: createBareActivities(createSenders(providers), providers, (sent) => process.send?.({ sent })),
  maxConcurrentWorkflowTaskExecutions: 16,
})
const running = worker.run()
process.send?.({ ready: true })
await running
process.disconnect()
