/**
 * The bare loop's worker, a process of its own: with the options, the codec and the provider clients of the challenge
 * worker. It tells the process that forked it of every message sent, which costs less than any other way to know.
 */
import { loadConfig } from '../../config.ts'
import { runProcess } from '../../process/run.ts'
import { createSenders } from '../../providers/senders.ts'
import { connectWorker, installRuntime } from '../../temporal/worker.ts'
import { createBareActivities } from './activities.ts'
import { BARE_TASK_QUEUE } from './task-queue.ts'

const configure = () => ({ ...loadConfig(['providers', 'temporal', 'metrics']), log: { level: 'warn' } })

await runProcess({ name: 'bare', configure }, async ({ config, log, parts, closing }) => {
  const { providers, temporal, metrics } = config
  installRuntime(log, metrics)
  const worker = await connectWorker(temporal, log, parts, {
    taskQueue: BARE_TASK_QUEUE,
    deployment: { name: 'bare', behavior: 'PINNED' },
    workflowsPath: new URL('workflow.ts', import.meta.url).pathname,
    activities: createBareActivities(createSenders(providers), providers, (sent) => process.send?.({ sent })),
    maxConcurrentWorkflowTaskExecutions: 16,
  })
  const ended = worker.run()
  closing.defer(() => worker.stop())
  process.send?.({ ready: true })
  return { ended }
})
