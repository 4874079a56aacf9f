import type { PayloadCodec } from '@temporalio/common'

/** Stands in for that of `temporal/payload-codec.ts`. */
export const createPayloadCodec = (): PayloadCodec => ({
  encode: async (payloads) => payloads,
  decode: async (payloads) => payloads,
})
