/**
 * What the workers have in common: the SDK's runtime, the connection, and how a worker is set up.
 */
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type RuntimeOptions,
  type WorkerOptions,
} from '@temporalio/worker'
import type { VersioningBehavior } from '@temporalio/common'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { temporalAddress, workerDataConverter } from './connect.ts'
import { bundleWorkflows } from './workflow-bundle.ts'

const LOG_LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const

/**
 * Call it before anything else of the SDK: its log goes to `log`, its metrics to a port of their own where one is set. Signals
 * are the process's to heed (`process/run.ts`).
 */
export function installRuntime(log: Logger, metrics: Config<'metrics'>['metrics']): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => log[LOG_LEVELS[level]](meta ?? {}, message)),
    ...sdkMetrics(metrics),
  })
}

function sdkMetrics({ host, temporalPort }: Config<'metrics'>['metrics']): Pick<RuntimeOptions, 'telemetryOptions'> {
  if (temporalPort === undefined) return {}
  const bindAddress = `${host.includes(':') ? `[${host}]` : host}:${temporalPort}`
  const prometheus = { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true }
  return { telemetryOptions: { metrics: { prometheus } } }
}

export interface ConnectedWorker {
  /** Takes tasks. Settles when the worker has ended: after {@link stop}, or because it failed. */
  run(): Promise<void>
  /** Takes no new task, and resolves when what is in hand is finished; an activity that takes over 3 s is cut off. */
  stop(): Promise<void>
}

/** How a worker's executions fare when a newer build is deployed; see docs/deploying.md. */
export interface Deployment {
  /** The workers of one name are deployed together. */
  readonly name: string
  /** `PINNED`: an execution ends on the build it began with. `AUTO_UPGRADE`: it goes on on the newest. */
  readonly behavior: VersioningBehavior
}

const versioned = (
  { name, behavior }: Deployment,
  buildId: string,
): Pick<WorkerOptions, 'workerDeploymentOptions'> => ({
  workerDeploymentOptions: {
    useWorkerVersioning: true,
    version: { deploymentName: name, buildId },
    defaultVersioningBehavior: behavior,
  },
})

type WorkerSetUp = Omit<WorkerOptions, 'connection' | 'namespace' | 'dataConverter' | 'workflowBundle'> & {
  readonly workflowsPath: string
  readonly deployment: Deployment
}

/** Waits for a part for as long as it takes (`process/parts.ts`). */
interface Waiting {
  wait<T>(part: string, attempt: () => Promise<T>): Promise<T>
}

/**
 * A worker on a connection of its own, to where the environment says that Temporal is. Waits for Temporal.
 *
 * @param options what this worker has beside: its task queue, workflows and activities
 */
export async function connectWorker(
  { codecKeys, buildId }: Pick<Config<'temporal'>['temporal'], 'codecKeys' | 'buildId'>,
  log: Pick<Logger, 'warn'>,
  parts: Waiting,
  { deployment, workflowsPath, interceptors, ...options }: WorkerSetUp,
): Promise<ConnectedWorker> {
  const { connectionOptions, namespace = 'default' } = temporalAddress()
  const { workflowModules, ...otherInterceptors } = interceptors ?? {}
  const [connection, workflowBundle] = await Promise.all([
    parts.wait('temporal', () => NativeConnection.connect(connectionOptions)),
    bundleWorkflows(workflowsPath, workflowModules),
  ])
  const worker = await Worker.create({
    connection,
    namespace,
    dataConverter: workerDataConverter(codecKeys, () => log.warn('a payload could not be decrypted')),
    workflowBundle,
    interceptors: otherInterceptors,
    // Short: the first task after a worker was killed waits this long for it.
    stickyQueueScheduleToStartTimeout: '1s',
    shutdownGraceTime: '3s',
    ...(buildId !== undefined && versioned(deployment, buildId)),
    ...options,
  })
  let running: Promise<void> | undefined
  return {
    run: () => (running ??= worker.run()),
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown()
      await running
      await connection.close()
    },
  }
}
