/**
 * The bare loop's worker, a process of its own: with the options, the codec and the provider clients of the challenge
 * worker. It tells the process that forked it of every message sent, which costs less than any other way to know.
 */
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { loadConfig } from '../../config.ts'
import { createSendGrid } from '../../providers/sendgrid.ts'
import { createVonage } from '../../providers/vonage.ts'
import { temporalAddress, workerDataConverter } from '../../temporal/connect.ts'
import { createBareActivities } from './activities.ts'
import { BARE_TASK_QUEUE } from './task-queue.ts'

const { providers, temporal } = loadConfig(['providers', 'temporal'])
Runtime.install({ shutdownSignals: ['SIGTERM', 'SIGINT'], logger: new DefaultLogger('WARN') })
const { connectionOptions, namespace = 'default' } = temporalAddress()
const connection = await NativeConnection.connect(connectionOptions)
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue: BARE_TASK_QUEUE,
  workflowsPath: new URL('workflow.ts', import.meta.url).pathname,
  dataConverter: workerDataConverter(temporal.codecKeys, () => {}),
  activities: createBareActivities(
    {
      email: createSendGrid({ ...providers.sendgrid, timeoutMs: providers.timeoutMs }),
      sms: createVonage({ ...providers.vonage, timeoutMs: providers.timeoutMs }),
    },
    providers,
    (sent) => process.send?.({ sent }),
  ),
  stickyQueueScheduleToStartTimeout: '1s',
  maxConcurrentWorkflowTaskExecutions: 16,
  shutdownGraceTime: '3s',
})
const running = worker.run()
process.send?.({ ready: true })
await running
await connection.close()
process.disconnect()
