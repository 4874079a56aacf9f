/**
 * Who calls, and what they may do (U1): API keys, of which only the SHA-256 is known here.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ApiCaller } from '../config.ts'
import type { Scope } from '../domain/scopes.ts'
import { problem } from './problems.ts'

/** RFC 6750 §2.1; the scheme's name has no case. */
const BEARER = /^bearer ([\x21-\x7e]{1,512})$/i
/** RFC 7617 §2: user name and password, in base64. */
const BASIC = /^basic ([A-Za-z0-9+/]{1,1024}={0,2})$/i

export interface Authenticate {
  /**
   * Tells callers by their `Authorization` header: `Bearer <API key>`, and `forBrowsers` also Basic with the key as
   * password, whatever the user name. Every key is compared, each in constant time, so that the time tells nothing about
   * which exist.
   *
   * @throws {ProblemError} `unauthorized`; the same for a missing header and an unknown key
   */
  (authorization: string | undefined, options?: { forBrowsers?: boolean | undefined }): ApiCaller
}

export function createAuthenticator(callers: readonly ApiCaller[]): Authenticate {
  const known = callers.map((caller) => ({ caller, hash: Buffer.from(caller.keySha256, 'hex') }))
  return (authorization = '', { forBrowsers = false } = {}) => {
    const key = BEARER.exec(authorization)?.[1] ?? (forBrowsers ? passwordOf(authorization) : undefined)
    if (key === undefined) throw unauthorized(forBrowsers)
    const hash = createHash('sha256').update(key).digest()
    let found: ApiCaller | undefined
    for (const candidate of known) if (timingSafeEqual(hash, candidate.hash)) found = candidate.caller
    if (found === undefined) throw unauthorized(forBrowsers)
    return found
  }
}

function passwordOf(authorization: string): string | undefined {
  const credentials = Buffer.from(BASIC.exec(authorization)?.[1] ?? '', 'base64').toString('utf8')
  const colon = credentials.indexOf(':')
  return colon < 0 ? undefined : credentials.slice(colon + 1)
}

/** A browser asks its user where it is told of Basic. */
const unauthorized = (forBrowsers: boolean) =>
  problem('unauthorized', forBrowsers ? 'Give an API key as the password.' : 'Send Authorization: Bearer <API key>.', {
    headers: { 'www-authenticate': forBrowsers ? 'Basic realm="operators", charset="UTF-8"' : 'Bearer' },
  })

/** @throws {ProblemError} `forbidden` */
export function requireScope(caller: ApiCaller, scope: Scope): void {
  if (!caller.scopes.includes(scope)) throw problem('forbidden', `This needs the scope ${scope}.`)
}

/** Whether the caller may know of a challenge: it started it, or it may see any (U1). */
export const maySee = (caller: ApiCaller, startedBy: string): boolean =>
  startedBy === caller.name || caller.scopes.includes('challenges:any')
