/**
 * `one-time-password/codec`: what answers of ours are encrypted with, for clients and workers of other teams.
 */
import type { DataConverter } from '@temporalio/common'
import { parseKeyRing, type KeyRing } from '../temporal/key-ring.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'

export { createPayloadCodec, parseKeyRing, type KeyRing }

interface Converting {
  dataConverter?: DataConverter
}

/**
 * A plugin for `new Client({ plugins })` and `Worker.create({ plugins })`: what is sent is encrypted, what comes back is
 * readable. A client or worker that has another codec cannot speak with us: give it one of its own.
 *
 * @param keys the value of `OTP_CODEC_KEYS`: `id:key[,id:key…]`, each key 32 bytes in base64
 * @throws {TypeError} where they are not that (it does not repeat them), or where another codec is configured
 */
export function otpCodec(keys: string) {
  const ring = parseKeyRing(keys)
  if (ring === undefined) throw new TypeError('otpCodec wants id:key[,id:key…], each key 32 bytes in base64')
  const codec = createPayloadCodec(ring)
  const configure = <Options extends Converting>(options: Options): Options => {
    if ((options.dataConverter?.payloadCodecs ?? []).length > 0) {
      throw new TypeError('otpCodec wants a client or worker that has no other codec')
    }
    return { ...options, dataConverter: { ...options.dataConverter, payloadCodecs: [codec] } }
  }
  return {
    name: 'one-time-password/codec',
    configureClient: configure,
    configureWorker: configure,
    configureReplayWorker: configure,
  }
}
