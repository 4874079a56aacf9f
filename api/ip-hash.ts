import { createHmac } from 'node:crypto'
import { isIPv6 } from 'node:net'

/**
 * An end user's address as it is kept for the limits of C9: HMAC-SHA-256 in hex, of an IPv4 address whole, of IPv6 the
 * /64, since that is what one subscriber has; IPv4-mapped IPv6 counts as IPv4.
 *
 * @param address an IPv4 or IPv6 address; what is none, as a proxy may say, counts by its text
 */
export function hashIp(key: Uint8Array, address: string): string {
  return createHmac('sha256', key).update(subscriberOf(address)).digest('hex')
}

function subscriberOf(address: string): string {
  const [plain = ''] = address.split('%')
  if (!isIPv6(plain)) return address
  const groups = groupsOf(plain)
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
