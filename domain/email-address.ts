/**
 * Which e-mail addresses a one-time password is never sent to (D3).
 *
 * The page names three conditions; they are applied as they stand, not as RFC 5321 has it, so that the verdict is the
 * one a member can read there.
 */

/** The condition of the page, or `invalid` for what is no address at all. */
export type UndeliverableCondition = 1 | 2 | 3 | 'invalid'

const LOCAL_PART = /^[A-Za-z0-9.!#$%&'*+\-/=?^_{|}~]+$/
const DOMAIN =
  /^(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}]$/u
/** As it travels: RFC 1035 §2.3.1, and 63 octets a label. */
const ASCII_DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])$/i
const ASCII = /^[\x21-\x7e]*$/
/** RFC 5321 §4.5.3.1: characters of a local part, and of a path less its angle brackets. */
const MAX_LOCAL = 64
const MAX_ADDRESS = 254

/**
 * @returns `undefined` where the address can be sent to, else why not. The conditions come before `invalid` (no `@`,
 * nothing on one side of it, a domain that is none or cannot be written in ASCII, too long), and two periods in a row
 * before one at an edge, since the page lists `abcd..@` under its condition 2.
 */
export function undeliverableCondition(address: string): UndeliverableCondition | undefined {
  const at = address.lastIndexOf('@')
  if (at < 1 || at === address.length - 1) return 'invalid'
  const local = address.slice(0, at)
  if (local.includes('..')) return 2
  if (local.startsWith('.') || local.endsWith('.')) return 1
  if (!LOCAL_PART.test(local)) return 3
  return local.length > MAX_LOCAL || asciiAddress(address) === undefined ? 'invalid' : undefined
}

/**
 * The address as it is sent to: a domain beyond ASCII in its ASCII form (IDNA, by the URL standard's UTS #46), since
 * mail servers and SendGrid take no other. One that is ASCII stays as it was written.
 *
 * @returns `undefined` for a domain that is none, has no such form, or is too long in it
 */
export function asciiAddress(address: string): string | undefined {
  const at = address.lastIndexOf('@')
  const domain = address.slice(at + 1)
  // Before the conversion, which takes what no domain is: percent-encoding, ignorable characters.
  if (address.length > MAX_ADDRESS || !DOMAIN.test(domain)) return undefined
  const ascii = URL.parse(`http://${domain}`)?.hostname ?? ''
  const isAscii = ASCII.test(domain)
  // What the conversion reads as a number is an IPv4 address, and changes.
  if (!ASCII_DOMAIN.test(ascii) || (isAscii && ascii !== domain.toLowerCase())) return undefined
  const converted = isAscii ? address : `${address.slice(0, at)}@${ascii}`
  return converted.length <= MAX_ADDRESS ? converted : undefined
}
