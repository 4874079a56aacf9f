/**
 * Which log member events are read from (M1): the topic that goes by its name today may be another one tomorrow, with other
 * events at the same offsets (docs/decisions/0014-epochs-of-the-log.md).
 */
import type { Admin } from 'kafkajs'
import type { Sql } from '../postgres/connect.ts'
import { enterEpoch, markBegun } from '../postgres/member-epochs.ts'

/** The log as it was when a consumer began to read. Whatever that consumer reads stands in it, or in one made later. */
export interface Log {
  /** Whether it had that partition. */
  has(partition: number): boolean
  /** Of an event that stands there. */
  epochOf(partition: number, offset: string): number
  /** Whether what the group has committed for the partition is a place in this very log. */
  isBegun(partition: number): boolean
  /** The first offset that the partition had. */
  beginning(partition: number): string
  /** To be called once the beginning of the partition was applied, and committed. */
  begun(partition: number): Promise<void>
  /** Whether the topic is another one by now, or has more partitions. @throws where the broker cannot say */
  hasChanged(): Promise<boolean>
}

/** Looks which log it is, and keeps a new one in Postgres. To be called before anything is fetched. */
export async function enterLog(admin: Admin, sql: Sql, topic: string, groupId: string): Promise<Log> {
  const { topicId } = await identify(admin, topic)
  const [ends, [group]] = await Promise.all([
    admin.fetchTopicOffsets(topic),
    admin.fetchOffsets({ groupId, topics: [topic] }),
  ])
  const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, offset]))
  const partitions = ends.map(({ partition, high }) => ({
    partition,
    end: high,
    committed: committed.get(partition) ?? '-1',
  }))
  const starts = (await enterEpoch(sql, { topicId, partitions })).toSorted((a, b) => b.epoch - a.epoch)
  const byPartition = Map.groupBy(starts, ({ partition }) => partition)
  const beginnings = new Map(ends.map(({ partition, low }) => [partition, low]))
  const begun = new Set(starts.filter(({ isBegun }) => isBegun).map(({ partition }) => partition))
  return {
    has: (partition) => byPartition.has(partition),
    epochOf: (partition, offset) =>
      byPartition.get(partition)!.find(({ fromOffset }) => fromOffset <= BigInt(offset))!.epoch,
    isBegun: (partition) => begun.has(partition),
    beginning: (partition) => beginnings.get(partition)!,
    async begun(partition) {
      await markBegun(sql, topicId, partition)
      begun.add(partition)
    },
    async hasChanged() {
      const now = await identify(admin, topic)
      return now.topicId !== topicId || now.partitions > byPartition.size
    },
  }
}

async function identify(admin: Admin, topic: string) {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const { id, partitions } = topics[0]!
  // Before Kafka 2.8 topics have no id: then another cluster is told, and a topic made anew on the same one is not.
  return { topicId: id ?? `${(await admin.describeCluster()).clusterId}/${topic}`, partitions: partitions.length }
}
