/**
 * A campaign over generated members, from the first event to the last outcome, with or without deaths on the way.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { changes } from '../../local/generate/changes.ts'
import { registrations } from '../../local/generate/event.ts'
import { publish } from '../../local/generate/publish.ts'
import { createRandom } from '../../local/generate/random.ts'
import { readOutlook } from '../../postgres/campaigns.ts'
import { campaignWorkflowId } from '../../workflows/ids.ts'
import { planOf, startCampaign } from './campaigns.ts'
import type { People } from './rollout-members.ts'
import { ROLLOUT_PARTS, ROLLOUT_PROCESSES, type RolloutMember, type RolloutStack } from './rollout-stack.ts'
import { until } from './until.ts'

/** Three waves, gates that let everything pass, no limit to the rate. */
export const ROLLOUT_PLAN = planOf([5, 25, 100])

const countOf = async (count: PromiseLike<readonly { n: number }[]>) => (await count)[0]!.n

/** Brings the members in, through Kafka and the consumer. @returns milliseconds until all stood in the topic, and in the table */
export async function registerMembers(stack: RolloutStack, { seed, members }: People, withinMs: number) {
  const began = performance.now()
  await publish(registrations(seed, 0, members), { brokers: brokersOf(stack) })
  const publishedMs = performance.now() - began
  const isIn = async () => (await countOf(stack.sql`select count(*)::int as n from members`)) === members
  await until(isIn, withinMs, 200)
  return { publishedMs, appliedMs: performance.now() - began }
}

const brokersOf = (stack: RolloutStack) => stack.env['KAFKA_BROKERS']!.split(',')

/** Tells what happened to the members meanwhile: `changes` of them, spread over the time that the deaths take. */
export async function publishChanges(stack: RolloutStack, { seed, members, changes: count }: People, overMs: number) {
  const portion = Math.ceil(count / 20)
  for (let from = 0; from < count; from += portion) {
    const some = Math.min(portion, count - from)
    await publish(changes({ seed, members, from, count: some }), { brokers: brokersOf(stack) })
    await wait(overMs / 20)
  }
}

export interface Death {
  readonly name: RolloutMember
  /** After the one before. */
  readonly afterMs: number
}

/** Each part and process `times` times, in an order and at moments by chance: the same ones for the same seed. */
export function chooseDeaths(seed: number, times: number, mostApartMs: number): Death[] {
  const random = createRandom(seed, 0)
  const names = Array.from({ length: times }, () => [...ROLLOUT_PROCESSES, ...ROLLOUT_PARTS]).flat()
  const shuffled = names.map((name) => ({ name, place: random.next() })).toSorted((a, b) => a.place - b.place)
  return shuffled.map(({ name }) => ({ name, afterMs: random.whole(mostApartMs) }))
}

export async function strikeAll(stack: RolloutStack, deaths: readonly Death[]): Promise<void> {
  for (const { name, afterMs } of deaths) {
    await wait(afterMs)
    await stack.strike(name)
  }
}

export const beginRollout = (stack: RolloutStack, campaignId: string) =>
  startCampaign(stack, ROLLOUT_PLAN, { campaignId })

/** Waits until the campaign stands, nobody has anything to come, and every outcome has left. */
export async function untilSettled(stack: RolloutStack, campaignId: string, withinMs: number) {
  const left = () =>
    countOf(stack.sql`
    select ((select count(*) from campaign_queue) + (select count(*) from outbox)
      + (select count(*) from campaign_members where campaign_id = ${campaignId} and state in ('awaiting', 'announced'))
      + (select count(*) from campaign_notices where campaign_id = ${campaignId} and state in ('due', 'sending')))::int as n`)
  const isSettled = async () => {
    const outlook = await readOutlook(stack.sql, campaignId)
    return outlook?.phase === 'standing' && (await allRead(stack)) && (await left()) === 0
  }
  // A part that is being started again does not answer.
  await until(() => isSettled().catch(() => false), withinMs, 250)
}

/** Whether the consumer has committed all of its topic. */
async function allRead({ kafka }: RolloutStack): Promise<boolean> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const [committed] = await admin.fetchOffsets({ groupId: 'member-events', topics: ['member-events'] })
    const ends = await admin.fetchTopicOffsets('member-events')
    return ends.every(({ partition, high }) => {
      const offset = committed?.partitions.find((known) => known.partition === partition)?.offset
      return Number(high) === 0 || offset === high
    })
  } finally {
    await admin.disconnect()
  }
}

/** R8: of each run of the campaign's workflow, the number of its events. */
export async function runLengths({ temporal }: RolloutStack, campaignId: string): Promise<number[]> {
  const lengths: number[] = []
  const query = `WorkflowId = '${campaignWorkflowId(campaignId)}'`
  for await (const { runId } of temporal.workflow.list({ query })) {
    const handle = temporal.workflow.getHandle(campaignWorkflowId(campaignId), runId)
    lengths.push((await handle.describe()).historyLength)
  }
  return lengths
}
