/**
 * A span for each request, named by its route's pattern.
 */
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { beginSpan } from './spans.ts'
import { readTraceparent } from './traceparent.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where tracing is on, and the route is one that is traced. */
    tracing: { readonly span: Span; readonly context: Context } | undefined
  }
}

export interface RequestTracing {
  /** Routes that are asked every few seconds, and tell nothing. */
  readonly ignored: readonly string[]
  /** Whose `traceparent` is taken up: callers' with a key, not just anybody's. */
  readonly trusts: (request: FastifyRequest) => boolean
}

/** Of the standard's version 00; anything else begins a trace of its own. */
const callersPlace = (header: unknown) =>
  typeof header === 'string' && header.startsWith('00-') && readTraceparent(header) ? header : undefined

/** The pattern of its route; `none` for a path that is none, which `/*` may have taken for the members' pages. */
export function routeOf({ routeOptions: { url } }: FastifyRequest): string {
  return url === undefined || url === '/*' ? 'none' : url
}

/** Register before whatever makes spans. */
export function traceRequests(app: FastifyInstance, { ignored, trusts }: RequestTracing): void {
  app.decorateRequest('tracing')
  app.addHook('onRequest', async (request) => {
    const { method } = request
    const route = routeOf(request)
    if (ignored.includes(route)) return
    const parent = trusts(request) ? callersPlace(request.headers['traceparent']) : undefined
    const span = context.with(ROOT_CONTEXT, () =>
      beginSpan(`${method} ${route}`, {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': method, 'http.route': route },
        ...(parent !== undefined && { within: parent }),
      }),
    )
    request.tracing = { span, context: trace.setSpan(ROOT_CONTEXT, span) }
  })
  // Once the body was read: reading it goes through events of the socket, which know nothing of the request.
  app.addHook('preValidation', (request, _reply, done) => {
    if (request.tracing === undefined) done()
    else context.with(request.tracing.context, done)
  })
  app.addHook('onResponse', async (request, reply) => {
    if (request.tracing === undefined) return
    const { span } = request.tracing
    span.setAttribute('http.response.status_code', reply.statusCode)
    if (reply.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  })
}
