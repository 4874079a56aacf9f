import type { KafkaMessage, Message, Producer } from 'kafkajs'
import { toBatches } from './batches.ts'
import type { UndecodableBatch } from './compression.ts'
import type { BadEventReason } from './member-event.ts'

/** A record that could not be applied, and where it came from. */
export interface DeadLetter {
  readonly reason: BadEventReason
  readonly topic: string
  readonly partition: number
  readonly record: Pick<KafkaMessage, 'key' | 'value' | 'offset' | 'timestamp'>
  /** Where the record stands for a whole batch that could not be read. */
  readonly batch?: UndecodableBatch | undefined
}

/**
 * Writes dead letters (M3): key and value as they came, with the headers `reason`, `original-topic`,
 * `original-partition`, `original-offset` and `original-timestamp` (milliseconds since the epoch). A value too large
 * for the topic is left out, its size in `omitted-value-bytes`: where it stood is still known. A batch that could not be
 * read is one letter without key and value: `original-offset` is its first offset, `original-last-offset` its last, and
 * `omitted-records` how many records it says it holds.
 *
 * @returns once every replica in sync has all of them
 */
export async function sendDeadLetters(producer: Producer, topic: string, letters: readonly DeadLetter[]) {
  for (const messages of toBatches(letters.map(toMessage))) await sendOrOmit(producer, topic, messages)
}

const toMessage = ({ reason, topic, partition, record, batch }: DeadLetter): Message => ({
  key: record.key,
  value: record.value,
  headers: {
    reason,
    'original-topic': topic,
    'original-partition': String(partition),
    'original-offset': batch?.firstOffset ?? record.offset,
    'original-timestamp': record.timestamp,
    ...(batch && { 'original-last-offset': record.offset, 'omitted-records': String(batch.records) }),
  },
})

async function sendOrOmit(producer: Producer, topic: string, messages: Message[]): Promise<void> {
  try {
    await producer.send({ topic, acks: -1, messages })
  } catch (error) {
    const [message] = messages
    if (!isTooLarge(error) || messages.length !== 1 || !message?.value?.length) throw error
    const headers = { ...message.headers, 'omitted-value-bytes': String(Buffer.byteLength(message.value)) }
    await producer.send({ topic, acks: -1, messages: [{ ...message, headers, value: Buffer.alloc(0) }] })
  }
}

const isTooLarge = (error: unknown) => error instanceof Error && 'type' in error && error.type === 'MESSAGE_TOO_LARGE'
