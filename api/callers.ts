/**
 * Who calls, and what they may do (U1): by API keys, of which only the SHA-256 is known here, and by access tokens.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Config } from '../config.ts'
import type { ApiCaller } from '../config/callers.ts'
import type { Scope } from '../domain/scopes.ts'
import { createTokenVerifier, InvalidTokenError } from './access-token.ts'
import { UnavailableError } from './deadline.ts'
import { problem, type ProblemError } from './problems.ts'

/** RFC 6750 §2.1; the scheme's name has no case. A header is shorter than this in any case. */
const BEARER = /^bearer ([\x21-\x7e]{1,16384})$/i
/** RFC 7617 §2: user name and password, in base64. */
const BASIC = /^basic ([A-Za-z0-9+/]{1,1024}={0,2})$/i
/** RFC 7515 §7.1: a compact JWS. */
const JWS = /^[\w-]+\.[\w-]*\.[\w-]*$/

export interface Authenticate {
  /**
   * Tells callers by their `Authorization` header: `Bearer <API key or access token>`, and `forBrowsers` also Basic with the
   * key as password, whatever the user name. Every key is compared, each in constant time, so that the time tells nothing
   * about which exist.
   *
   * @throws {ProblemError} `unauthorized`; the same for a missing header and an unknown key. `unavailable` for an access
   *   token while its issuer's keys cannot be had; API keys want nobody else.
   */
  (authorization: string | undefined, options?: { forBrowsers?: boolean | undefined }): Promise<ApiCaller>
}

/**
 * What the `Authorization` header says; nothing where it stands twice, since whoever stands before us may have checked the one
 * that Node does not take.
 */
export function authorizationOf({ headers, rawHeaders }: IncomingMessage): string | undefined {
  const names = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization')
  return names.length > 1 ? undefined : headers.authorization
}

export function createAuthenticator({
  apiKeys,
  tokens,
}: Pick<Config<'callers'>['callers'], 'apiKeys' | 'tokens'>): Authenticate {
  const known = apiKeys.map((caller) => ({ caller, hash: Buffer.from(caller.keySha256, 'hex') }))
  const verify = tokens && createTokenVerifier(tokens)
  return async (authorization = '', { forBrowsers = false } = {}) => {
    const shown = BEARER.exec(authorization)?.[1] ?? (forBrowsers ? passwordOf(authorization) : undefined)
    if (shown === undefined) throw unauthorized(forBrowsers)
    const hash = createHash('sha256').update(shown).digest()
    let found: ApiCaller | undefined
    for (const candidate of known) if (timingSafeEqual(hash, candidate.hash)) found = candidate.caller
    if (found !== undefined) return found
    if (tokens === undefined || verify === undefined || !JWS.test(shown)) throw unauthorized(forBrowsers)
    return verify(shown).catch((error: unknown) => {
      if (error instanceof InvalidTokenError) throw forBrowsers ? unauthorized(true) : invalidToken(error.why)
      if (!(error instanceof UnavailableError)) throw error
      throw problem('unavailable', "The keys of the token's issuer cannot be had: try again soon.", {
        retryAfter: Math.ceil(tokens.jwksCooldownMs / 1000),
      })
    })
  }
}

function passwordOf(authorization: string): string | undefined {
  const credentials = Buffer.from(BASIC.exec(authorization)?.[1] ?? '', 'base64').toString('utf8')
  const colon = credentials.indexOf(':')
  return colon < 0 ? undefined : credentials.slice(colon + 1)
}

/** A browser asks its user where it is told of Basic. */
const unauthorized = (forBrowsers: boolean): ProblemError =>
  problem(
    'unauthorized',
    forBrowsers ? 'Give an API key as the password.' : 'Send Authorization: Bearer <API key or access token>.',
    { headers: { 'www-authenticate': forBrowsers ? 'Basic realm="operators", charset="UTF-8"' : 'Bearer' } },
  )

/** RFC 6750 §3.1 */
const invalidToken = (why: string): ProblemError =>
  problem('unauthorized', `The access token is not accepted. ${why}`, {
    headers: { 'www-authenticate': `Bearer error="invalid_token", error_description="${why}"` },
  })

/** @throws {ProblemError} `forbidden` */
export function requireScope(caller: ApiCaller, scope: Scope): void {
  if (caller.scopes.includes(scope)) return
  throw problem('forbidden', `This needs the scope ${scope}: have it given to this caller.`, {
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  })
}

/** Whether the caller may know of a challenge: it started it, or it may see any (U1). */
export const maySee = (caller: ApiCaller, startedBy: string): boolean =>
  startedBy === caller.name || caller.scopes.includes('challenges:any')
