/**
 * The relay of the outbox (U4): what stands in the table goes to `otp-events`, at least once, in order per member.
 *
 * One relay at a time holds a lock in Postgres and sends the oldest rows; a row is set apart once the broker has it. A
 * crash between the two sends it again under the same event id. Others stand by. What operators want to have sent again
 * goes the same way.
 */
import type { CloudEventV1 } from 'cloudevents'
import { Partitioners } from 'kafkajs'
import type { Kafka, Message, Producer } from 'kafkajs'
import type { Logger } from 'pino'
import type { Sql } from '../postgres/connect.ts'
import { markSent, takeOutbox } from '../postgres/outbox.ts'
import type { OutboxRow } from '../postgres/outbox.ts'
import { toBatches } from './batches.ts'
import { OTP_EVENTS } from './topics.ts'

/** The Postgres channel on which whoever writes to the outbox says so. */
const CHANNEL = 'outbox'
const BATCH_ROWS = 500
/** Also the most that a lost notification delays an event, and that a standby takes to notice a free lock. */
const POLL_MS = 1_000

export interface OutboxRelayOptions {
  readonly kafka: Kafka
  /** A pool of one connection: the relay's lock belongs to the session. */
  readonly sql: Sql
  readonly log: Logger
  readonly topic?: string
  /** Hears of what the broker has; where it failed in between, more than once. */
  readonly onRelayed?: (rows: readonly OutboxRow[]) => void
}

export interface OutboxRelay {
  /** Relays, or stands by, until {@link stop}; whatever is away meanwhile, it tries again. */
  run(): Promise<void>
  /** Finishes the batch in hand. */
  stop(): Promise<void>
}

/** Builds the relay; nothing connects before `run`. */
export function createOutboxRelay({ kafka, sql, log, topic = OTP_EVENTS, onRelayed }: OutboxRelayOptions): OutboxRelay {
  let producer: Producer | undefined
  let running: Promise<void> | undefined
  const stopping = new AbortController()
  const alarm = createAlarm(stopping.signal)

  const connect = async () => {
    const fresh = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    })
    await fresh.connect()
    return fresh
  }

  /** @returns whether there may be more to send */
  const relayBatch = async (): Promise<boolean> => {
    const rows = await takeOutbox(sql, BATCH_ROWS)
    if (!rows || rows.length === 0) return false
    producer ??= await connect()
    for (const messages of toBatches(rows.map(toMessage))) await producer.send({ topic, acks: -1, messages })
    await markSent(sql, rows)
    onRelayed?.(rows)
    return rows.length === BATCH_ROWS
  }

  /**
   * A producer that failed is not used again: its next batch would carry the sequence numbers of the one whose answer
   * was lost, and a broker that has that one would drop the new one as a duplicate.
   */
  const dropProducer = async () => {
    const failed = producer
    producer = undefined
    await failed?.disconnect().catch(() => {})
  }

  const relayAll = async () => {
    // Listens again by itself after each lost connection; a notification that is missed meanwhile costs a second.
    void sql.listen(CHANNEL, alarm.ring).catch(() => {})
    while (!stopping.signal.aborted) {
      try {
        if (await relayBatch()) continue
      } catch (error) {
        log.error({ code: nameOf(error) }, 'the outbox waits')
        await dropProducer()
      }
      await alarm.wait(POLL_MS)
    }
  }

  return {
    run: () => (running ??= relayAll()),
    stop: async () => {
      stopping.abort()
      await running
      await dropProducer()
    },
  }
}

/** A wait that ends at a ring, at one that came just before it, or when it is over. */
function createAlarm(signal: AbortSignal) {
  let rang = false
  let wake = () => {}
  const ring = () => {
    rang = true
    wake()
  }
  signal.addEventListener('abort', ring)
  return {
    ring,
    wait: async (ms: number) => {
      if (!rang) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(resolve, ms)
        wake = resolve
        await promise
        clearTimeout(timer)
      }
      rang = signal.aborted
    },
  }
}

const toMessage = (row: OutboxRow): Message => ({
  key: row.subject,
  value: JSON.stringify(toCloudEvent(row)),
  headers: { 'content-type': 'application/cloudevents+json' },
})

/** A row as it goes out: what `otp-event.schema.json` describes. */
export const toCloudEvent = (row: OutboxRow): CloudEventV1<unknown> => ({
  specversion: '1.0',
  id: row.eventId,
  source: '/otp',
  type: row.type,
  subject: row.subject,
  time: row.occurredAt.toISOString(),
  datacontenttype: 'application/json',
  data: row.data,
})

const nameOf = (error: unknown): unknown => {
  if (!(error instanceof Error)) return undefined
  return 'code' in error ? error.code : error.name
}
