/** Who may call the API. */
import { z } from 'zod'
import { SCOPES } from '../domain/scopes.ts'
import { httpUrl, int, text } from './values.ts'

/** An API caller: its name, and what it may do. */
export interface ApiCaller {
  readonly name: string
  readonly scopes: readonly string[]
  /** Whom its access token is about: for a person's token the person, where the name is that of the program they use. */
  readonly subject?: string
}

/** One that shows an API key, of which only the SHA-256 is known here. */
export interface KeyCaller extends ApiCaller {
  readonly keySha256: string
}

/** The caller of challenges that were started in Temporal directly. */
export const TEMPORAL_CALLER = 'temporal'
const API_KEYS = `wants name:sha256-of-key-in-hex:scope[+scope…], several separated by commas; no name is ${TEMPORAL_CALLER}`
const UNKNOWN_SCOPE = `has a scope that is not known: wants some of ${Object.keys(SCOPES).join(', ')}`
const apiCallers = z.string({ error: API_KEYS }).transform((value, context): KeyCaller[] => {
  const callers: KeyCaller[] = []
  for (const entry of value.split(',')) {
    const match = /^([A-Za-z0-9._-]{1,64}):([0-9a-f]{64}):([a-z:+-]+)$/.exec(entry.trim())
    if (!match || match[1] === TEMPORAL_CALLER) {
      context.addIssue({ code: 'custom', message: API_KEYS })
      return z.NEVER
    }
    const scopes = match[3]!.split('+')
    if (!scopes.every((scope) => Object.hasOwn(SCOPES, scope))) {
      context.addIssue({ code: 'custom', message: UNKNOWN_SCOPE })
      return z.NEVER
    }
    callers.push({ name: match[1]!, keySha256: match[2]!, scopes })
  }
  return callers
})

/** Who may call (U1): by API keys, by access tokens of an OAuth 2.0 issuer (RFC 9068), or by either. */
export const callers = z
  .object({
    OTP_API_KEYS: apiCallers.optional(),
    /** `iss` of the tokens, to the letter. */
    OTP_JWT_ISSUER: text('wants the issuer of access tokens, as their claim iss has it').optional(),
    /** `aud` of the tokens that are for us. */
    OTP_JWT_AUDIENCE: text('wants the audience of access tokens, as their claim aud has it').optional(),
    /** RFC 7517; `jwks_uri` of the issuer's metadata. */
    OTP_JWT_JWKS_URL: httpUrl("wants the http(s) URL of the issuer's keys").optional(),
    /** After that the keys are asked for anew: so long a key that the issuer took back may still be accepted. */
    OTP_JWT_JWKS_MAX_AGE_SECONDS: int(1, 86_400, 600),
    /** The issuer is asked no more often, whatever tokens come: so long one of a key that is all new may be refused. */
    OTP_JWT_JWKS_COOLDOWN_SECONDS: int(1, 3_600, 5),
    /** Of each caller, over all instances of the API, with bursts of as many; 0 is no limit. */
    OTP_CALLER_REQUESTS_PER_SECOND: int(0, 100_000, 1_000),
  })
  .superRefine((v, context) => {
    const tokens = ['OTP_JWT_ISSUER', 'OTP_JWT_AUDIENCE', 'OTP_JWT_JWKS_URL'] as const
    const given = tokens.filter((name) => v[name] !== undefined)
    if (given.length > 0 && given.length < tokens.length) {
      for (const name of tokens.filter((name) => v[name] === undefined)) {
        context.addIssue({ code: 'custom', path: [name], message: `goes with ${given.join(' and ')}` })
      }
    }
    if (v.OTP_API_KEYS === undefined && given.length === 0) {
      context.addIssue({ code: 'custom', path: ['OTP_API_KEYS'], message: `${API_KEYS}; or OTP_JWT_ISSUER is set` })
    }
  })
  .transform((v) => ({
    apiKeys: v.OTP_API_KEYS ?? [],
    tokens:
      v.OTP_JWT_ISSUER !== undefined && v.OTP_JWT_AUDIENCE !== undefined && v.OTP_JWT_JWKS_URL !== undefined
        ? {
            issuer: v.OTP_JWT_ISSUER,
            audience: v.OTP_JWT_AUDIENCE,
            jwksUrl: v.OTP_JWT_JWKS_URL,
            jwksMaxAgeMs: v.OTP_JWT_JWKS_MAX_AGE_SECONDS * 1000,
            jwksCooldownMs: v.OTP_JWT_JWKS_COOLDOWN_SECONDS * 1000,
          }
        : undefined,
    requestsPerSecond: v.OTP_CALLER_REQUESTS_PER_SECOND,
  }))
