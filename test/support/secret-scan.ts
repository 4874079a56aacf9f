/**
 * Looks for secrets in bytes of any kind: as they are, and in every run of base64 or hex that they hold, nested ones
 * too. Protobuf and SQLite keep text as it is, so it is found without knowing their formats.
 */

/** What a scan came upon that may be a secret; whether it is one, tells a comparison with what was made. */
export interface Candidates {
  /** Eight digits between others than digits. */
  readonly codes: Set<string>
  /** Mobile numbers of Japan without their country code or leading zero: `9012345678`. */
  readonly phones: Set<string>
  /** Words that begin with {@link NAME_MARK}, in lower case. */
  readonly names: Set<string>
  /** Addresses of end users, in the block that is for examples (RFC 3849). */
  readonly ips: Set<string>
}

/** What every name begins with in a run that is scanned; no word does. */
export const NAME_MARK = 'zqx'

const DEPTH = 3
const BASE64 = /[A-Za-z0-9+/_-]{12,}={0,2}/g
const HEX = /(?:[0-9a-f]{2}){8,}|(?:[0-9A-F]{2}){8,}/g
/** Ids and digests hold runs of digits by chance, and nothing else: a code that stands alone is in none of them. */
const IDS = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}/gi
const CODE = /(?<!\d)\d{8}(?!\d)/g
const PHONE = /(?<!\d)(?:(?:00)?81|0)?-?(90-?\d{4}-?\d{4})(?!\d)/g
const IP = /2001:db8:[0-9a-f:]+/gi
const NAME = new RegExp(`${NAME_MARK}[a-z]{8}`, 'gi')

export const noCandidates = (): Candidates => ({
  codes: new Set(),
  phones: new Set(),
  names: new Set(),
  ips: new Set(),
})

/** Adds what `bytes` hold to `found`. */
export function scan(bytes: Buffer, found: Candidates, depth = DEPTH): void {
  const text = bytes.toString('latin1')
  for (const [code] of text.replaceAll(IDS, ' ').matchAll(CODE)) found.codes.add(code)
  for (const [, phone] of text.matchAll(PHONE)) found.phones.add(phone!.replaceAll('-', ''))
  for (const [name] of text.matchAll(NAME)) found.names.add(name.toLowerCase())
  for (const [ip] of text.matchAll(IP)) found.ips.add(ip.toLowerCase())
  if (depth === 0) return
  for (const [run] of text.matchAll(BASE64)) scan(Buffer.from(run, 'base64'), found, depth - 1)
  for (const [run] of text.matchAll(HEX)) scan(Buffer.from(run, 'hex'), found, depth - 1)
}
