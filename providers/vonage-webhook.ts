/**
 * The status webhook of Vonage's Messages API: whether it is Vonage's, and what it says (D7).
 * Source: Vonage's "Messages" reference, and its "Signed webhooks".
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { jwtVerify } from 'jose'
import { z } from 'zod'
import { isKeepableTime } from '../domain/instant.ts'
import { ownReference, type NoReceipt, type Receipt, type ReceiptKind } from '../domain/receipt.ts'
import { vonageBlame } from './error-codes.ts'
import { fingerprint } from './fingerprint.ts'

/** RFC 6750 §2.1; a JWT in compact form. */
const BEARER_JWT = /^bearer ([\w-]{1,512}\.[\w-]{1,2048}\.[\w-]{1,128})$/i

export interface VonageSecrets {
  readonly apiKey: string
  readonly signatureSecret: string
}

/**
 * The SHA-256 that the body must have (hex), by a JWT of Vonage's: HS256 with our secret, our account's, and its `iat` no
 * further from `now` (milliseconds) than the tolerance. Undefined for any other; never throws.
 */
export async function signedPayloadHash(
  { apiKey, signatureSecret }: VonageSecrets,
  authorization: string | undefined,
  { toleranceSeconds, now }: { toleranceSeconds: number; now: number },
): Promise<string | undefined> {
  const jwt = BEARER_JWT.exec(authorization ?? '')?.[1]
  if (jwt === undefined) return undefined
  const verified = await jwtVerify(jwt, Buffer.from(signatureSecret), {
    algorithms: ['HS256'],
    requiredClaims: ['iat', 'payload_hash', 'api_key'],
    clockTolerance: toleranceSeconds,
    currentDate: new Date(now),
  }).catch(() => undefined)
  if (verified === undefined) return undefined
  const { iat, payload_hash: hash, api_key: account } = verified.payload
  if (account !== apiKey || Math.abs(now / 1000 - iat!) > toleranceSeconds) return undefined
  return typeof hash === 'string' && /^[0-9a-f]{64}$/i.test(hash) ? hash : undefined
}

/** Whether the body, byte for byte, has this SHA-256. */
export const hasPayloadHash = (body: Uint8Array, hash: string): boolean =>
  timingSafeEqual(createHash('sha256').update(body).digest(), Buffer.from(hash, 'hex'))

const KINDS = new Map<string, ReceiptKind>([
  ['submitted', 'accepted'],
  ['delivered', 'delivered'],
  ['read', 'delivered'],
  ['rejected', 'failed'],
  ['undeliverable', 'failed'],
])

/** With its zone: without one, it would be read as of this machine's. */
const TIMESTAMP = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})? ?(?:Z|[+-]\d\d:?\d\d)$/

/** Only the status must be there: whatever else is absent, empty or of another type costs no event. */
const statusSchema = z.object({
  message_uuid: z
    .string()
    .regex(/^[\w-]{1,100}$/)
    .nullable()
    .catch(null),
  status: z.string(),
  timestamp: z
    .string()
    .regex(TIMESTAMP)
    .transform((value) => new Date(value))
    .refine((time) => isKeepableTime(time.getTime()))
    .nullable()
    .catch(null),
  client_ref: z.unknown().optional(),
  /** The number of the error is its `title`, and ends its `type`; what else there is may name the destination. */
  error: z
    .object({
      title: z.union([z.string(), z.number()]).optional().catch(undefined),
      type: z.string().optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
})

/** The receipt in a post. */
export function readVonageStatus(element: unknown): Receipt | NoReceipt {
  const parsed = statusSchema.safeParse(element)
  if (!parsed.success) return 'bad'
  const { message_uuid: messageId, status, timestamp, client_ref: clientRef, error } = parsed.data
  const kind = KINDS.get(status)
  const reference = ownReference(clientRef)
  if (kind === undefined || reference === undefined || (reference ?? messageId) === null) return 'ignored'
  const occurredAt = timestamp?.toISOString() ?? null
  const code = [String(error?.title), error?.type?.split('#')[1]].find((each) => /^\d{1,5}$/.test(each ?? ''))
  const isFailure = kind === 'failed'
  return {
    eventId: messageId && occurredAt ? `${messageId}:${status}:${occurredAt}` : fingerprint(element),
    reference,
    messageId,
    kind,
    reason: isFailure ? (code ?? status) : null,
    blames: isFailure ? vonageBlame(code) : null,
    occurredAt,
  }
}
