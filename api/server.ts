/**
 * The HTTP server: what every request goes through, and the routes.
 */
import fastify, { LogController } from 'fastify'
import type { FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { ApiCaller } from '../config/callers.ts'
import type { Scope } from '../domain/scopes.ts'
import { takeRequests } from '../postgres/caller-pace.ts'
import { createProofs } from '../proofs/proof.ts'

import { traceRequests } from '../tracing/http.ts'
import { answerProblems, answerUnreadable, sendProblem } from './answer-problems.ts'
import { createBackground } from './background.ts'
import { createCallerLimit, type CallerLimit } from './caller-limits.ts'
import { authorizationOf, createAuthenticator, requireScope, type Authenticate } from './callers.ts'
import { campaignPageRoutes } from './campaign-page-routes.ts'
import { campaignRoutes } from './campaign-routes.ts'
import { challengeRoutes } from './challenge-routes.ts'
import { boundPostgres } from './deadline.ts'
import { eventReplayRoutes } from './event-replay-routes.ts'
import { deliverabilityRoutes } from './deliverability-routes.ts'
import type { ApiDeps, RouteDeps } from './deps.ts'
import { acceptOnlyJson, requireJson } from './json-body.ts'
import { memberRoutes } from './member-routes.ts'
import { createMetrics } from './metrics.ts'
import { observeRequests } from './observe.ts'
import { serveOpenApi } from './openapi.ts'
import { operationsRoutes } from './operations-routes.ts'
import { watchMethods } from './other-methods.ts'
import { memberPages } from './pages/member-pages.ts'
import { pageLinkRoutes } from './page-link-routes.ts'
import { requestIdOf } from './request-id.ts'
import { webhookRoutes } from './webhook-routes.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route with a scope, before anything else. */
    caller: ApiCaller
  }
  interface FastifyContextConfig {
    scope?: Scope
    /** A page: its key may come as a Basic password. */
    forBrowsers?: boolean
  }
}

/** Longer than any answer takes: a start may wait 30 s for its provider. */
const CONNECTION_TIMEOUT_MS = 60_000
/** How often Node looks for requests that are late; its own 30 s would let a slow sender stay that much longer. */
const LATE_REQUESTS_CHECK_MS = 500
const MAX_HEADER_BYTES = 16_384
/** Asked every few seconds by machines. */
const UNTRACED = ['/healthz', '/readyz', '/metrics']
/** Counting millions of members takes seconds; whoever comes when so many wait is told to come again. */
const REPORTS = { deadlineMs: 50_000, mostSteps: 20 }

/**
 * The API, not yet listening. `close()` stops accepting, and finishes what is in flight, in the background too; the
 * parts it was given stay open.
 */
export function buildServer(deps: ApiDeps): FastifyInstance {
  const { http, log } = deps
  const app: FastifyInstance = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    bodyLimit: http.bodyLimitBytes,
    // By their number: whoever sets it lets nobody but the proxies reach us.
    trustProxy: (_address, hop) => hop < http.trustProxyHops,
    requestTimeout: http.requestTimeoutMs,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    http: {
      headersTimeout: http.requestTimeoutMs,
      connectionsCheckingInterval: LATE_REQUESTS_CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => void sendProblem(reply, error, request),
    clientErrorHandler: answerUnreadable,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)

  const closing = new AbortController()
  const background = createBackground(log)
  const metrics = createMetrics(deps.registry)
  const proofs = createProofs(deps.pages.proofKeys, deps.pages.publicUrl)
  const inPostgres = boundPostgres(deps.sql)
  const inReports = boundPostgres(deps.reports, REPORTS)
  app.addHook('preClose', async () => closing.abort())
  app.addHook('onClose', () => background.settled())

  // RFC 9110 §10.1.1: what nobody knows may be passed over. Node would answer 417, without a problem.
  app.server.on('checkExpectation', (request, response) => void app.server.emit('request', request, response))
  answerProblems(app)
  traceRequests(app, { ignored: UNTRACED, trusts: ({ routeOptions }) => routeOptions.config.scope !== undefined })
  observeRequests(app, metrics)
  guardRoutes(app, createAuthenticator(deps.callers), callerLimitOf(deps))
  acceptOnlyJson(app)
  const refuseOtherMethods = watchMethods(app)
  serveOpenApi(app, deps.callers)
  app.register(async (scope) => {
    await addRoutes(scope, { ...deps, background, metrics, proofs, inPostgres, inReports, closing: closing.signal })
    refuseOtherMethods(scope)
  })
  return app
}

async function addRoutes(app: FastifyInstance, deps: RouteDeps): Promise<void> {
  operationsRoutes(app, deps)
  challengeRoutes(app, deps)
  deliverabilityRoutes(app)
  pageLinkRoutes(app, deps)
  memberRoutes(app, deps)
  campaignRoutes(app, deps)
  eventReplayRoutes(app, deps)
  // In a scope of its own, since its problems are pages too.
  await app.register(async (scope) => campaignPageRoutes(scope, deps))
  // In a scope of its own, since its bodies are forms.
  await app.register(async (scope) => memberPages(scope, deps))
  // In a scope of its own, since it reads bodies as they are.
  await app.register(async (scope) => webhookRoutes(scope, deps))
}

const callerLimitOf = ({ sql, callers: { requestsPerSecond: perSecond }, log }: ApiDeps) =>
  createCallerLimit({ perSecond, take: (caller, wanted) => takeRequests(sql, caller, perSecond, wanted), log })

/** Who calls, how often, whether they may, and whether it is JSON, in this order, before the body is read. */
function guardRoutes(app: FastifyInstance, authenticate: Authenticate, limit: CallerLimit | undefined): void {
  app.decorateRequest('caller')
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'x-request-id': request.id })
    const { scope, forBrowsers } = request.routeOptions.config
    if (scope === undefined) return
    reply.header('cache-control', 'no-store')
    request.caller = await authenticate(authorizationOf(request.raw), { forBrowsers })
    // A page is looked at by people.
    if (limit !== undefined && !forBrowsers) reply.headers(await limit.count(request.caller.name))
    requireScope(request.caller, scope)
    requireJson(request.headers)
  })
}
