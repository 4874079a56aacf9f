/**
 * The proof that an upstream is given when a member has entered the code (P1): a JWT, signed with EdDSA over Ed25519
 * (RFC 8037), which the upstream verifies against our JWKS.
 *
 * Asked for again it is the same, byte for byte: it says when the code was verified, and nothing lengthens it. An
 * upstream accepts each `jti` once.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { SignJWT, type JWK } from 'jose'
import type { KeyRing } from '../config.ts'
import type { Channel } from '../domain/challenge.ts'

/** How long a proof lives after the code was verified. */
export const PROOF_SECONDS = 120

/** RFC 8410 §7: what stands before the 32 bytes of an Ed25519 key in PKCS #8. */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface Verified {
  readonly challengeId: string
  readonly memberId: string
  readonly purpose: string
  readonly channel: Channel
  /** ISO 8601 */
  readonly verifiedAt: string
}

export interface Proofs {
  /** @param audience the name of the upstream's caller: nobody else is to accept it */
  sign(verified: Verified, audience: string): Promise<string>
  /** RFC 7517: every key that a proof of today may be signed with, the current one first. */
  readonly jwks: { readonly keys: readonly JWK[] }
}

/** @param issuer `OTP_PUBLIC_URL` */
export function createProofs(ring: KeyRing, issuer: string): Proofs {
  const keys = new Map([...ring.keys].map(([id, seed]) => [id, privateKeyOf(seed)]))
  const published = [...keys].map(([kid, key]): JWK => {
    return { ...createPublicKey(key).export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' }
  })
  const current = keys.get(ring.current)!
  return {
    jwks: { keys: published },
    sign: ({ challengeId, memberId, purpose, channel, verifiedAt }, audience) => {
      const at = Math.floor(Date.parse(verifiedAt) / 1000)
      return new SignJWT({ memberId, challengeId, purpose, amr: ['otp', channel], auth_time: at })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: ring.current })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(memberId)
        .setJti(challengeId)
        .setIssuedAt(at)
        .setExpirationTime(at + PROOF_SECONDS)
        .sign(current)
    },
  }
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' })
}
