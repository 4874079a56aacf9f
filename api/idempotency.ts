/**
 * `Idempotency-Key` (C5, C13): the same key from the same caller with the same request means the same thing, once.
 */
import { createHash, randomUUID } from 'node:crypto'

/** 1 to 255 visible ASCII characters. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

export interface IdempotentRequest {
  readonly caller: string
  readonly key: string | undefined
  readonly operation: 'start' | 'resend' | 'unlock' | 'page-link' | 'campaign'
  readonly path: string
  /** As validated. */
  readonly body: object
}

/** The key as it is kept, apart for each caller and operation; the hash tells another request under the same key. */
export function idempotencyOf(request: IdempotentRequest): { idempotency?: { key: string; requestHash: string } } {
  const { caller, key, operation, path, body } = request
  if (key === undefined) return {}
  return { idempotency: { key: `${operation}:${caller}:${key}`, requestHash: hashOf(operation, path, body) } }
}

/** As `claim_request_key` keeps it: the key of a call that starts no challenge. */
export interface RequestKey {
  readonly requestKey: string
  readonly requestHash: string
}

/** The same for what starts no challenge. */
export function requestKeyOf(request: IdempotentRequest): RequestKey | undefined {
  const { idempotency } = idempotencyOf(request)
  return idempotency && { requestKey: idempotency.key, requestHash: idempotency.requestHash }
}

function hashOf(operation: string, path: string, body: object): string {
  const fields = Object.entries(body)
    .filter(([, value]) => value !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([operation, path, fields]))
    .digest('hex')
}

/** The id under which a command to a campaign is recorded once; a hash with it tells another command of the same key. */
export const commandIdOf = (caller: string, key: string | undefined, campaignId: string, body: object) =>
  key === undefined ? randomUUID() : { key: `http:${caller}:${key}`, requestHash: hashOf('command', campaignId, body) }

/**
 * The id under which an attempt counts once. The same key gets the same verdict, whatever code comes with it: a hash of
 * the code, which could tell them apart, would give the code away.
 */
export const attemptIdOf = (caller: string, key: string | undefined): string =>
  key === undefined ? randomUUID() : `http:${caller}:${key}`
