/**
 * The providers' stand-in on one machine (D9): SendGrid's and Vonage's own HTTP, with faults on demand and an outbox
 * that shows each message as its member would have received it.
 */
import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { z } from 'zod'
import { faultRoutes } from './faults.ts'
import { createOutbox, OUTBOX_CAPACITY, type Accepted } from './outbox.ts'
import type { PreviewSettings } from './pages/preview-page.ts'
import { pageRoutes } from './pages/routes.ts'
import { createReceipts } from './receipts.ts'
import type { ReceiptOptions } from './receipts.ts'
import { sendGridRoutes } from './sendgrid.ts'
import { vonageRoutes } from './vonage.ts'

export interface SimulatorOptions {
  readonly sendgridApiKey: string
  readonly vonageApplicationId: string
  /** PEM, of the pair whose private half signs the sender's JWTs. */
  readonly vonagePublicKey: string
  /** What all messages say, for the page that shows them. */
  readonly preview: PreviewSettings
  /** Where receipts are posted to; without it, nobody is told what became of a message. */
  readonly receipts?: ReceiptOptions
  /** Told of each message that was accepted, for whoever counts more of them than the outbox keeps. */
  readonly onAccepted?: (message: Accepted) => void
  /** Requests are not logged: this is a load test's target, and they hold codes. */
  readonly log?: FastifyBaseLogger
}

const listQuery = z.object({
  to: z.string().max(320).optional(),
  /** Without it, all to one destination, or the latest 100 to all. */
  limit: z.coerce.number().int().min(1).max(OUTBOX_CAPACITY).optional(),
})

const LATEST = 100

/** The application, not yet listening. `SENDGRID_BASE_URL` and `VONAGE_BASE_URL` both point at it. */
export function buildSimulators(options: SimulatorOptions): FastifyInstance {
  const app: FastifyInstance = fastify({
    ...(options.log ? { loggerInstance: options.log } : { logger: false }),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  })
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  const outbox = createOutbox(OUTBOX_CAPACITY, options.onAccepted)
  const faults = faultRoutes(app)
  const receipts = createReceipts(options.receipts ?? {}, closing.signal)
  const shared = { outbox, faults, receipts, closing: closing.signal }

  // Each provider in a scope of its own, since each has its own way to say what is wrong.
  app.register(async (scope) => sendGridRoutes(scope, { apiKey: options.sendgridApiKey, ...shared }))
  app.register(async (scope) =>
    vonageRoutes(scope, {
      applicationId: options.vonageApplicationId,
      publicKey: options.vonagePublicKey,
      ...shared,
    }),
  )

  app.get('/messages', async (request, reply) => {
    const query = listQuery.safeParse(request.query)
    if (!query.success) return reply.code(400).send({ errors: query.error.issues.map(({ message }) => ({ message })) })
    const { to, limit } = query.data
    return outbox.list(to, limit ?? (to === undefined ? LATEST : OUTBOX_CAPACITY))
  })
  app.delete('/messages', async (_request, reply) => {
    outbox.clear()
    return reply.code(204).send()
  })
  pageRoutes(app, outbox, options.preview)
  return app
}
