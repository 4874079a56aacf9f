/**
 * The consumer of member events (M1–M3): rows first, dead letters next, the offset last. A crash between two of them
 * repeats what follows, and repeating changes nothing: rows are versioned, and a dead letter may stand twice.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Partitioners } from 'kafkajs'
import type { EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import type { Logger } from 'pino'
import { Counter, Registry } from 'prom-client'
import type { Sql } from '../postgres/connect.ts'
import { applyMemberChanges, isRejection } from '../postgres/members.ts'
import type { MemberChange } from '../postgres/members.ts'
import { sendDeadLetters } from './dead-letters.ts'
import type { BadEventReason } from './member-event.ts'
import { BAD_EVENT_REASONS, readMemberEvent } from './member-event.ts'
import { MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS } from './topics.ts'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 3_000

/** The consumer group, by which the broker keeps how far it came. */
export const MEMBER_EVENTS_GROUP = 'member-events'

export interface MemberConsumerOptions {
  readonly kafka: Kafka
  readonly sql: Sql
  readonly log: Logger
  readonly groupId?: string
  readonly topic?: string
  readonly deadLetterTopic?: string
  /** Called after members changed. */
  readonly onChanged?: () => void
  /** After that without a heartbeat the group counts this consumer as dead, and others take over: so long a broker that was restarted waits for it. Default 6 s. */
  readonly sessionTimeoutMs?: number
  /** Where events are counted. */
  readonly registry?: Registry
}

export interface MemberConsumer {
  /** Resolves once the group is joined; rejects when Kafka cannot be reached. */
  start(): Promise<void>
  /** Finishes what is being written, commits and leaves the group. */
  stop(): Promise<void>
  /** Whether it is in its group now, and given partitions. */
  isJoined(): boolean
  /** Resolves when kafkajs gave up for good: the process should end, so that its supervisor starts it anew. */
  readonly crashed: Promise<Error>
}

function createEventCounter(registry: Registry) {
  const counter = new Counter({
    name: 'otp_member_events_total',
    help: 'Member events read, by what became of them: applied, unchanged, or the reason of the dead letter.',
    labelNames: ['result'],
    registers: [registry],
  })
  // An alert sees an increase from 0, and none of a series that begins with its first count.
  for (const result of ['applied', 'unchanged', ...BAD_EVENT_REASONS]) counter.inc({ result }, 0)
  return counter
}

/** Builds the consumer; nothing connects before `start`. */
export function createMemberConsumer({
  kafka,
  sql,
  log,
  groupId = MEMBER_EVENTS_GROUP,
  topic = MEMBER_EVENTS,
  deadLetterTopic = MEMBER_EVENTS_DEAD_LETTERS,
  onChanged = () => {},
  sessionTimeoutMs = 6_000,
  registry = new Registry(),
}: MemberConsumerOptions): MemberConsumer {
  const counter = createEventCounter(registry)
  // A fetch that waits for news holds up a stop for as long as it may wait.
  const consumer = kafka.consumer({
    groupId,
    maxWaitTimeInMs: 500,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: sessionTimeoutMs / 5,
  })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  const stopping = new AbortController()
  const joined = Promise.withResolvers<void>()
  const crashed = Promise.withResolvers<Error>()
  let isJoined = false
  consumer.on(consumer.events.GROUP_JOIN, () => {
    isJoined = true
    joined.resolve()
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    isJoined = false
    if (!payload.restart) crashed.resolve(payload.error)
  })

  const apply = async (payload: EachBatchPayload, changes: MemberChange[]): Promise<MemberChange[]> => {
    if (changes.length === 0) return []
    const rejected = await untilPostgresAnswers(payload, async () => {
      try {
        const applied = await applyMemberChanges(sql, payload.batch.partition, changes)
        counter.inc({ result: 'applied' }, applied)
        if (applied > 0) onChanged()
        counter.inc({ result: 'unchanged' }, changes.length - applied)
        return []
      } catch (error) {
        if (isRejection(error)) return changes
        throw error
      }
    })
    if (rejected.length <= 1) return rejected
    // One bad event must not take the others with it: halves, in their order, down to the one.
    const middle = Math.ceil(changes.length / 2)
    const first = await apply(payload, changes.slice(0, middle))
    return [...first, ...(await apply(payload, changes.slice(middle)))]
  }

  const untilPostgresAnswers = async <T>(payload: EachBatchPayload, work: () => Promise<T>): Promise<T> => {
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      try {
        return await work()
      } catch (error) {
        // Postgres repeats values in its messages: only the code may be told.
        log.error({ code: codeOf(error), partition: payload.batch.partition }, 'member events wait for Postgres')
      }
      await delay(wait, undefined, { signal: stopping.signal }).catch(() => {})
      if (!payload.isRunning() || payload.isStale()) throw new GivenUp()
      await payload.heartbeat()
    }
  }

  const eachBatch = async (payload: EachBatchPayload) => {
    const { partition, messages } = payload.batch
    const { changes, bad } = readAll(messages)
    try {
      for (const { offset } of await apply(payload, changes)) bad.set(offset, 'rejected_by_database')
    } catch (error) {
      // Nothing of the batch is resolved: whoever has the partition next reads it again.
      if (error instanceof GivenUp) return
      throw error
    }
    if (bad.size > 0) {
      const letters = messages.flatMap((record) => {
        const reason = bad.get(record.offset)
        return reason ? [{ reason, topic, partition, record }] : []
      })
      await sendDeadLetters(producer, deadLetterTopic, letters)
      report(partition, bad)
    }
    payload.resolveOffset(messages.at(-1)!.offset)
  }

  const report = (partition: number, bad: ReadonlyMap<string, BadEventReason>) => {
    for (const [reason, offsets] of Map.groupBy(bad.keys(), (offset) => bad.get(offset)!)) {
      counter.inc({ result: reason }, offsets.length)
      log.warn({ reason, count: offsets.length, topic, partition, firstOffset: offsets[0] }, 'bad member events')
    }
  }

  return {
    isJoined: () => isJoined,
    crashed: crashed.promise,
    start: async () => {
      await Promise.all([producer.connect(), consumer.connect()])
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run({ eachBatch, eachBatchAutoResolve: false, partitionsConsumedConcurrently: 3 })
      const failure = await Promise.race([joined.promise, crashed.promise])
      if (failure) throw failure
    },
    stop: async () => {
      stopping.abort()
      await consumer.disconnect()
      await producer.disconnect()
    },
  }
}

/** The partition is no longer ours to wait for. */
class GivenUp extends Error {}

function readAll(messages: readonly KafkaMessage[]) {
  const changes: MemberChange[] = []
  const bad = new Map<string, BadEventReason>()
  for (const message of messages) {
    const result = readMemberEvent(message)
    if ('change' in result) changes.push(result.change)
    else bad.set(message.offset, result.bad)
  }
  return { changes, bad }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : (error as Error | undefined)?.name
