/**
 * Access tokens: JWTs of an OAuth 2.0 issuer, as the client credentials grant gives them to services (RFC 9068).
 */
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwksCache,
  jwtVerify,
  type JWKSCacheInput,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import type { Config } from '../config.ts'
import type { ApiCaller } from '../config/callers.ts'
import { SCOPES } from '../domain/scopes.ts'
import { UnavailableError } from './deadline.ts'

type TokenRules = NonNullable<Config<'callers'>['callers']['tokens']>

/** Signatures by a key of the issuer's own. What the issuer's public key could sign too (HS256), or nobody does (none), is not. */
const ALGORITHMS = ['EdDSA', 'Ed25519', 'ES256', 'RS256', 'PS256']
/** RFC 9068 §2.1; many issuers say JWT, or nothing. A token of another kind (`logout+jwt`, `dpop+jwt`) is none of access. */
const TYPES = new Set(['at+jwt', 'application/at+jwt', 'jwt'])
/** How far the issuer's clock may be from ours. */
const CLOCK_TOLERANCE_SECONDS = 10
/** An answer comes within 5 s, also where the issuer hangs and Postgres does after it. */
const JWKS_TIMEOUT_MS = 2_000
/** While the issuer cannot be reached its last keys count, longer than most tokens live; not for ever. */
const KEYS_KEPT_MS = 3_600_000
/** RFC 6749 appendix A.1, without the space. */
const CLIENT_ID = /^[\x21-\x7e]{1,128}$/
/** It is for the log only: whoever has the issuer's word for a longer one is not refused. */
const MOST_OF_SUBJECT = 128

/** A token that is not accepted; `why` may be told to whoever showed it. */
export class InvalidTokenError extends Error {
  override name = 'InvalidTokenError'
  readonly why: string
  constructor(why: string) {
    super(why)
    this.why = why
  }
}

/**
 * @returns the caller whom a token names: `oauth/` and the client's id, percent-encoded, so that it is no API key's name, and
 *   holds no colon; with those of its scopes that are ours
 * @throws {InvalidTokenError}
 * @throws {UnavailableError} where the issuer's keys cannot be had, and none are known
 */
export type VerifyToken = (token: string) => Promise<ApiCaller>

export function createTokenVerifier(rules: TokenRules): VerifyToken {
  const keys = createIssuerKeys(rules)
  const { issuer, audience } = rules
  return async (token) => {
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp'],
    }).catch((error: unknown) => {
      throw error instanceof UnavailableError ? error : new InvalidTokenError(reasonOf(error))
    })
    const { typ } = protectedHeader
    if (typ !== undefined && !TYPES.has(typ.toLowerCase())) throw new InvalidTokenError('It is no access token.')
    const { sub } = payload
    return {
      name: `oauth/${encodeURIComponent(clientOf(payload))}`,
      scopes: scopesOf(payload),
      ...(typeof sub === 'string' && { subject: sub.slice(0, MOST_OF_SUBJECT) }),
    }
  }
}

/** RFC 9068 §2.2: `client_id`; OpenID Connect's `azp`, and `sub`, of issuers that have none. */
function clientOf({ client_id, azp, sub }: JWTPayload): string {
  const client = client_id ?? azp ?? sub
  if (typeof client === 'string' && CLIENT_ID.test(client)) return client
  throw new InvalidTokenError('It names no client.')
}

/** RFC 8693 §4.2: a text, separated by spaces. */
const scopesOf = ({ scope }: JWTPayload): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter((each) => Object.hasOwn(SCOPES, each)) : []

/** What jose found wrong, in words for its caller; nothing of the token is in them. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'It has expired.'
  if (error instanceof errors.JWTClaimValidationFailed) return `Its claim ${error.claim} is not right.`
  if (error instanceof errors.JOSEAlgNotAllowed) return 'Its algorithm is not allowed.'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'Its signature is not right.'
  if (error instanceof errors.JWKSNoMatchingKey) return "None of its issuer's keys fits."
  if (error instanceof errors.JWKSMultipleMatchingKeys) return "It does not say by which of its issuer's keys."
  return 'It cannot be read.'
}

/**
 * The issuer's keys, asked for when there are none, when they are old, and when a token names another; no more often than the
 * cooldown allows.
 */
function createIssuerKeys({ jwksUrl, jwksMaxAgeMs, jwksCooldownMs }: TokenRules): JWTVerifyGetKey {
  const cache: JWKSCacheInput = {}
  let askedAt = Number.NEGATIVE_INFINITY
  const remote = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cooldownDuration: jwksCooldownMs,
    // Their age is looked at below: the library would let go of old keys while the issuer is away.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [jwksCache]: cache,
    // The library's own cooldown begins with an answer; an issuer that is away would be asked for each token.
    [customFetch]: async (url, options) => {
      const now = performance.now()
      if (now < askedAt + jwksCooldownMs) throw new UnavailableError('the issuer was asked just now')
      askedAt = now
      return fetch(url, options)
    },
  })

  return async (header, token) => {
    const ageMs = Date.now() - (cache.uat ?? Number.NEGATIVE_INFINITY)
    if (ageMs > jwksMaxAgeMs) {
      await remote.reload().catch((cause: unknown) => {
        if (ageMs > KEYS_KEPT_MS) throw new UnavailableError("the issuer's keys cannot be had", { cause })
      })
    }
    return remote(header, token).catch((error: unknown) => {
      // Else the keys could not be asked for anew: of those that are known none fits.
      throw error instanceof errors.JWKSMultipleMatchingKeys ? error : new errors.JWKSNoMatchingKey()
    })
  }
}
