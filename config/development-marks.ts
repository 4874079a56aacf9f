/**
 * What tells a development key from a real one, whatever it is called and wherever it is copied to: `local/development-keys.ts`
 * makes keys that carry a mark in themselves, and production refuses whoever carries one (Q6). Keys that anybody could
 * guess, and those that this repository publishes, are refused with them.
 */
import { createHash, createPrivateKey, ECDH, randomBytes, type KeyObject } from 'node:crypto'
import type { KeyRing } from '../temporal/key-ring.ts'

/** Of the names of development callers and of texts that are secrets, for people to see. */
export const DEVELOPMENT_KEY_PREFIX = 'dev-'

/** In base64, and so in a text, it reads {@link MARK_AS_TEXT}: its length is a multiple of three. */
const MARK = Buffer.from('development-')
const MARK_AS_TEXT = MARK.toString('base64')

/** A marked key: the mark, and random bytes to a length of 32, of which 20 are random. */
export const markedKey = (length = 32): Buffer => Buffer.concat([MARK, randomBytes(length - MARK.length)])

/** The first bytes of an id that is a UUID: "develo". */
const UUID_MARK = '64657665-6c6f-'
export const markedUuid = (uuid: string): string => UUID_MARK + uuid.slice(UUID_MARK.length)

/** The public exponent of an RSA key: a prime as good as 65,537, which all others have. */
export const RSA_MARK = 65_539

/** RFC 5480 §2.2: a P-256 key in DER (SPKI) with its point compressed, up to the point; SendGrid shows points uncompressed. */
const EC_MARK = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex')
const UNCOMPRESSED_POINT_BYTES = 65

/** @returns the public key in base64, its point compressed */
export function markedPublicKey(key: KeyObject): string {
  const point = key.export({ type: 'spki', format: 'der' }).subarray(-UNCOMPRESSED_POINT_BYTES)
  const compressed = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'compressed') as Buffer
  return Buffer.concat([EC_MARK, compressed]).toString('base64')
}

/** SHA-256 of the keys of `temporal/codec-vectors.json`, which everybody can read. */
const PUBLISHED: ReadonlySet<string> = new Set([
  '85fc3db838980450b6f436089eb3156a3276c7fa41810a422f3604ce8ff03ac1',
  '2d73463934014099d12bb29c4878770d7c0e3f3865090807014e6d136e9773d6',
])

/** Of 32 random bytes fewer are different once in 10¹⁰ keys. */
const FEWEST_DIFFERENT_BYTES = 16
/** Of a random text of 16 characters or more. */
const FEWEST_DIFFERENT_CHARACTERS = 8

const startsWith = (bytes: Uint8Array, mark: Buffer) => mark.equals(bytes.subarray(0, mark.length))
/** A pattern that repeats has few different bytes; one that counts up, few different steps. */
const isSimple = (bytes: Uint8Array) =>
  [[...bytes], Array.from(bytes, (byte, n) => (byte - (bytes[n - 1] ?? 0)) & 0xff)].some(
    (numbers: readonly number[]) => new Set(numbers).size < FEWEST_DIFFERENT_BYTES,
  )

export const isUnfitKey = (key: Uint8Array): boolean =>
  startsWith(key, MARK) || isSimple(key) || PUBLISHED.has(createHash('sha256').update(key).digest('hex'))

/** Any of them: the first makes new things, but the others are believed as well. */
export const isUnfitRing = ({ keys }: KeyRing): boolean =>
  [...keys].some(([id, key]) => hasDevelopmentName(id) || isUnfitKey(key))

export const hasDevelopmentName = (name: string): boolean => name.toLowerCase().startsWith(DEVELOPMENT_KEY_PREFIX)

export const isDevelopmentText = (text: string): boolean => hasDevelopmentName(text) || text.includes(MARK_AS_TEXT)
export const isUnfitSecret = (text: string): boolean =>
  isDevelopmentText(text) || new Set(text).size < FEWEST_DIFFERENT_CHARACTERS

export const isDevelopmentUuid = (uuid: string): boolean =>
  uuid.toLowerCase().startsWith(UUID_MARK) || new Set(uuid).size < FEWEST_DIFFERENT_CHARACTERS

/** @param pem what is no RSA key is unfit too */
export function isUnfitRsaKey(pem: string): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem)
    return asymmetricKeyType !== 'rsa' || asymmetricKeyDetails?.publicExponent === BigInt(RSA_MARK)
  } catch {
    return true
  }
}

export const isDevelopmentPublicKey = (key: KeyObject): boolean =>
  startsWith(key.export({ type: 'spki', format: 'der' }), EC_MARK)
