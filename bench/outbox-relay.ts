/**
 * `npm run bench:outbox`: how fast the relay empties the outbox into Kafka, and what that costs. What it found stands in
 * `docs/benchmarks.md`.
 */
import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect, type Sql } from '../postgres/connect.ts'
import { createCpuMeter } from './measure/cpu.ts'
import { median } from './measure/statistics.ts'
import { table } from './report.ts'
import { startRolloutBenchStack } from './rollout/stack.ts'

const PROCESSES = ['relay', 'postgres', 'kafka'] as const
const LOOK_EVERY_MS = 20

const { values } = parseArgs({
  options: { events: { type: 'string', default: '50000' }, rounds: { type: 'string', default: '3' } },
})
const events = Number(values.events)
const rounds = Number(values.rounds)

console.log('starting Postgres and Kafka')
const stack = await startRolloutBenchStack(console.log)
const sql = connect(stack.databaseUrl, { poolSize: 2, name: 'bench', statementTimeoutMs: 600_000 })
try {
  const relay = await stack.start('workers/outbox-relay.ts')
  const cpu = createCpuMeter({ ...stack.pids, relay: relay.pid })
  const figures: { perSecond: number; cpuMs: number[] }[] = []
  for (let round = 1; round <= rounds; round++) {
    // In one commit, so that the relay finds all of it.
    const before = cpu?.read()
    const began = performance.now()
    await writeOutcomes(sql, events)
    const written = performance.now()
    while ((await left(sql)) > 0) await wait(LOOK_EVERY_MS)
    const ms = performance.now() - written
    const after = cpu?.read()
    const cpuMs = PROCESSES.map((name) =>
      cpu === undefined ? Number.NaN : ((after!.get(name)! - before!.get(name)!) * 1_000_000) / events,
    )
    figures.push({ perSecond: (events * 1_000) / ms, cpuMs })
    console.log(
      `round ${round}/${rounds}: written in ${(written - began).toFixed(0)} ms, then ${((events * 1_000) / ms).toFixed(0)} a second`,
    )
  }
  console.log(`\n${events} events a round; load ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores`)
  console.log(
    table(
      ['CPU in ms for a thousand', 'a second', ...PROCESSES],
      [
        [
          'outbox to Kafka, median',
          median(figures.map(({ perSecond }) => perSecond)).toFixed(0),
          ...PROCESSES.map((_, index) => median(figures.map(({ cpuMs }) => cpuMs[index]!)).toFixed(1)),
        ],
      ],
    ),
  )
} finally {
  await sql.end()
  await stack.stop()
}

/** As `conclude` writes them, of so many members. */
async function writeOutcomes(sql: Sql, count: number): Promise<void> {
  await sql`
    insert into outbox (type, subject, data, occurred_at)
    select 'otp.challenge.verified', m, jsonb_build_object(
      'challengeId', gen_random_uuid(), 'memberId', m, 'purpose', 'redeem_benefit', 'channel', 'sms', 'outcome', 'verified',
      'admittedAt', now(), 'sentAt', now(), 'expiresAt', now() + interval '10 minutes', 'closedAt', now()), now()
    from (select (100000000 + n % 5000)::text as m from generate_series(1, ${count}::int) as n) as members`
  await sql`select pg_notify('outbox', '')`
}

async function left(sql: Sql): Promise<number> {
  const [row] = await sql<
    [{ exists: number }]
  >`select count(*)::int as exists from (select from outbox limit 1) as any_row`
  return row.exists
}
