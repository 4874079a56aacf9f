/**
 * The tokens of links to members' pages: 256 bits that nobody can guess, and the same ones for a request that is repeated
 * under its `Idempotency-Key` (C13), though only their SHA-256 is kept.
 */
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyRing } from '../config.ts'
import type { RequestKey } from './idempotency.ts'

export interface LinkTokens {
  /** A random token; for a request with a key the one that follows from it. */
  make(request: RequestKey | undefined): string
  /** The token that `make` gave for this request, by its hash; undefined where the key of that day is gone. */
  again(request: RequestKey | undefined, tokenHash: Uint8Array): string | undefined
}

export const hashOfToken = (token: string): Buffer => createHash('sha256').update(token).digest()

/** @param ring that of the proofs: whoever has it can let themselves in anyway */
export function createLinkTokens(ring: KeyRing): LinkTokens {
  const secrets = new Map(
    [...ring.keys].map(([id, seed]) => [id, Buffer.from(hkdfSync('sha256', seed, '', 'page-link', 32))]),
  )
  const derive = (secret: Buffer, { requestKey, requestHash }: RequestKey) =>
    createHmac('sha256', secret)
      .update(JSON.stringify([requestKey, requestHash]))
      .digest('base64url')
  return {
    make: (request) =>
      request === undefined ? randomBytes(32).toString('base64url') : derive(secrets.get(ring.current)!, request),
    again: (request, tokenHash) =>
      request &&
      [...secrets.values()]
        .map((secret) => derive(secret, request))
        .find((token) => hashOfToken(token).equals(tokenHash)),
  }
}
