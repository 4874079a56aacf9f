/** The kinds of values that variables have. What each one says when it refuses never repeats the value, which may be a secret. */
import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { parseKeyRing, type KeyRing } from '../temporal/key-ring.ts'

const wholeNumber = (min: number, max: number) =>
  z.coerce
    .number({ error: `wants a whole number from ${min} to ${max}` })
    .int(`wants a whole number from ${min} to ${max}`)
    .min(min, `wants a whole number from ${min} to ${max}`)
    .max(max, `wants a whole number from ${min} to ${max}`)
/** A whole number with a default, both bounds included. */
export const int = (min: number, max: number, fallback: number) => wholeNumber(min, max).default(fallback)

export const port = wholeNumber(1, 65_535)

/** Anything but nothing. */
export const text = (wants: string) => z.string({ error: wants }).min(1, wants)

/** To the letter. */
export const httpUrl = (wants: string) => z.url({ protocol: /^https?$/, error: wants })

/** What paths are put behind: without the slashes at its end. */
export const baseUrl = (wants: string) => httpUrl(wants).transform((url) => url.replace(/\/+$/, ''))

export const boolean = z
  .enum(['true', 'false'], { error: 'wants true or false' })
  .transform((value) => value === 'true')

/** Several, separated by commas. */
export const list = (item: RegExp, wants: string) =>
  z
    .string({ error: wants })
    .transform((value) => value.split(',').map((entry) => entry.trim()))
    .refine((entries) => entries.every((entry) => item.test(entry)), wants)

const NETWORKS = 'wants networks such as 203.0.113.0/24,2001:db8::/32, of at least 8 bits in IPv4 and 16 in IPv6'
const FEWEST_BITS = { 4: 8, 6: 16 } as const

/** Networks in CIDR notation, separated by commas; none so large that it were most of the internet. */
export const networks = z.string({ error: NETWORKS }).transform((value, context): BlockList => {
  const list = new BlockList()
  for (const entry of value.split(',')) {
    const [, address = '', bits] = /^(\S+)\/(\d{1,3})$/.exec(entry.trim()) ?? []
    const version = isIP(address)
    const prefix = Number(bits)
    if (version === 0 || prefix < FEWEST_BITS[version as 4 | 6] || prefix > (version === 4 ? 32 : 128)) {
      context.addIssue({ code: 'custom', message: NETWORKS })
      return z.NEVER
    }
    list.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
  }
  return list
})

const KEY_RING = 'wants id:key[,id:key…], each key 32 bytes in base64; the first makes new ones, all are read'

export const keyRing = z.string({ error: KEY_RING }).transform((value, context): KeyRing => {
  const ring = parseKeyRing(value)
  if (ring !== undefined) return ring
  context.addIssue({ code: 'custom', message: KEY_RING })
  return z.NEVER
})

/** PEM, whose lines may end in a written \n, as environment files have them. */
export const pem = (wants: string) =>
  z
    .string({ error: wants })
    .transform((value) => value.replaceAll('\\n', '\n'))
    .refine((value) => value.includes('-----BEGIN'), wants)

const PAIRS = 'wants name=value[,name=value…]'

/** `name=value,name=value`, values percent-encoded, as OpenTelemetry's variables have them. */
export const pairs = z.string({ error: PAIRS }).transform((value, context): Record<string, string> => {
  const entries = value.split(',').map((entry) => /^\s*([^=\s]+)\s*=\s*(\S.*?)\s*$/.exec(entry))
  try {
    return Object.fromEntries(entries.map((match) => [match![1]!, decodeURIComponent(match![2]!)]))
  } catch {
    context.addIssue({ code: 'custom', message: PAIRS })
    return z.NEVER
  }
})
