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
  const mac = macOf(ring, material, '')
  const offset = mac[mac.length - 1]! & 0x0f
  const truncated = mac.readUInt32BE(offset) & 0x7fff_ffff
  return String(truncated % 10 ** digits).padStart(digits, '0')
}

/**
 * What proves to a challenge's workflow that an outcome it is told of was read by one of ours: it knew the seal from the
 * start, and nobody without a master key does. 256 bits, in base64url.
 *
 * @throws {UnknownKeyError}
 */
export function deriveSeal(ring: KeyRing, material: CodeMaterial): string {
  return macOf(ring, material, 'seal\0').toString('base64url')
}

/**
 * What a form's attempt at a code is known by: the same form with the same code is one attempt, with another code another.
 * Under the master key, since whoever reads it where it is kept could else try all codes.
 */
export function deriveAttemptId(ring: KeyRing, form: string, code: string): string {
  const mac = createHmac('sha256', ring.keys.get(ring.current)!).update(`attempt\0${form}\0${code}`).digest()
  return mac.subarray(0, 16).toString('base64url')
}

function macOf(ring: KeyRing, { keyId, memberId, challengeId, nonce }: CodeMaterial, use: '' | 'seal\0'): Buffer {
  const key = ring.keys.get(keyId)
  if (key === undefined) throw new UnknownKeyError(`master key ${keyId} is not in OTP_MASTER_KEYS`)
  return createHmac('sha256', key).update(`${use}${memberId}\0${challengeId}\0`).update(nonce).digest()
}

/** Compares in constant time; both are codes of the configured length. */
export function isSameCode(submitted: string, code: string): boolean {
  const [a, b] = [Buffer.from(submitted), Buffer.from(code)]
  return a.length === b.length && timingSafeEqual(a, b)
}
