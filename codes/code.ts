/**
 * The code, derived whenever it is needed and kept nowhere (C10).
 *
 * HMAC-SHA-256 under the master key over (memberId, challengeId, nonce), truncated as RFC 4226 §5.3 does. The nonce is
 * 128 random bits that stand only in Postgres: neither the database nor the key alone gives a code, nor does a
 * challenge id that somebody chose. The same challenge always gives the same code, so a repeated send carries it too.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from '../config.ts'

export interface CodeMaterial {
  readonly memberId: string
  readonly challengeId: string
  readonly keyId: string
  /** 16 bytes. */
  readonly nonce: Uint8Array
}

/** The master key that a challenge was opened with is not on the ring: an error on our side, never the member's. */
export class UnknownKeyError extends Error {
  override name = 'UnknownKeyError'
}

/**
 * @returns `digits` ASCII digits, leading zeros included
 * @throws {UnknownKeyError}
 */
export function deriveCode(ring: KeyRing, material: CodeMaterial, digits: number): string {
  const key = ring.keys.get(material.keyId)
  if (key === undefined) throw new UnknownKeyError(`master key ${material.keyId} is not in OTP_MASTER_KEYS`)
  const mac = createHmac('sha256', key)
    .update(`${material.memberId}\0${material.challengeId}\0`)
    .update(material.nonce)
    .digest()
  const offset = mac[mac.length - 1]! & 0x0f
  const truncated = mac.readUInt32BE(offset) & 0x7fff_ffff
  return String(truncated % 10 ** digits).padStart(digits, '0')
}

/** Compares in constant time; both are codes of the configured length. */
export function isSameCode(submitted: string, code: string): boolean {
  const [a, b] = [Buffer.from(submitted), Buffer.from(code)]
  return a.length === b.length && timingSafeEqual(a, b)
}
