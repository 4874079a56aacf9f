/**
 * Who calls, and what they may do (U1): API keys, of which only the SHA-256 is known here.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { ApiCaller } from '../config.ts'
import { problem } from './problems.ts'

/** `challenges:any` reaches challenges that others started. */
export type Scope =
  | 'challenges:start'
  | 'challenges:read'
  | 'challenges:verify'
  | 'challenges:cancel'
  | 'challenges:any'
  | 'deliverability:check'

/** RFC 6750 §2.1; the scheme's name has no case. */
const BEARER = /^bearer ([\x21-\x7e]{1,512})$/i

/**
 * Tells callers by their `Authorization` header. Every key is compared, each in constant time, so that the time tells
 * nothing about which exist.
 *
 * @throws {ProblemError} `unauthorized`; the same for a missing header and an unknown key
 */
export function createAuthenticator(callers: readonly ApiCaller[]): (authorization: string | undefined) => ApiCaller {
  const known = callers.map((caller) => ({ caller, hash: Buffer.from(caller.keySha256, 'hex') }))
  return (authorization) => {
    const key = BEARER.exec(authorization ?? '')?.[1]
    if (key === undefined) throw unauthorized()
    const hash = createHash('sha256').update(key).digest()
    let found: ApiCaller | undefined
    for (const candidate of known) if (timingSafeEqual(hash, candidate.hash)) found = candidate.caller
    if (found === undefined) throw unauthorized()
    return found
  }
}

const unauthorized = () =>
  problem('unauthorized', 'Send Authorization: Bearer <API key>.', { headers: { 'www-authenticate': 'Bearer' } })

/** @throws {ProblemError} `forbidden` */
export function requireScope(caller: ApiCaller, scope: Scope): void {
  if (!caller.scopes.includes(scope)) throw problem('forbidden', `This needs the scope ${scope}.`)
}

/** Whether the caller may know of a challenge: it started it, or it may see any (U1). */
export const maySee = (caller: ApiCaller, startedBy: string): boolean =>
  startedBy === caller.name || caller.scopes.includes('challenges:any')
