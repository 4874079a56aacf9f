/**
 * How every process of ours runs: it reads its configuration, shows its health, waits for its parts, works, and ends. What it
 * promises in each case, and with which exit code, is the table of docs/processes.md.
 */
import { once } from 'node:events'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createLog } from '../logging/create-log.ts'
import { createHealth, serveHealth, type Health } from './health.ts'
import { createParts, type Parts } from './parts.ts'

/** Below the 5 s that a process may take to end, and the 10 s after which orchestrators kill. */
const STOP_WITHIN_MS = 4_500

export interface ProcessOptions<C> {
  readonly name: string
  /** Reads the configuration. What it throws is printed, and the process exits with 2. */
  readonly configure: () => C
  /** Where health and metrics are shown, for a process without an HTTP server of its own; nowhere without a port. */
  readonly healthAt?: (config: C) => { readonly host: string; readonly port: number | undefined }
  /** A task that is done once: the process exits with 0 when the work has ended. Default false. */
  readonly once?: boolean
}

/** What an entrance works with. */
export interface ProcessTools<C> {
  readonly config: C
  readonly log: Logger
  /** What `/metrics` shows; with the process's own figures in it. */
  readonly registry: Registry
  readonly parts: Parts
  readonly health: Health
  /** Aborted when the process is told to stop. */
  readonly stopping: AbortSignal
  /** What is deferred runs at the end of the process, the last first: `closing.defer(() => sql.end())`. */
  readonly closing: AsyncDisposableStack
}

/** The work, which has begun. */
export interface Work {
  /** Settles when the work is over. A service's work never is, unless it failed: the process then exits with 1. */
  readonly ended?: Promise<unknown>
  /** Where it listens, if it does; the log line `ready` has it too. */
  readonly url?: string
}

/**
 * Runs a process to its end.
 *
 * @param begin wires what the process works with, waits for its parts, and begins the work
 * @returns never: the process exits
 */
export async function runProcess<C extends { readonly log: { readonly level: string } }>(
  options: ProcessOptions<C>,
  begin: (tools: ProcessTools<C>) => Promise<Work>,
): Promise<never> {
  const { name, configure, healthAt, once: isTask = false } = options
  const config = configured(configure)
  const log = createLog({ name, level: config.log.level })
  process.once('uncaughtException', (error) => fail(log, error))

  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const told = once(stop.signal, 'abort')
  const closing = new AsyncDisposableStack()
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const parts = createParts(log, stop.signal)
  const health = createHealth(parts, stop.signal)

  const work = async () => {
    const { host, port } = healthAt?.(config) ?? {}
    if (host !== undefined && port !== undefined) closing.defer(await serveHealth({ host, port }, { health, registry }))
    const { ended = told, url } = await begin({ config, log, registry, parts, health, stopping: stop.signal, closing })
    health.begun()
    if (!isTask) log.info({ url }, 'ready')
    await ended
    if (isTask) log.info('done')
    else if (!stop.signal.aborted) throw new Error('the work ended by itself')
  }

  try {
    await Promise.race([work(), told])
  } catch (error) {
    // A wait that the stop has cut short is no failure.
    if (!stop.signal.aborted) fail(log, error)
  }
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
  await closing.disposeAsync()
  process.exit(0)
}

function configured<C>(configure: () => C): C {
  try {
    return configure()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return process.exit(2)
  }
}

/** Ends at once: whatever the process holds is made for `kill -9`. */
function fail(log: Logger, error: unknown): never {
  log.fatal({ err: error, ...listenerOf(error) }, 'ended')
  return process.exit(1)
}

/** Where a server could not listen, which is the one thing that an operator has to know. */
function listenerOf(error: unknown) {
  const { syscall, address, port } = (error ?? {}) as { syscall?: unknown; address?: unknown; port?: unknown }
  return syscall === 'listen' ? { url: `${String(address)}:${String(port)}` } : {}
}
