/**
 * M2: lag is what is left to be applied. Control records and aborted transactions are nothing of it, wherever they stand.
 */
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { Transaction } from 'kafkajs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createLagReader } from '../kafka/lag.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'
import { uniqueName } from './support/kafka.ts'
import { makeTopics, memberEvent, PATIENTLY, startConsumer } from './support/member-consumer.ts'
import { kafkaBrokers } from './support/stack.ts'

const kafka = new Kafka({ clientId: 'test', brokers: kafkaBrokers(), logLevel: logLevel.NOTHING })
let database: TestDatabase
let sql: Sql
beforeAll(async () => {
  database = await createDatabase()
  sql = connect(database.url, { name: 'test' })
})
afterAll(async () => {
  await sql.end()
  await database.drop()
})

test('lag is 0 behind transactions that were committed, and behind those that were aborted', async () => {
  const names = await makeTopics(1)
  const consumer = await startConsumer(database.url, names)
  const lag = createLagReader(kafka, names)
  const producer = kafka.producer({
    transactionalId: uniqueName('members'),
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const transact = async (memberId: string, end: (transaction: Transaction) => Promise<void>) => {
    const transaction = await producer.transaction()
    await transaction.send({ topic: names.topic, acks: -1, messages: [memberEvent(memberId, 1)] })
    await end(transaction)
  }
  const untilNoLag = () =>
    vi.waitFor(async () => expect(await lag.look()).toEqual([{ partition: 0, events: 0 }]), PATIENTLY)
  try {
    await transact('kept', (transaction) => transaction.commit())
    await untilNoLag()
    await transact('dropped', (transaction) => transaction.abort())
    await untilNoLag()
    expect(await sql`select member_id from members`).toEqual([{ member_id: 'kept' }])
  } finally {
    await producer.disconnect()
    await lag.stop()
    await consumer.end('SIGTERM')
  }
})
