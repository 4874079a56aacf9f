/**
 * The payload codec: every payload in Temporal's history is AES-256-GCM ciphertext with the id of its key.
 *
 * Format, for clients in other languages: metadata `encoding` = `binary/encrypted`, `encryption-cipher` =
 * `AES-256-GCM`, `encryption-key-id` = the key's id; data = 12 bytes of IV, the ciphertext of the serialised
 * `temporal.api.common.v1.Payload`, 16 bytes of tag.
 *
 * Decoding never throws (C15): what is not encrypted passes as it is (a message typed into the Web UI), and so does
 * what cannot be decrypted; the converter behind it then makes of it what it makes of everything unknown.
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import type { Payload, PayloadCodec } from '@temporalio/common'
import proto from '@temporalio/proto'
import type { KeyRing } from './key-ring.ts'

const PayloadProto = proto.temporal.api.common.v1.Payload
const ENCODING = 'binary/encrypted'
const CIPHER = 'AES-256-GCM'
const IV_BYTES = 12
const TAG_BYTES = 16

const ascii = (value: string) => new TextEncoder().encode(value)
const asText = (value: Uint8Array | null | undefined) => (value ? Buffer.from(value).toString('utf8') : undefined)

/**
 * @param onUndecodable counts what could not be decrypted
 */
export function createPayloadCodec(ring: KeyRing, onUndecodable: () => void = () => {}): PayloadCodec {
  const metadata = {
    encoding: ascii(ENCODING),
    'encryption-cipher': ascii(CIPHER),
    'encryption-key-id': ascii(ring.current),
  }
  const keys = new Map(Array.from(ring.keys, ([id, key]) => [id, createSecretKey(key)]))
  const key = keys.get(ring.current)!

  const encode = (payload: Payload): Payload => {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const plain = PayloadProto.encode(PayloadProto.create(payload)).finish()
    return { metadata, data: Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]) }
  }

  const decode = (payload: Payload): Payload => {
    if (asText(payload.metadata?.['encoding']) !== ENCODING) return payload
    try {
      const data = Buffer.from(payload.data!)
      const decipher = createDecipheriv(
        'aes-256-gcm',
        keys.get(asText(payload.metadata?.['encryption-key-id']) ?? '')!,
        data.subarray(0, IV_BYTES),
        { authTagLength: TAG_BYTES },
      )
      decipher.setAuthTag(data.subarray(-TAG_BYTES))
      return PayloadProto.decode(
        Buffer.concat([decipher.update(data.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]),
      )
    } catch {
      onUndecodable()
      return payload
    }
  }

  return {
    encode: async (payloads) => payloads.map(encode),
    decode: async (payloads) => payloads.map(decode),
  }
}
