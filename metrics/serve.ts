/**
 * The metrics of a process that has no HTTP server of its own (O4).
 */
import { createServer } from 'node:http'
import { once } from 'node:events'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Config } from '../config.ts'

export interface ServedMetrics {
  readonly registry: Registry
  close(): Promise<void>
}

/**
 * Shows a registry with the process's own metrics at `GET /metrics`, without a key: keep it inside. Listens only where a
 * port is configured.
 *
 * @throws where the port is not to be had
 */
export async function serveMetrics({ host, port }: Config<'metrics'>['metrics']): Promise<ServedMetrics> {
  const registry = new Registry()
  if (port === undefined) return { registry, close: async () => {} }
  collectDefaultMetrics({ register: registry })
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    registry.metrics().then(
      (metrics) => response.writeHead(200, { 'content-type': registry.contentType }).end(metrics),
      () => response.writeHead(500).end(),
    )
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    registry,
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
