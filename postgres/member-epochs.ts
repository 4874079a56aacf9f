/**
 * Epochs of the log of member events (M1): positions in Kafka are compared within one only.
 */
import type { Sql } from './connect.ts'

/** From where on events of a partition belong to an epoch. */
export interface EpochStart {
  readonly epoch: number
  readonly partition: number
  readonly fromOffset: bigint
  /** Whether the beginning of this log's partition was read: what the group has committed is of this log then. */
  readonly isBegun: boolean
}

/** A topic as it is now. */
export interface TopicState {
  readonly topicId: string
  readonly partitions: readonly {
    readonly partition: number
    /** Where the next event will stand. */
    readonly end: string
    /** What the consumer group has committed, negative for nothing. */
    readonly committed: string
  }[]
}

/** @returns the epochs of the topic, with a new one where it is not as it was read last; the same for all who ask at once */
export async function enterEpoch(sql: Sql, { topicId, partitions }: TopicState): Promise<EpochStart[]> {
  const rows = await sql<{ epoch: number; partition: number; fromOffset: string; isBegun: boolean }[]>`
    select epoch, partition, from_offset::text as "fromOffset", is_begun as "isBegun"
    from enter_member_epoch(
      ${topicId},
      ${partitions.map(({ partition }) => partition)}::integer[],
      ${partitions.map(({ end }) => end)}::bigint[],
      ${partitions.map(({ committed }) => committed)}::bigint[]
    )`
  return rows.map(({ fromOffset, ...row }) => ({ ...row, fromOffset: BigInt(fromOffset) }))
}

/** The beginning of a partition was read, and committed to the group. */
export async function markBegun(sql: Sql, topicId: string, partition: number): Promise<void> {
  await sql`update member_epochs set is_begun = true where topic_id = ${topicId} and partition = ${partition}`
}
