/**
 * SendGrid's Event Webhook: whether it is SendGrid's, and what its events say (D7).
 * Source: SendGrid's "Event Webhook Reference" and "Event Webhook Security Features".
 */
import { verify, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { ownReference, type NoReceipt, type Receipt, type ReceiptKind } from '../domain/receipt.ts'
import { SENDGRID_ACCOUNT_EVENTS, sendGridBlame } from './error-codes.ts'
import { fingerprint } from './fingerprint.ts'

export const SENDGRID_SIGNATURE_HEADER = 'x-twilio-email-event-webhook-signature'
export const SENDGRID_TIMESTAMP_HEADER = 'x-twilio-email-event-webhook-timestamp'

/** DER of an ECDSA signature on P-256 has 70 to 72 bytes, now and then fewer. */
const BASE64 = /^[A-Za-z0-9+/]{8,128}={0,2}$/
const UNIX_SECONDS = /^\d{10}$/

/** What is signed beside the body; undefined where it is missing, malformed, or too far from `now` (milliseconds). */
export function readSendGridSignature(
  headers: Readonly<Record<string, unknown>>,
  { toleranceSeconds, now }: { toleranceSeconds: number; now: number },
): { signature: Buffer; timestamp: string } | undefined {
  const signature = headers[SENDGRID_SIGNATURE_HEADER]
  const timestamp = headers[SENDGRID_TIMESTAMP_HEADER]
  if (typeof signature !== 'string' || !BASE64.test(signature)) return undefined
  if (typeof timestamp !== 'string' || !UNIX_SECONDS.test(timestamp)) return undefined
  if (Math.abs(now / 1000 - Number(timestamp)) > toleranceSeconds) return undefined
  return { signature: Buffer.from(signature, 'base64'), timestamp }
}

/** Whether the body, byte for byte, was signed with that timestamp: ECDSA P-256, SHA-256. Never throws. */
export function isSignedBySendGrid(
  publicKey: KeyObject,
  { signature, timestamp }: { signature: Buffer; timestamp: string },
  body: Uint8Array,
): boolean {
  try {
    return verify('sha256', Buffer.concat([Buffer.from(timestamp), body]), publicKey, signature)
  } catch {
    return false
  }
}

const KINDS = new Map<string, ReceiptKind>([
  ['processed', 'accepted'],
  ['deferred', 'deferred'],
  ['delivered', 'delivered'],
  ['bounce', 'failed'],
  ['dropped', 'failed'],
])

const YEAR_2100 = 4_102_444_800

/** An id that can be kept; what is none counts as left out. */
const id = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/)
  .nullable()
  .catch(null)
const word = z.string().optional().catch(undefined)

/** Only what kind of event it is must be there: whatever else is absent, empty or of another type costs no event. */
const eventSchema = z.object({
  event: z.string(),
  sg_event_id: id,
  /** Not there with a late bounce, or empty. */
  sg_message_id: id,
  timestamp: z
    .union([
      z.int(),
      z
        .string()
        .regex(/^\d{1,10}$/)
        .transform(Number),
    ])
    .refine((seconds) => seconds > 0 && seconds < YEAR_2100)
    .nullable()
    .catch(null),
  /** Of a bounce: `bounce`, or `blocked` for one that may pass. */
  type: word,
  bounce_classification: word,
  status: word,
  /** Of a drop, one of few; of a bounce, the words of the other server, which may name the address. */
  reason: word,
  /** Our custom argument: SendGrid puts them beside its own fields. */
  reference: z.unknown().optional(),
})

/** The receipt in one element of a post. */
export function readSendGridEvent(element: unknown): Receipt | NoReceipt {
  const parsed = eventSchema.safeParse(element)
  if (!parsed.success) return 'bad'
  const { event, sg_event_id: eventId, sg_message_id: messageId, timestamp, type, ...said } = parsed.data
  if (SENDGRID_ACCOUNT_EVENTS.includes(event)) return 'account'
  const kind = KINDS.get(event)
  const reference = ownReference(said.reference)
  if (kind === undefined || reference === undefined || (reference ?? messageId) === null) return 'ignored'
  const { reason, status, bounce_classification: classification } = said
  const isFailure = kind === 'failed'
  return {
    eventId: eventId ?? fingerprint(element),
    reference,
    messageId,
    kind,
    reason: isFailure ? (type === 'blocked' ? 'blocked' : event) : null,
    blames: isFailure ? sendGridBlame({ event, reason, status, classification }) : null,
    occurredAt: timestamp === null ? null : new Date(timestamp * 1000).toISOString(),
  }
}
