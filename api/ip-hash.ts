import { createHmac } from 'node:crypto'
import { isIP, isIPv6, type BlockList } from 'node:net'

/**
 * An end user's address as it is kept for the limits of C9: HMAC-SHA-256 in hex, of an IPv4 address whole, of IPv6 the
 * /64, since that is what one subscriber has; IPv4-mapped IPv6 counts as IPv4. A port and brackets, as some proxies write
 * them, are no part of it: each connection of a subscriber has another port.
 *
 * @param address as {@link addressIn} reads it; what holds none, as a proxy may say, counts by its text
 */
export function hashIp(key: Uint8Array, address: string): string {
  return createHmac('sha256', key)
    .update(subscriberOf(addressIn(address) ?? address))
    .digest('hex')
}

export interface IpRules {
  readonly ipHashKey: Uint8Array
  /** `OTP_IP_LIMIT_EXEMPT` */
  readonly ipLimitExempt?: BlockList | undefined
}

/** What a start says of its end user's address: its hash, or nothing where the address is of a network that is not limited. */
export function ipHashOf({ ipHashKey, ipLimitExempt }: IpRules, address: string): { ipHash?: string } {
  const plain = addressIn(address)
  const isExempt = plain !== undefined && ipLimitExempt?.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4') === true
  return isExempt ? {} : { ipHash: hashIp(ipHashKey, address) }
}

const WITH_BRACKETS = /^\[([^\]]*)\](?::\d{1,5})?$/
const WITH_PORT = /^([^:]*):\d{1,5}$/

/**
 * The IPv4 or IPv6 address in `203.0.113.7`, `203.0.113.7:41001`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`,
 * without its zone.
 *
 * @returns undefined for what is none
 */
export function addressIn(given: string): string | undefined {
  const text = given.trim()
  const [, bracketed] = WITH_BRACKETS.exec(text) ?? []
  if (bracketed !== undefined) return isIPv6(bracketed) ? withoutZone(bracketed) : undefined
  const address = WITH_PORT.exec(text)?.[1] ?? text
  return isIP(address) === 0 ? undefined : withoutZone(address)
}

const withoutZone = (address: string): string => address.replace(/%.*$/, '')

function subscriberOf(address: string): string {
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (isMapped)
    return groups
      .slice(6)
      .map((group) => `${group >> 8}.${group & 0xff}`)
      .join('.')
  return groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')
}

/** The eight groups of an IPv6 address. A URL writes every form in one: lower case, no dotted part, one `::`. */
function groupsOf(address: string): number[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const toGroups = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)))
  const [before, after] = [toGroups(head), toGroups(tail ?? '')]
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}
