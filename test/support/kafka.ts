import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { KafkaMessage, Message } from 'kafkajs'
import { vi } from 'vitest'
import { toBatches } from '../../kafka/batches.ts'
import { patience } from './speed.ts'
import { kafkaBrokers } from './stack.ts'

/** A record, and the partition that it stands in. */
export type TopicRecord = KafkaMessage & { readonly partition: number }

const client = () => new Kafka({ clientId: 'test', brokers: kafkaBrokers(), logLevel: logLevel.NOTHING })

/** A name that no other test uses. */
export const uniqueName = (name: string): string => `${name}-${randomBytes(4).toString('hex')}`

/** Creates a topic of the calling test's own. */
export async function createTopic(
  name: string,
  partitions: number,
  config: Record<string, string> = {},
): Promise<string> {
  const topic = uniqueName(name)
  const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }))
  await withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] }))
  return topic
}

/** Produces in the given order; the key tells the partition. */
export async function produce(topic: string, messages: readonly Message[]): Promise<void> {
  const producer = client().producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  for (const batch of toBatches(messages)) await producer.send({ topic, acks: -1, messages: batch })
  await producer.disconnect()
}

/** How many records of the topic the group has not committed. */
export const lagOf = (groupId: string, topic: string): Promise<number> =>
  withAdmin(async (admin) => {
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const ends = await admin.fetchTopicOffsets(topic)
    return ends.reduce((total, { partition, high, low }) => {
      const offset = Number(committed?.partitions.find((known) => known.partition === partition)?.offset ?? -1)
      return total + Number(high) - Math.max(offset, Number(low))
    }, 0)
  })

/** Every record that stands in the topic now, partition by partition, in order. */
export async function readTopic(topic: string): Promise<TopicRecord[]> {
  const ends = await withAdmin((admin) => admin.fetchTopicOffsets(topic))
  const expected = ends.reduce((total, { high, low }) => total + Number(high) - Number(low), 0)
  const consumer = client().consumer({ groupId: uniqueName('reader') })
  const records: TopicRecord[] = []
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const read = Promise.withResolvers<void>()
  if (expected === 0) read.resolve()
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      records.push({ ...message, partition })
      if (records.length === expected) read.resolve()
    },
  })
  await read.promise
  await consumer.disconnect()
  return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset))
}

async function withAdmin<T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = client().admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

/** A process of ours, started and ready. */
export interface TestProcess {
  readonly output: readonly string[]
  /** Ends it, and resolves to its exit code; undefined where the signal ended it. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | undefined>
}

/** Starts a file as a process, with `options` as its one argument, and waits until it logs that it is ready. */
export async function startProcess(file: string, options: object): Promise<TestProcess> {
  const child = execa('node', [file, JSON.stringify(options)], { reject: false, all: true, buffer: false })
  const output: string[] = []
  createInterface({ input: child.all }).on('line', (line) => output.push(line))
  let exited = false
  void child.then(() => (exited = true))
  await vi.waitFor(
    () => {
      if (!exited && !output.some((line) => line.includes('"msg":"ready"'))) throw new Error(output.join('\n'))
    },
    { timeout: patience(30), interval: 10 },
  )
  if (exited) throw new Error(`${file} ended: ${output.join('\n')}`)
  return {
    output,
    end: async (signal) => {
      child.kill(signal)
      return (await child).exitCode
    },
  }
}
