/**
 * The outbox relay as a process, on the topic that a test gives it; else as its entrance wires it.
 */
import { pino } from 'pino'
import { connectKafka } from '../../kafka/connect.ts'
import { createOutboxRelay } from '../../kafka/outbox-relay.ts'
import { connect } from '../../postgres/connect.ts'

const { url, brokers, topic } = JSON.parse(process.argv[2]!) as { url: string; brokers: string[]; topic: string }
const log = pino()
const sql = connect(url, { poolSize: 1, name: 'test' })
const kafka = connectKafka({ brokers, ssl: false, sasl: undefined }, { clientId: 'test', log })
const relay = createOutboxRelay({ kafka, sql, log, topic })
process.once('SIGTERM', () => {
  void relay
    .stop()
    .then(() => sql.end())
    .then(() => process.exit(0))
})
log.info('ready')
await relay.run()
