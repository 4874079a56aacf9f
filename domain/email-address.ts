/**
 * Which e-mail addresses a one-time password is never sent to (D3).
 *
 * The page names three conditions; they are applied as they stand, not as RFC 5321 has it, so that the verdict is the
 * one a member can read there.
 */

/** The condition of the page, or `invalid` for what is no address at all. */
export type UndeliverableCondition = 1 | 2 | 3 | 'invalid'

const LOCAL_PART = /^[A-Za-z0-9.!#$%&'*+\-/=?^_{|}~]+$/
const DOMAIN = /^(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{N}-]{2,63}$/u
/** RFC 5321 §4.5.3.1: characters of a local part, and of a path less its angle brackets. */
const MAX_LOCAL = 64
const MAX_ADDRESS = 254

/**
 * @returns `undefined` where the address can be sent to, else why not. The conditions come before `invalid` (no `@`,
 * nothing on one side of it, a domain that is none, too long), and two periods in a row before one at an edge, since
 * the page lists `abcd..@` under its condition 2.
 */
export function undeliverableCondition(address: string): UndeliverableCondition | undefined {
  const at = address.lastIndexOf('@')
  if (at < 1 || at === address.length - 1) return 'invalid'
  const local = address.slice(0, at)
  if (local.includes('..')) return 2
  if (local.startsWith('.') || local.endsWith('.')) return 1
  if (!LOCAL_PART.test(local)) return 3
  if (local.length > MAX_LOCAL || address.length > MAX_ADDRESS || !DOMAIN.test(address.slice(at + 1))) return 'invalid'
  return undefined
}
