/**
 * U2: the codec's format is what docs/temporal-messages.md says of it: upstreams in other languages are built by that page
 * and these vectors. They are permanent; a change here is a change of the wire.
 */
import { createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parseKeyRing } from '../temporal/key-ring.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'

const payloadShape = z.object({ metadata: z.record(z.string(), z.string()), data: z.base64() })
const file = z
  .object({
    keys: z.string(),
    vectors: z.array(
      z.object({
        what: z.string(),
        payload: payloadShape,
        serialised: z.hex(),
        keyId: z.string(),
        iv: z.hex(),
        tag: z.hex(),
        encrypted: payloadShape,
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../temporal/codec-vectors.json', import.meta.url), 'utf8')))
const ring = parseKeyRing(file.keys)!
const codec = createPayloadCodec(ring)

const toPayload = ({ metadata, data }: z.output<typeof payloadShape>): Payload => ({
  metadata: Object.fromEntries(Object.entries(metadata).map(([name, text]) => [name, Buffer.from(text)])),
  data: Buffer.from(data, 'base64'),
})
const toText = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(Object.entries(metadata!).map(([name, bytes]) => [name, Buffer.from(bytes).toString()])),
  data: Buffer.from(data ?? []).toString('base64'),
})

describe.each(file.vectors)('$what', ({ payload, serialised, keyId, iv, tag, encrypted }) => {
  it('is IV, ciphertext of the serialised payload, and tag', () => {
    const data = Buffer.from(encrypted.data, 'base64')
    expect(data.subarray(0, 12).toString('hex')).toBe(iv)
    expect(data.subarray(-16).toString('hex')).toBe(tag)
    const decipher = createDecipheriv('aes-256-gcm', ring.keys.get(keyId)!, Buffer.from(iv, 'hex'))
    decipher.setAuthTag(Buffer.from(tag, 'hex'))
    const plain = Buffer.concat([decipher.update(data.subarray(12, -16)), decipher.final()])
    expect(plain.toString('hex')).toBe(serialised)
  })

  it('is decrypted', async () => {
    const [decoded] = await codec.decode([toPayload(encrypted)])
    expect(toText(decoded!)).toEqual(payload)
  })

  it('is encrypted under the current key, with the same metadata and an IV of its own', async () => {
    const [once, again] = await codec.encode([toPayload(payload), toPayload(payload)])
    expect(toText(once!).metadata).toEqual({ ...encrypted.metadata, 'encryption-key-id': ring.current })
    expect(once!.data).toHaveLength(12 + serialised.length / 2 + 16)
    expect(once!.data).not.toEqual(again!.data)
    expect((await codec.decode([once!])).map(toText)).toEqual([payload])
  })

  it('is not decrypted where a bit of it was changed: it passes as it is', async () => {
    const [changed] = [toPayload(encrypted)]
    changed.data![20]! ^= 1
    expect(await codec.decode([changed])).toEqual([changed])
  })
})

it('the vectors hold what the SDK makes of values', () => {
  const value = {
    challengeId: '019ab000-0000-7000-8000-000000000001',
    memberId: '123456789',
    purpose: 'redeem_benefit',
  }
  expect(toText(defaultPayloadConverter.toPayload(value))).toEqual(file.vectors[0]!.payload)
  expect(toText(defaultPayloadConverter.toPayload(undefined))).toEqual(file.vectors[3]!.payload)
})

it('the first key of the vectors is the current one, and an older one is read', () => {
  expect(ring.current).toBe('vectors-2')
  expect(file.vectors.some(({ keyId }) => keyId !== ring.current)).toBe(true)
})
