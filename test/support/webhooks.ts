/**
 * The providers' webhooks as they sign them, with keys made for the occasion, and every way to get that wrong.
 */
import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign, type KeyObject } from 'node:crypto'
import type { InjectOptions } from 'fastify'
import { SignJWT } from 'jose'

const p256 = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const ours = p256()
const spki = ours.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')

/** The accounts that these webhooks are of. */
export const VONAGE_ACCOUNT = { apiKey: 'abcd1234', signatureSecret: randomBytes(24).toString('base64url') }
export const SENDGRID_PRIVATE_KEY = ours.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')

/** What an API's environment needs to know them. */
export const WEBHOOK_ENV = {
  SENDGRID_WEBHOOK_PUBLIC_KEY: spki,
  VONAGE_API_KEY: VONAGE_ACCOUNT.apiKey,
  VONAGE_SIGNATURE_SECRET: VONAGE_ACCOUNT.signatureSecret,
}

export const SIGNATURE = 'x-twilio-email-event-webhook-signature'
export const TIMESTAMP = 'x-twilio-email-event-webhook-timestamp'

export type Request = Omit<InjectOptions, 'headers' | 'payload'> & { headers: Record<string, string>; payload: string }
const now = () => Math.floor(Date.now() / 1000)
const asText = (body: unknown) => (typeof body === 'string' ? body : JSON.stringify(body))

/** A post of SendGrid's. `ageSeconds` may be negative: signed by a clock that is ahead. */
export function sendGridPost(
  events: unknown,
  { key = ours.privateKey, ageSeconds = 0 }: { key?: KeyObject; ageSeconds?: number } = {},
): Request {
  const payload = asText(events)
  const timestamp = String(now() - ageSeconds)
  return {
    method: 'POST',
    url: '/v1/webhooks/sendgrid',
    headers: {
      'content-type': 'application/json;charset=utf-8',
      [TIMESTAMP]: timestamp,
      [SIGNATURE]: sign('sha256', Buffer.from(timestamp + payload), key).toString('base64'),
    },
    payload,
  }
}

/** A post of SendGrid's by another key. */
export const forgedSendGridPost = (events: unknown) => sendGridPost(events, { key: p256().privateKey })

export interface VonageSigning {
  /** Claims that stand instead of the right ones; undefined leaves one out. */
  readonly claims?: Record<string, unknown>
  readonly alg?: string
  readonly key?: Uint8Array | KeyObject
  readonly ageSeconds?: number
}

/** A post of Vonage's. */
export async function vonagePost(status: unknown, { claims, alg, key, ageSeconds }: VonageSigning = {}) {
  const payload = asText(status)
  const jwt = await new SignJWT({
    iss: 'Vonage',
    jti: randomUUID(),
    iat: now() - (ageSeconds ?? 0),
    api_key: VONAGE_ACCOUNT.apiKey,
    payload_hash: createHash('sha256').update(payload).digest('hex'),
    ...claims,
  })
    .setProtectedHeader({ alg: alg ?? 'HS256', typ: 'JWT' })
    .sign(key ?? Buffer.from(VONAGE_ACCOUNT.signatureSecret))
  return vonageRequest(payload, `Bearer ${jwt}`)
}

export const vonageRequest = (payload: string, authorization: string): Request => ({
  method: 'POST',
  url: '/v1/webhooks/vonage/status',
  headers: { 'content-type': 'application/json', authorization },
  payload,
})

/** The public keys that a forger knows, as they may take them for a secret. */
export const PUBLIC_KEY_BYTES = [
  Buffer.from(spki),
  Buffer.from(spki, 'base64'),
  Buffer.from(ours.publicKey.export({ type: 'spki', format: 'pem' })),
]

/** An event as SendGrid tells it; `at` in seconds since 1970. */
export const sendGridEvent = (
  reference: string,
  event: string,
  at = now(),
  more: Record<string, unknown> = {},
): Record<string, unknown> => ({
  email: 'hanako@example.jp',
  timestamp: at,
  'smtp-id': '<14c5d75ce93.dfd.64b469@ismtpd-555>',
  event,
  ...(event === 'bounce' && { type: 'bounce', status: '5.1.1', reason: '550 hanako@example.jp does not exist' }),
  sg_event_id: randomBytes(24).toString('base64url'),
  sg_message_id: `m-${reference}.recvd-canary-5f66-0.0`,
  reference,
  ...more,
})

/** A status as Vonage tells it; `at` in seconds since 1970. */
export const vonageStatus = (
  reference: string,
  status: string,
  at = now(),
  more: Record<string, unknown> = {},
): Record<string, unknown> => ({
  message_uuid: reference,
  to: '819012345678',
  from: '22471',
  timestamp: new Date(at * 1000).toISOString(),
  channel: 'sms',
  status,
  ...(status === 'undeliverable' && {
    error: { type: 'https://developer.vonage.com/api-errors/messages#1330', title: '1330', detail: 'No 819012345678' },
  }),
  client_ref: reference,
  ...more,
})
