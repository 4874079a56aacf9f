/**
 * For operators and orchestrators, without a key: health, readiness, metrics (Q8).
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Part } from '../process/parts.ts'
import { postgresParts } from '../process/postgres.ts'
import { temporalPart } from '../process/temporal.ts'
import type { ApiDeps, RouteDeps } from './deps.ts'
import { problem } from './problems.ts'
import { jsonResponse, problemResponses } from './schemas.ts'

const TAGS = ['operations']

/**
 * What the API needs, and what it only reports: without Temporal codes are judged as ever, and taking the instance out of service
 * would help nobody.
 */
export const apiParts = ({ sql, temporal }: Pick<ApiDeps, 'sql' | 'temporal'>): Record<string, Part> => ({
  ...postgresParts(sql),
  temporal: { ...temporalPart(temporal), needed: false },
})

export function operationsRoutes(instance: FastifyInstance, { health, registry }: RouteDeps): void {
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

  app.get(
    '/readyz',
    {
      schema: {
        summary:
          'Whether codes can be judged: Postgres takes writes. Temporal is reported beside; without it starts get 503',
        tags: TAGS,
        security: [],
        response: {
          200: jsonResponse(
            z.object({
              status: z.literal('ready'),
              parts: z.record(z.string(), z.string()).describe('Each part: ok, or why it cannot be used'),
            }),
            'They can',
          ),
          ...problemResponses('unavailable'),
        },
      },
    },
    async () => {
      const { status, parts } = await health.readiness()
      if (status === 'ready') return { status, parts }
      throw problem('unavailable', 'This instance cannot judge codes just now.', { retryAfter: 1, parts })
    },
  )

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  )
}
