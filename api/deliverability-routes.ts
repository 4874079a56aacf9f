import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { undeliverableCondition } from '../domain/email-address.ts'
import { COMMON_PROBLEMS, deliverabilityBody, deliverabilitySchema, jsonResponse, problemResponses } from './schemas.ts'

/** D3: whether codes can be sent to an e-mail address, for registration forms. */
export function deliverabilityRoutes(instance: FastifyInstance): void {
  instance.withTypeProvider<ZodTypeProvider>().post(
    '/v1/deliverability',
    {
      config: { scope: 'deliverability:check' },
      schema: {
        summary: 'Whether codes can be sent to an e-mail address',
        tags: ['deliverability'],
        body: deliverabilityBody,
        response: { 200: jsonResponse(deliverabilitySchema, 'The verdict'), ...problemResponses(...COMMON_PROBLEMS) },
      },
    },
    (request) => {
      const condition = undeliverableCondition(request.body.email)
      return condition === undefined ? { deliverable: true } : { deliverable: false, condition }
    },
  )
}
