/**
 * For operators and orchestrators, without a key: health, readiness, metrics.
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { within } from './deadline.ts'
import type { RouteDeps } from './deps.ts'
import { problem } from './problems.ts'
import { jsonResponse, problemResponses } from './schemas.ts'

const READY_WITHIN_MS = 2_000
const TAGS = ['operations']

export function operationsRoutes(instance: FastifyInstance, { sql, temporal, metrics }: RouteDeps): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.get(
    '/healthz',
    {
      schema: {
        summary: 'Whether the process lives',
        tags: TAGS,
        security: [],
        response: { 200: jsonResponse(z.object({ status: z.literal('ok') }), 'It does') },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  const { namespace } = temporal.options
  const look = () =>
    within(READY_WITHIN_MS, Promise.all([sql`select 1`, temporal.workflowService.describeNamespace({ namespace })]))
  // One look at a time, whoever asks how often.
  let looking: Promise<unknown> | undefined

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Whether Postgres and Temporal can be reached',
        tags: TAGS,
        security: [],
        response: {
          200: jsonResponse(z.object({ status: z.literal('ready') }), 'They can'),
          ...problemResponses('unavailable'),
        },
      },
    },
    async () => {
      looking ??= look().finally(() => (looking = undefined))
      await looking.catch(() => {
        throw problem('unavailable', 'Postgres or Temporal cannot be reached.', { retryAfter: 1 })
      })
      return { status: 'ready' as const }
    },
  )

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
}
