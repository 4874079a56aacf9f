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
import { readCompressedBatches, undecodableBatch } from './compression.ts'
import type { UndecodableBatch } from './compression.ts'
import { sendDeadLetters } from './dead-letters.ts'
import type { DeadLetter } from './dead-letters.ts'
import { enterLog } from './log-epochs.ts'
import type { Log } from './log-epochs.ts'
import { createLogReader } from './log-reader.ts'
import type { LogReader, Seek } from './log-reader.ts'
import type { BadEventReason } from './member-event.ts'
import { BAD_EVENT_REASONS, readMemberEvent } from './member-event.ts'
import { MEMBER_EVENTS, MEMBER_EVENTS_DEAD_LETTERS } from './topics.ts'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 3_000
/** From where reading ended, or could not begin, until it begins anew. */
const AGAIN_AFTER_MS = 1_000

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
  /** How often to look whether the topic is still the same. Default 5 s. */
  readonly lookEveryMs?: number
  /** Where events are counted. */
  readonly registry?: Registry
}

export interface MemberConsumer {
  /** Resolves once the group is joined, for which it waits as long as it takes; rejects when Kafka cannot be reached. */
  start(): Promise<void>
  /** Finishes what is being written, commits and leaves the group. */
  stop(): Promise<void>
  /** Whether it is in its group now, and given partitions. */
  isJoined(): boolean
  /** Resolves when kafkajs gave up for what does not pass: the process should end, so that its supervisor starts it anew. */
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
  lookEveryMs = 5_000,
  registry = new Registry(),
}: MemberConsumerOptions): MemberConsumer {
  const counter = createEventCounter(registry)
  readCompressedBatches()
  const admin = kafka.admin()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  const stopping = new AbortController()
  const joined = Promise.withResolvers<void>()
  const crashed = Promise.withResolvers<Error>()
  let reader: LogReader | undefined

  const apply = async (source: Log, payload: EachBatchPayload, changes: MemberChange[]): Promise<MemberChange[]> => {
    if (changes.length === 0) return []
    const { partition } = payload.batch
    const rejected = await untilPostgresAnswers(payload, async () => {
      try {
        const applied = await applyMemberChanges(sql, partition, changes, (offset) => source.epochOf(partition, offset))
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
    const first = await apply(source, payload, changes.slice(0, middle))
    return [...first, ...(await apply(source, payload, changes.slice(middle)))]
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

  const eachBatch = async (source: Log, payload: EachBatchPayload) => {
    const { partition, messages } = payload.batch
    const { changes, bad } = readAll(messages)
    try {
      for (const { offset } of await apply(source, payload, changes)) bad.set(offset, 'rejected_by_database')
    } catch (error) {
      // Nothing of the batch is resolved: whoever has the partition next reads it again.
      return givenUp(error)
    }
    if (bad.size > 0) {
      const letters = messages.flatMap((record): DeadLetter[] => {
        const reason = bad.get(record.offset)
        return reason ? [{ reason, topic, partition, record, batch: undecodableBatch(record) }] : []
      })
      await sendDeadLetters(producer, deadLetterTopic, letters)
      report(partition, bad)
      for (const { record, batch } of letters) if (batch) reportUnread(partition, record.offset, batch)
    }
    payload.resolveOffset(messages.at(-1)!.offset)
    if (source.isBegun(partition)) return
    // In this order: whoever dies in between reads the beginning again.
    await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets())
    await untilPostgresAnswers(payload, () => source.begun(partition)).catch(givenUp)
  }

  const report = (partition: number, bad: ReadonlyMap<string, BadEventReason>) => {
    for (const [reason, offsets] of Map.groupBy(bad.keys(), (offset) => bad.get(offset)!)) {
      counter.inc({ result: reason }, offsets.length)
      log.warn({ reason, count: offsets.length, topic, partition, firstOffset: offsets[0] }, 'bad member events')
    }
  }

  const reportUnread = (partition: number, lastOffset: string, { firstOffset, records, why }: UndecodableBatch) =>
    log.error(
      { topic, partition, firstOffset, lastOffset, records, why },
      'a compressed batch cannot be read: none of its events is applied; have these members sent again',
    )

  const createReader = (source: Log): LogReader => {
    /** Partitions of which the first batch came. */
    const entered = new Set<number>()
    /** What the group has committed may be a place of a log that was there before, or nobody knows of which. */
    const beginAt = (partition: number) => {
      entered.delete(partition)
      return source.has(partition) && !source.isBegun(partition) ? source.beginning(partition) : undefined
    }
    /** Whether a batch is not the first one that it should be: a connection that is lost takes a seek of kafkajs with it. */
    const isElsewhere = ({ batch }: EachBatchPayload, seek: Seek): boolean => {
      const { partition } = batch
      if (source.isBegun(partition) || entered.has(partition)) return false
      entered.add(partition)
      if (batch.firstOffset() === source.beginning(partition)) return false
      seek(partition, source.beginning(partition))
      return true
    }
    return createLogReader({
      kafka,
      groupId,
      topic,
      sessionTimeoutMs,
      beginAt,
      eachBatch: async (payload, seek) => {
        if (source.has(payload.batch.partition) && !isElsewhere(payload, seek)) await eachBatch(source, payload)
      },
    })
  }

  /** Reads the log as it is now, until the topic is another one or kafkajs gives up. @returns what does not pass */
  const readLog = async (): Promise<Error | undefined> => {
    const source = await enterLog(admin, sql, topic, groupId)
    stopping.signal.throwIfAborted()
    reader = createReader(source)
    try {
      await reader.start()
      if (reader.isJoined()) joined.resolve()
      for (;;) {
        const crash = await Promise.race([reader.crashed, delay(lookEveryMs, undefined, { signal: stopping.signal })])
        if (crash) return crash.mayPass ? undefined : crash.error
        if (!(await source.hasChanged().catch(() => false))) continue
        log.warn({ topic }, 'the topic was made anew, or has more partitions: it is entered again')
        return undefined
      }
    } finally {
      // Wholly, before the next log is entered.
      await reader.stop()
    }
  }

  /** One log after the other. A topic that is away, Kafka and Postgres are waited for. */
  const readOn = async () => {
    while (!stopping.signal.aborted) {
      try {
        const failure = await readLog()
        if (failure) return crashed.resolve(failure)
      } catch (error) {
        if (!stopping.signal.aborted) log.error({ code: codeOf(error), topic }, 'member events cannot be read yet')
      }
      await delay(AGAIN_AFTER_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  return {
    isJoined: () => reader?.isJoined() ?? false,
    crashed: crashed.promise,
    start: async () => {
      await Promise.all([producer.connect(), admin.connect()])
      void readOn()
      const failure = await Promise.race([joined.promise, crashed.promise])
      if (failure) throw failure
    },
    stop: async () => {
      stopping.abort()
      await reader?.stop()
      await admin.disconnect()
      await producer.disconnect()
    },
  }
}

/** The partition is no longer ours to wait for. */
class GivenUp extends Error {}

function givenUp(error: unknown): void {
  if (!(error instanceof GivenUp)) throw error
}

function readAll(messages: readonly KafkaMessage[]) {
  const changes: MemberChange[] = []
  const bad = new Map<string, BadEventReason>()
  for (const message of messages) {
    const result = undecodableBatch(message) ? ({ bad: 'undecodable' } as const) : readMemberEvent(message)
    if ('change' in result) changes.push(result.change)
    else bad.set(message.offset, result.bad)
  }
  return { changes, bad }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : (error as Error | undefined)?.name
