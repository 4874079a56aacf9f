/**
 * Switching tracing on (O4). Nothing of the SDK is loaded where no endpoint is configured.
 */
import type { Config } from '../config.ts'

export interface Tracing {
  readonly isOn: boolean
  /** Sends what is left, for a second at most. Never rejects. */
  stop(): Promise<void>
}

/** @param processName becomes `service.name`, where OTEL_SERVICE_NAME names none */
export async function startTracing(
  { endpoint, ...settings }: Config<'tracing'>['tracing'],
  processName: string,
): Promise<Tracing> {
  if (endpoint === undefined) return { isOn: false, stop: async () => {} }
  const { exportSpans } = await import('./exporting.ts')
  return exportSpans({ endpoint, ...settings }, processName)
}
