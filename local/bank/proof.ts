/**
 * The proof that a browser brings back. It went through the member's hands: nothing in it counts before its signature.
 */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { z } from 'zod'

const claims = z.object({ challengeId: z.string(), memberId: z.string(), purpose: z.string() })
export type Proof = z.output<typeof claims>

export interface ProofOptions {
  /** Who signs: the service's public address. */
  readonly issuer: string
  /** Whom it is for: our name among the service's callers. A proof that was made for another site is none here. */
  readonly audience: string
  /** Where the service shows its keys; they are kept, and asked for again when a new one signs. */
  readonly jwksUrl: string
}

/**
 * @returns what reads a proof: its claims, or `undefined` for what is none: forged, expired, or for somebody else. It
 * throws where the keys cannot be had, since that says nothing about the proof.
 */
export function createProofReader({ issuer, audience, jwksUrl }: ProofOptions) {
  const keys = createRemoteJWKSet(new URL(jwksUrl))
  return async (proof: string): Promise<Proof | undefined> => {
    try {
      const { payload } = await jwtVerify(proof, keys, {
        issuer,
        audience,
        // Named, since the proof's own header is the sender's choice.
        algorithms: ['EdDSA'],
        requiredClaims: ['exp', 'jti', 'challengeId', 'memberId', 'purpose'],
      })
      return claims.parse(payload)
    } catch (error) {
      if (error instanceof z.ZodError || isOfTheProof(error)) return undefined
      throw error
    }
  }
}

const isOfTheProof = (error: unknown) =>
  error instanceof errors.JWTClaimValidationFailed ||
  error instanceof errors.JWTExpired ||
  error instanceof errors.JWTInvalid ||
  error instanceof errors.JWSInvalid ||
  error instanceof errors.JWSSignatureVerificationFailed ||
  error instanceof errors.JOSEAlgNotAllowed ||
  error instanceof errors.JOSENotSupported ||
  error instanceof errors.JWKSNoMatchingKey
