import type { Message } from 'kafkajs'

/** Below the broker's default `message.max.bytes` (1,048,588), which holds for a batch as a whole. */
const MAX_BATCH_BYTES = 900_000
/** What a record costs beside its key, value and headers, generously. */
const RECORD_OVERHEAD_BYTES = 64

/** Splits messages, in their order, into batches that a broker takes; one that is larger stands alone. */
export function* toBatches(messages: readonly Message[]): Generator<Message[]> {
  let batch: Message[] = []
  let bytes = 0
  for (const message of messages) {
    const size = byteSize(message)
    if (batch.length > 0 && bytes + size > MAX_BATCH_BYTES) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(message)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

function byteSize({ key, value, headers = {} }: Message): number {
  const parts = [key, value, ...Object.entries(headers).flat()]
  return parts.reduce<number>(
    (total, part) => total + (typeof part === 'string' || Buffer.isBuffer(part) ? Buffer.byteLength(part) : 0),
    RECORD_OVERHEAD_BYTES,
  )
}
