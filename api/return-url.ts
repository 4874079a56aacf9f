/**
 * Where a member may be sent back to, with a proof in the URL (P1): only to what `OTP_RETURN_URLS` allows the upstream.
 */
import type { ReturnRule } from '../config/pages.ts'

/** What is written so is read in another way by somebody: by us, by a browser, or by the upstream's server. */
const AMBIGUOUS = /[\s\p{Cc}\\]|%(?:00|0a|0d|2e|2f|5c)/iu
const MOST_CHARACTERS = 2_000

/**
 * The URL as browsers will read it, if that caller may have its members sent there: same origin, and the allowed path or
 * one below it; never with credentials or a fragment. Its query stays as it was given, byte for byte: it may be signed, or in another
 * encoding than UTF-8.
 */
export function allowedReturnUrl(rules: readonly ReturnRule[], caller: string, given: string): string | undefined {
  if (
    !given.isWellFormed() ||
    given.length > MOST_CHARACTERS ||
    AMBIGUOUS.test(given.split(/[?#]/)[0]!) ||
    /[\s\p{Cc}]/u.test(given)
  ) {
    return undefined
  }
  const url = URL.parse(given)
  if (url === null || given.includes('#') || `${url.username}${url.password}` !== '') return undefined
  // Without an authority as people read it: `https:bank.example` and `https:///bank.example` are something else elsewhere.
  if (!/^https?:\/\/[^/@]/i.test(given)) return undefined
  const isAllowed = rules.some(
    (rule) => rule.caller === caller && isOriginOf(rule, url) && isBelow(rule.path, url.pathname),
  )
  return isAllowed ? `${url.origin}${url.pathname}${queryOf(given) ?? ''}` : undefined
}

/** With its question mark; what no header may hold is written as browsers do. */
const queryOf = (url: string): string | undefined =>
  /\?.*/su.exec(url)?.[0].replaceAll(/[^!-~]+/gu, (characters) => encodeURIComponent(characters))

function isOriginOf({ origin, anyPort }: ReturnRule, url: URL): boolean {
  if (!anyPort) return url.origin === origin
  return `${url.protocol}//${url.hostname}` === origin
}

function isBelow(allowed: string, path: string): boolean {
  const folder = allowed.endsWith('/') ? allowed : `${allowed}/`
  return path === allowed || path.startsWith(folder)
}

/** The way back: the URL with what the upstream is to read. Its own parameters of these names give way; the others stay untouched. */
export function returnTo(returnUrl: string, values: { proof?: string; state: string | null }): string {
  const [target, query = ''] = returnUrl.split(/\?(.*)/s)
  const ours = ['proof', ...(values.state === null ? [] : ['state'])]
  const parameters = query.split('&').filter((parameter) => parameter !== '' && !ours.includes(nameOf(parameter)))
  if (values.proof !== undefined) parameters.push(`proof=${encodeURIComponent(values.proof)}`)
  if (values.state !== null) parameters.push(`state=${encodeURIComponent(values.state)}`)
  return parameters.length === 0 ? target! : `${target}?${parameters.join('&')}`
}

function nameOf(parameter: string): string {
  const name = parameter.split('=')[0]!
  try {
    return decodeURIComponent(name)
  } catch {
    // Of another encoding: none of ours.
    return name
  }
}
