import { once } from 'node:events'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { MEMBER_EVENTS } from '../../kafka/topics.ts'
import type { GeneratedRecord } from './event.ts'

/** Some 450 bytes each: far below what a broker takes in one request. */
const RECORDS_AT_ONCE = 2_000

export interface PublishOptions {
  readonly brokers: readonly string[]
  /** Told how many stand in the topic so far. */
  readonly onProgress?: (records: number) => void
}

/** Writes records to `member-events`, in their order for each member. @returns how many */
export async function publish(records: Iterable<GeneratedRecord>, { brokers, onProgress }: PublishOptions) {
  // A broker that is away for some seconds is waited for: what is sent twice then changes nothing (M2).
  const retry = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 40 }
  const kafka = new Kafka({ clientId: 'generate', brokers: [...brokers], logLevel: logLevel.NOTHING, retry })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  try {
    let sent = 0
    // While one batch is on its way, the next is made.
    let underWay: Promise<unknown> = Promise.resolve()
    for (const batch of batchesOf(records)) {
      const messages = batch.map(({ key, value }) => ({ key, value: value && JSON.stringify(value) }))
      await underWay
      underWay = producer.send({ topic: MEMBER_EVENTS, acks: -1, messages })
      // An error is met at the next await.
      underWay.catch(() => {})
      onProgress?.((sent += batch.length))
    }
    await underWay
    return sent
  } finally {
    await producer.disconnect()
  }
}

/** Writes records as JSON, one a line: `{"key": …, "value": …}`. @returns how many */
export async function print(records: Iterable<GeneratedRecord>, out: NodeJS.WritableStream): Promise<number> {
  let printed = 0
  for (const batch of batchesOf(records)) {
    printed += batch.length
    const isRoomLeft = out.write(batch.map((record) => `${JSON.stringify(record)}\n`).join(''))
    if (!isRoomLeft) await once(out, 'drain')
  }
  return printed
}

function* batchesOf(records: Iterable<GeneratedRecord>): Generator<GeneratedRecord[]> {
  let batch: GeneratedRecord[] = []
  for (const record of records) {
    if (batch.push(record) < RECORDS_AT_ONCE) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
