/**
 * Where a member may be sent back to, with a proof in the URL (P1): only to what `OTP_RETURN_URLS` allows the upstream.
 */
import type { ReturnRule } from '../config/pages.ts'

/** What is written so is read in another way by somebody: by us, by a browser, or by the upstream's server. */
const AMBIGUOUS = /[\s\p{Cc}\\]|%(?:00|0a|0d|2e|2f|5c)/iu
const MOST_CHARACTERS = 2_000

/**
 * The URL as browsers will read it, if that caller may have its members sent there: same origin, and the allowed path or
 * one below it; never with credentials or a fragment.
 */
export function allowedReturnUrl(rules: readonly ReturnRule[], caller: string, given: string): string | undefined {
  if (given.length > MOST_CHARACTERS || AMBIGUOUS.test(given.split(/[?#]/)[0]!) || /[\s\p{Cc}]/u.test(given)) {
    return undefined
  }
  const url = URL.parse(given)
  if (url === null || given.includes('#') || `${url.username}${url.password}` !== '') return undefined
  // Without an authority as people read it: `https:bank.example` and `https:///bank.example` are something else elsewhere.
  if (!/^https?:\/\/[^/@]/i.test(given)) return undefined
  const isAllowed = rules.some(
    (rule) => rule.caller === caller && isOriginOf(rule, url) && isBelow(rule.path, url.pathname),
  )
  return isAllowed ? url.href : undefined
}

function isOriginOf({ origin, anyPort }: ReturnRule, url: URL): boolean {
  if (!anyPort) return url.origin === origin
  return `${url.protocol}//${url.hostname}` === origin
}

function isBelow(allowed: string, path: string): boolean {
  const folder = allowed.endsWith('/') ? allowed : `${allowed}/`
  return path === allowed || path.startsWith(folder)
}

/** The way back: the URL with what the upstream is to read. Its own parameters of these names give way. */
export function returnTo(returnUrl: string, values: { proof?: string; state: string | null }): string {
  const url = new URL(returnUrl)
  if (values.proof === undefined) url.searchParams.delete('proof')
  else url.searchParams.set('proof', values.proof)
  if (values.state !== null) url.searchParams.set('state', values.state)
  return url.href
}
