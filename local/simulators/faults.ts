/**
 * Faults on demand: what a simulated provider is told to do wrong (D9).
 */
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { destinationKey } from './outbox.ts'

export type ProviderId = 'sendgrid' | 'vonage'

const receiptSchema = z.strictObject({
  status: z.enum(['delivered', 'deferred', 'failed']),
  /** Why it failed: the number of Vonage's error, without it 1330; the status of SendGrid's bounce, without it 5.1.1. */
  code: z
    .string()
    .regex(/^[\d.]{1,12}$/)
    .optional(),
  /** After the message was accepted. */
  afterMs: z.int().min(0).max(600_000),
  /** How often the same event is posted; without it, once. */
  times: z.int().min(1).max(100).optional(),
})

/** What is posted to the webhook about a message. */
export type ScriptedReceipt = z.output<typeof receiptSchema>

const faultSchema = z
  .strictObject({
    /** Without it, both. */
    provider: z.enum(['sendgrid', 'vonage']).optional(),
    /** Only messages to this number or address. */
    to: z.string().min(1).max(320).optional(),
    /** Refuse with this status. */
    status: z.int().min(400).max(599).optional(),
    /** What a refusal with 400 or 422 complains of; without it, of the destination. */
    about: z.enum(['to', 'from']).optional(),
    retryAfterSeconds: z.int().min(0).max(86_400).optional(),
    /** Answer that much later; what is accepted is accepted at once. */
    latencyMs: z.int().min(0).max(600_000).optional(),
    /** Close the connection without an answer, before or after the message was accepted. */
    drop: z.enum(['before', 'after']).optional(),
    /** What follows an accepted message, as it happened, whatever order `afterMs` has it arrive in; [] for nothing. */
    receipts: z.array(receiptSchema).max(20).optional(),
    /** For so many messages; without it, until cleared. */
    times: z.int().min(1).optional(),
    /**
     * Only for this share of the messages. Faults of one seed share one draw a message, so that 0.2 of the one and 0.1
     * of the other are 0.2 and 0.1 of all messages. The draw follows from seed, destination and how many came to it
     * before: the same run again meets the same faults, in whatever order messages to others come.
     */
    share: z.number().gt(0).max(1).optional(),
    seed: z.int().optional(),
  })
  .refine((fault) => (['status', 'latencyMs', 'drop', 'receipts'] as const).some((name) => fault[name] !== undefined), {
    error: 'wants a status, a latencyMs, a drop or receipts',
  })
  .refine((fault) => fault.retryAfterSeconds === undefined || fault.status !== undefined, {
    error: 'retryAfterSeconds goes with a status',
  })
  .refine(({ about, status }) => about === undefined || status === 400 || status === 422, {
    error: 'about goes with the status 400 or 422',
  })
  .refine((fault) => fault.seed === undefined || fault.share !== undefined, { error: 'seed goes with a share' })

export type Fault = z.output<typeof faultSchema>

export interface Faults {
  /** The fault for this message, the first that was asked for; counts it as used. */
  take(provider: ProviderId, to: string): Fault | undefined
}

/** `POST /faults` adds one, `DELETE /faults` clears all, `GET /faults` shows what is still to come. */
export function faultRoutes(app: FastifyInstance): Faults {
  let pending: Fault[] = []
  let before = new Map<string, number>()

  app.get('/faults', async () => ({ faults: pending }))
  app.delete('/faults', async () => {
    pending = []
    before = new Map()
    return { faults: pending }
  })
  app.post('/faults', async (request, reply) => {
    const result = faultSchema.safeParse(request.body)
    if (!result.success) {
      const errors = result.error.issues.map(({ path, message }) => ({
        field: path.join('.'),
        message,
      }))
      return reply.code(400).send({ errors })
    }
    pending.push(result.data)
    return { faults: pending }
  })

  const take = (provider: ProviderId, to: string): Fault | undefined => {
    const key = `${provider}:${destinationKey(to)}`
    const count = before.get(key) ?? 0
    const isDrawn = drawing(`${key}:${count}`)
    const fault = pending.find((candidate) => concerns(candidate, provider, to) && isDrawn(candidate))
    if (pending.some(({ share }) => share !== undefined)) before.set(key, count + 1)
    if (fault?.times !== undefined && --fault.times === 0) pending = pending.filter((other) => other !== fault)
    return fault
  }
  return { take }
}

/** Whether a fault takes this message, asked of one fault after the other. */
function drawing(message: string): (fault: Fault) => boolean {
  const taken = new Map<number, number>()
  return ({ share, seed = 0 }) => {
    if (share === undefined) return true
    const from = taken.get(seed) ?? 0
    taken.set(seed, from + share)
    const draw = createHash('sha256').update(`${seed}:${message}`).digest().readUInt32BE() / 2 ** 32
    return draw >= from && draw < from + share
  }
}

function concerns(fault: Fault, provider: ProviderId, to: string): boolean {
  if (fault.provider && fault.provider !== provider) return false
  return fault.to === undefined || destinationKey(fault.to) === destinationKey(to)
}

export interface Answers {
  /** Takes the message in. */
  readonly accept: () => void
  readonly accepted: (reply: FastifyReply) => FastifyReply
  /** The provider's own way to say no. */
  readonly refused: (reply: FastifyReply, status: number, about: 'to' | 'from') => FastifyReply
}

/** Answers a message that is all right in itself, as the fault (if any) wants it. `closing` ends all waiting. */
export async function answerUnder(
  fault: Fault | undefined,
  reply: FastifyReply,
  closing: AbortSignal,
  { accept, accepted, refused }: Answers,
): Promise<FastifyReply> {
  const accepting = fault?.drop === 'after' || (fault?.drop === undefined && fault?.status === undefined)
  if (accepting) accept()
  if (fault?.latencyMs) await wait(fault.latencyMs, undefined, { signal: closing, ref: false }).catch(() => undefined)
  if (fault?.drop || closing.aborted) {
    reply.hijack()
    reply.request.raw.socket.destroy()
    return reply
  }
  if (fault?.status === undefined) return accepted(reply)
  if (fault.retryAfterSeconds !== undefined) void reply.header('retry-after', fault.retryAfterSeconds)
  return refused(reply, fault.status, fault.about ?? 'to')
}
