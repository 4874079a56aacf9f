/**
 * Kafka to Postgres: the same events of the same topic, by a bare loop and by our consumer.
 */
import { Kafka, logLevel } from 'kafkajs'
import { setTimeout as wait } from 'node:timers/promises'
import { registrations } from '../../local/generate/event.ts'
import { publish } from '../../local/generate/publish.ts'
import { startCampaign } from '../../postgres/campaigns.ts'
import type { Sql } from '../../postgres/connect.ts'
import { planOf } from '../../test/support/campaigns.ts'
import { createCpuMeter } from '../measure/cpu.ts'
import type { RolloutBenchStack } from './stack.ts'

export const INTAKES = ['bare', 'ours', 'ours, with a campaign'] as const
export type Intake = (typeof INTAKES)[number]

export interface IntakeFigure {
  readonly intake: Intake
  readonly perSecond: number
  /** CPU milliseconds for a thousand events, by process. */
  readonly cpuMs: Readonly<Record<Process, number>> | undefined
}

const PROCESSES = ['consumer', 'postgres', 'kafka'] as const
export type Process = (typeof PROCESSES)[number]

const LOOK_EVERY_MS = 200
/** A thousand a second would be a consumer that does not work. */
const MOST_MS_A_MEMBER = 1

export const publishMembers = (stack: RolloutBenchStack, members: number) =>
  publish(registrations(1, 0, members), { brokers: [stack.broker] })

/** Empties the table, and has everything in the topic brought in anew. */
export async function measureIntake(
  stack: RolloutBenchStack,
  sql: Sql,
  intake: Intake,
  members: number,
): Promise<IntakeFigure> {
  await sql`truncate members, campaigns, campaign_queue, outbox cascade`
  await sql`checkpoint`
  await forgetGroups(stack.broker)
  if (intake === 'ours, with a campaign') {
    await startCampaign(sql, { campaignId: 'bench', plan: planOf([100]), by: 'bench', claimed: false })
  }
  const consumer = await stack.start(intake === 'bare' ? 'bench/bare/intake.ts' : 'workers/member-consumer.ts')
  const cpu = createCpuMeter({ ...stack.pids, consumer: consumer.pid })
  const before = cpu?.read()
  const [began, already] = [performance.now(), await count(sql)]
  let arrived = already
  while (arrived < members) {
    await wait(LOOK_EVERY_MS)
    arrived = await count(sql)
    if (performance.now() - began > 10_000 + members * MOST_MS_A_MEMBER) throw new Error(`${intake}: does not come in`)
  }
  const ms = performance.now() - began
  const after = cpu?.read()
  await consumer.stop()
  const cpuMs = (name: Process) => ((after!.get(name)! - before!.get(name)!) * 1_000_000) / (members - already)
  return {
    intake,
    perSecond: ((members - already) * 1_000) / ms,
    cpuMs: cpu && (Object.fromEntries(PROCESSES.map((name) => [name, cpuMs(name)])) as Record<Process, number>),
  }
}

async function count(sql: Sql): Promise<number> {
  const [row] = await sql<[{ n: number }]>`select count(*)::int as n from members`
  return row.n
}

async function forgetGroups(broker: string) {
  const admin = new Kafka({ clientId: 'bench', brokers: [broker], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { groups } = await admin.listGroups()
  if (groups.length > 0) await admin.deleteGroups(groups.map(({ groupId }) => groupId))
  await admin.disconnect()
}
