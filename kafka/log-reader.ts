/**
 * One consumer of kafkajs, which reads one log once. It joins its group again by itself where the group changes, and never
 * starts again by itself: whoever begins to read anew has stopped it before, and then nothing else reads.
 */
import type { EachBatchPayload, Kafka } from 'kafkajs'

/** Tries of one request before kafkajs gives up. */
const RETRIES = 5

export interface LogReaderOptions {
  readonly kafka: Kafka
  readonly groupId: string
  readonly topic: string
  readonly sessionTimeoutMs: number
  readonly eachBatch: (payload: EachBatchPayload, seek: Seek) => Promise<void>
  /** Where to begin in a partition that is not read on from what the group has committed. Asked whenever the group is joined. */
  readonly beginAt: (partition: number) => string | undefined
}

/** Reads on from another offset, and leaves what is in hand. */
export type Seek = (partition: number, offset: string) => void

/** Why kafkajs gave up. */
export interface Crash {
  readonly error: Error
  /** Whether reading again may help, as after a lost broker. */
  readonly mayPass: boolean
}

export interface LogReader {
  /** Resolves once the group is joined, or joining has failed: then `crashed` tells. */
  start(): Promise<void>
  /** Finishes what is in hand, commits and leaves the group. May be called again. */
  stop(): Promise<void>
  /** Whether it is in its group now, and given partitions. */
  isJoined(): boolean
  readonly crashed: Promise<Crash>
}

/** Nothing connects before `start`. */
export function createLogReader({
  kafka,
  groupId,
  topic,
  sessionTimeoutMs,
  eachBatch,
  beginAt,
}: LogReaderOptions): LogReader {
  let isJoined = false
  let mayPass = false
  const crashed = Promise.withResolvers<Crash>()
  const consumer = kafka.consumer({
    groupId,
    // A fetch that waits for news holds up a stop for as long as it may wait.
    maxWaitTimeInMs: 500,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: sessionTimeoutMs / 5,
    allowAutoTopicCreation: false,
    retry: {
      retries: RETRIES,
      // Asked only of what may pass. A restart of kafkajs would read beside whoever reads next, or before the log is known.
      restartOnFailure: () => {
        mayPass = true
        return Promise.resolve(false)
      },
    },
  })
  const seek: Seek = (partition, offset) => consumer.seek({ topic, partition, offset })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    isJoined = true
    // Before anything is fetched: where the group stands at the end, nothing might ever come that tells of what stands before.
    for (const partition of payload.memberAssignment[topic] ?? []) {
      const offset = beginAt(partition)
      if (offset !== undefined) seek(partition, offset)
    }
  })
  consumer.on(consumer.events.CRASH, ({ payload: { error } }) => {
    isJoined = false
    crashed.resolve({ error, mayPass })
  })
  return {
    crashed: crashed.promise,
    isJoined: () => isJoined,
    start: async () => {
      await consumer.connect()
      await consumer.subscribe({ topics: [topic], fromBeginning: true })
      await consumer.run({
        eachBatch: (payload) => eachBatch(payload, seek),
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 3,
        // What holds control records and aborted transactions alone is committed at once: nothing else would until an event comes.
        autoCommitThreshold: 1,
      })
    },
    stop: async () => {
      await consumer.disconnect()
      isJoined = false
    },
  }
}
