/**
 * How far the consumer of member events is behind, as the broker has it: also right while the consumer is stuck.
 */
import type { Admin, Kafka } from 'kafkajs'
import { MEMBER_EVENTS_GROUP } from './member-consumer.ts'
import { MEMBER_EVENTS } from './topics.ts'

export interface PartitionLag {
  readonly partition: number
  readonly events: number
}

export interface LagReader {
  /** Connects at the first look. @throws where the broker cannot be reached */
  look(): Promise<readonly PartitionLag[]>
  stop(): Promise<void>
}

/** Before anything was committed the broker says so with a negative offset. */
const committedOr = (low: string, offset: string | undefined) => Math.max(Number(offset ?? -1), Number(low))

export function createLagReader(
  kafka: Kafka,
  { topic = MEMBER_EVENTS, groupId = MEMBER_EVENTS_GROUP }: { topic?: string; groupId?: string } = {},
): LagReader {
  let connected: Promise<Admin> | undefined
  const admin = () => {
    connected ??= connect(kafka).catch((error: unknown) => {
      connected = undefined
      throw error
    })
    return connected
  }
  return {
    async look() {
      const broker = await admin()
      const [ends, [group]] = await Promise.all([
        broker.fetchTopicOffsets(topic),
        broker.fetchOffsets({ groupId, topics: [topic] }),
      ])
      const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, offset]))
      return ends.map(({ partition, low, high }) => ({
        partition,
        events: Math.max(0, Number(high) - committedOr(low, committed.get(partition))),
      }))
    },
    async stop() {
      await (await connected?.catch(() => undefined))?.disconnect()
    },
  }
}

async function connect(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin()
  await admin.connect()
  return admin
}
