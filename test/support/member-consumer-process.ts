/**
 * The member consumer as a process, on the topics and the group that a test gives it; else as its entrance wires it.
 */
import { pino } from 'pino'
import { connectKafka } from '../../kafka/connect.ts'
import { createMemberConsumer } from '../../kafka/member-consumer.ts'
import { connect } from '../../postgres/connect.ts'

const { url, brokers, ...names } = JSON.parse(process.argv[2]!) as {
  url: string
  brokers: string[]
  topic: string
  deadLetterTopic: string
  groupId: string
  sessionTimeoutMs: number
  lookEveryMs?: number
}
const log = pino()
const sql = connect(url, { name: 'test' })
const kafka = connectKafka({ brokers, ssl: false, sasl: undefined }, { clientId: 'test', log })
const consumer = createMemberConsumer({ kafka, sql, log, ...names })
process.once('SIGTERM', () => {
  void consumer
    .stop()
    .then(() => sql.end())
    .then(() => process.exit(0))
})
await consumer.start()
log.info('ready')
