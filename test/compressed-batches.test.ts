/**
 * M2, F01: batches are read as producers really compress them, and one that cannot be read stops nothing behind it.
 */
import { CompressionCodecs, CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs'
import { compress } from 'snappy'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Sql } from '../postgres/connect.ts'
import { patience } from './support/speed.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { produceByJava } from './support/java-producer.ts'
import { produce, readTopic } from './support/kafka.ts'
import { makeTopics, memberEvent, startConsumer, untilRead, type MemberTopics } from './support/member-consumer.ts'
import { kafkaBrokers } from './support/stack.ts'

let database: TestDatabase
let sql: Sql
beforeAll(async () => {
  database = await createDatabase()
  sql = connect(database.url, { name: 'test' })
})
beforeEach(async () => {
  await sql`truncate members`
})
afterAll(async () => {
  await sql.end()
  await database.drop()
})

const members = async () =>
  (
    await sql<{ member: string; status: string }[]>`select member_id as member, status from members order by member_id`
  ).map(({ member, status }) => `${member} ${status}`)
const readAll = async (names: MemberTopics) => {
  const consumer = await startConsumer(database.url, names)
  try {
    await untilRead(names)
  } finally {
    await consumer.end('SIGTERM')
  }
  return consumer.output
}
const event = (memberId: string, version = 1): [string, string] => [memberId, memberEvent(memberId, version).value]
/** Larger than what a block of any of the codecs holds, so that there are several. */
const many = (prefix: string) => Array.from({ length: 600 }, (_, index) => event(`${prefix}${1_000 + index}`))

describe('a batch that Kafka’s own producer compressed', () => {
  test.for(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'with %s is read, and what stands around it',
    { timeout: patience(120) },
    async (codec) => {
      const names = await makeTopics(1)
      await produce(names.topic, [memberEvent('before', 1)])
      await produceByJava(names.topic, codec, [...many('m'), ['before', null]])
      await produce(names.topic, [memberEvent('behind', 1)])
      await readAll(names)
      expect(await members()).toEqual(['before erased', 'behind active', ...many('m').map(([id]) => `${id} active`)])
      expect(await readTopic(names.deadLetterTopic)).toEqual([])
    },
  )
})

describe('a batch compressed with snappy', () => {
  test('in one bare block, as librdkafka writes it, is read', async () => {
    const names = await makeTopics(1)
    await produceCompressed(names.topic, CompressionTypes.Snappy, (records) => compress(records), [
      memberEvent('m1', 1),
      memberEvent('m2', 1),
    ])
    await readAll(names)
    expect(await members()).toEqual(['m1 active', 'm2 active'])
  })
})

describe('a batch that cannot be read', () => {
  test.for(['gzip', 'lz4', 'zstd'] as const)(
    'since it is too large once decompressed (%s) goes to the dead letters as one, and what is behind it is applied',
    { timeout: patience(120) },
    async (codec) => {
      const names = await makeTopics(1)
      await produce(names.topic, [memberEvent('before', 1)])
      await produceByJava(names.topic, codec, [['bomb', '0'.repeat(70_000_000)]])
      await produce(names.topic, [memberEvent('behind', 1)])
      const output = (await readAll(names)).join('\n')
      expect(await members()).toEqual(['before active', 'behind active'])
      // A letter may stand twice where a rebalance came before the commit, and never differs then.
      const letters = (await readTopic(names.deadLetterTopic)).map(({ headers }) =>
        JSON.stringify(Object.fromEntries(Object.entries(headers!).map(([name, value]) => [name, String(value)]))),
      )
      expect(new Set(letters).size).toBe(1)
      expect(JSON.parse(letters[0]!)).toMatchObject({
        reason: 'undecodable',
        'original-topic': names.topic,
        'original-partition': '0',
        'original-offset': '1',
        'original-last-offset': '1',
        'omitted-records': '1',
      })
      expect(output).toContain('"firstOffset":"1","lastOffset":"1"')
      expect(output).toContain('over 67108864 bytes')
    },
  )
})

/** Writes one batch that `compressed` made of the records. */
async function produceCompressed(
  topic: string,
  compression: Exclude<CompressionTypes, CompressionTypes.None>,
  compressed: (records: Buffer) => Promise<Buffer> | Buffer,
  messages: readonly { key: string; value: string }[],
) {
  const before = CompressionCodecs[compression]
  CompressionCodecs[compression] = () => ({ compress: ({ buffer }: { buffer: Buffer }) => compressed(buffer) })
  const kafka = new Kafka({ clientId: 'test', brokers: kafkaBrokers(), logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  try {
    await producer.connect()
    await producer.send({ topic, acks: -1, compression, messages: [...messages] })
  } finally {
    await producer.disconnect()
    CompressionCodecs[compression] = before
  }
}
