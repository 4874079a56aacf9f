/**
 * D7: what the providers say later about messages. A post is verified, byte for byte, before anything in it is read;
 * then each of its elements stands for itself, so that a bad one loses none of the others.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { tellOfFailedDeliveries } from '../client/fail-over.ts'
import type { NoReceipt, Receipt } from '../domain/receipt.ts'
import { applyReceipts } from '../postgres/receipts.ts'
import { isSignedBySendGrid, readSendGridEvent, readSendGridSignature } from '../providers/sendgrid-webhook.ts'
import { hasPayloadHash, readVonageStatus, signedPayloadHash } from '../providers/vonage-webhook.ts'
import type { RouteDeps } from './deps.ts'
import { observeDeliveries, observeFailures } from './observe-deliveries.ts'
import { problem } from './problems.ts'
import { acceptRawBodies, rawBody } from './raw-body.ts'
import { problemResponses } from './schemas.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for webhooks, by what stands in the headers: whether these bytes are what was signed. */
    isSigned: ((body: Buffer) => boolean) | undefined
  }
}

const TAGS = ['webhooks']
const RESPONSES = {
  204: z.null().describe('Kept, or known already'),
  ...problemResponses(
    'invalid_request',
    'unauthorized',
    'request_timeout',
    'payload_too_large',
    'unsupported_media_type',
    'headers_too_large',
    'internal_error',
    'unavailable',
  ),
}

type ProviderId = 'sendgrid' | 'vonage'

/** `POST /v1/webhooks/sendgrid` and `POST /v1/webhooks/vonage/status`; `app` is a scope for these alone. */
export function webhookRoutes(app: FastifyInstance, deps: RouteDeps): void {
  const { sendgridPublicKey, vonage, toleranceSeconds, bodyLimitBytes } = deps.webhooks
  const keep = createKeeper(deps)
  for (const provider of ['sendgrid', 'vonage'] as const) showFromTheStart(deps, provider)
  /** The same answer whatever is wrong, and where the provider's key is not configured. */
  const unauthorized = (provider: ProviderId) => {
    deps.metrics.receipts.inc({ provider, result: 'unsigned' })
    return problem('unauthorized', 'The signature is not right, or not fresh.')
  }
  /** What stands in a signed body; undefined where it is not JSON, which the provider cannot mend by repeating it. */
  const readSigned = (provider: ProviderId, { isSigned, body }: Pick<FastifyRequest, 'isSigned' | 'body'>): unknown => {
    const raw = rawBody(body)
    if (!isSigned?.(raw)) throw unauthorized(provider)
    try {
      return JSON.parse(raw.toString('utf8')) as unknown
    } catch {
      return undefined
    }
  }
  acceptRawBodies(app)
  app.decorateRequest('isSigned')
  // The document shows what the providers send; nothing is refused for its shape.
  const shown = { bodyLimit: bodyLimitBytes, validatorCompiler: () => (value: unknown) => ({ value }) }
  const freshness = () => ({ toleranceSeconds, now: Date.now() })

  app.post('/v1/webhooks/sendgrid', {
    ...shown,
    schema: {
      summary: "SendGrid's Event Webhook, signed",
      description:
        'ECDSA over the header …-Timestamp and the body, in the header X-Twilio-Email-Event-Webhook-Signature',
      tags: TAGS,
      security: [],
      body: z.array(z.looseObject({ event: z.string(), sg_event_id: z.string(), timestamp: z.int() })),
      response: RESPONSES,
    },
    onRequest: async (request) => {
      const signature = readSendGridSignature(request.headers, freshness())
      if (sendgridPublicKey === undefined || signature === undefined) throw unauthorized('sendgrid')
      request.isSigned = (body) => isSignedBySendGrid(sendgridPublicKey, signature, body)
    },
    handler: async (request, reply) => {
      const elements = readSigned('sendgrid', request)
      await keep('sendgrid', Array.isArray(elements) ? elements.map(readSendGridEvent) : ['bad'])
      return reply.code(204).send()
    },
  })

  app.post('/v1/webhooks/vonage/status', {
    ...shown,
    schema: {
      summary: "The status webhook of Vonage's Messages API, signed",
      description: 'Authorization: Bearer <JWT>, HS256, with iat, api_key and payload_hash, the SHA-256 of the body',
      tags: TAGS,
      security: [],
      body: z.looseObject({ message_uuid: z.string(), status: z.string(), timestamp: z.string() }),
      response: RESPONSES,
    },
    onRequest: async (request) => {
      const hash = vonage && (await signedPayloadHash(vonage, request.headers.authorization, freshness()))
      if (hash === undefined) throw unauthorized('vonage')
      request.isSigned = (body) => hasPayloadHash(body, hash)
    },
    handler: async (request, reply) => {
      await keep('vonage', [readVonageStatus(readSigned('vonage', request))])
      return reply.code(204).send()
    },
  })
}

/** An alert sees an increase from 0, and none of a series that begins with its first count. */
function showFromTheStart({ metrics }: RouteDeps, provider: ProviderId): void {
  for (const result of ['new', 'known', 'ignored', 'account', 'bad', 'unsigned']) {
    metrics.receipts.inc({ provider, result }, 0)
  }
  for (const blames of ['destination', 'network', 'sender', 'account', 'nobody']) {
    metrics.failedReceipts.inc({ provider, blames }, 0)
  }
}

/**
 * Keeps what is a receipt, counts all, and has the challenges whose message failed told. Rejects where Postgres is
 * away: the provider comes again.
 */
function createKeeper({ sql, temporal, inPostgres, background, metrics, log }: RouteDeps) {
  return async (provider: ProviderId, elements: readonly (Receipt | NoReceipt)[]): Promise<void> => {
    const receipts = elements.filter((element) => typeof element !== 'string')
    const kept = receipts.length > 0 ? await inPostgres((sql) => applyReceipts(sql, provider, receipts)) : undefined
    const { applied = 0, ignored = 0, deliveries = [], failures = {} } = kept ?? {}
    observeDeliveries(provider, deliveries, metrics)
    observeFailures(provider, failures, { metrics, log })
    const failed = deliveries.filter(({ kind }) => kind === 'failed').map(({ challengeId }) => challengeId)
    if (failed.length > 0) {
      background.add('tell of failed deliveries', tellOfFailedDeliveries({ sql, temporal }, failed))
    }
    const count = (result: string, number: number) => metrics.receipts.inc({ provider, result }, number)
    count('new', applied)
    count('known', receipts.length - applied - ignored)
    count('ignored', ignored)
    for (const result of ['ignored', 'account', 'bad'] as const) {
      count(result, elements.filter((element) => element === result).length)
    }
    if (elements.includes('account')) log.error({ provider }, 'a provider tells of a change of our account')
  }
}
