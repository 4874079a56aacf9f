/**
 * Switching tracing on (O4). Nothing of the SDK is loaded where no endpoint is configured.
 */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'

export interface Tracing {
  readonly isOn: boolean
  /** Sends what is left, for a second at most. Never rejects. */
  stop(): Promise<void>
}

/**
 * @param processName becomes `service.name`, where OTEL_SERVICE_NAME names none
 * @param log is told when spans cannot be sent, and when they can again
 */
export async function startTracing(
  { endpoint, ...settings }: Config<'tracing'>['tracing'],
  processName: string,
  log: Pick<Logger, 'warn' | 'info'>,
): Promise<Tracing> {
  if (endpoint === undefined) return { isOn: false, stop: async () => {} }
  const { exportSpans } = await import('./exporting.ts')
  return exportSpans({ endpoint, ...settings }, processName, log)
}
