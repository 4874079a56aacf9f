import type { FastifyInstance } from 'fastify'
import { routeOf } from '../tracing/http.ts'
import type { Metrics } from './metrics.ts'

/** Logs and measures each request: its route's pattern, never its path, query, headers or body. */
export function observeRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, caller } = request
    const route = routeOf(request)
    const status = reply.statusCode
    const milliseconds = Math.round(reply.elapsedTime * 10) / 10
    metrics.duration.observe({ method, route, status }, milliseconds / 1000)
    const traceId = request.tracing?.span.spanContext().traceId
    request.log.info(
      { method, route, status, ms: milliseconds, ...(caller && { caller: caller.name }), ...(traceId && { traceId }) },
      'request',
    )
  })
}
