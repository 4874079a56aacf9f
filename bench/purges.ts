/**
 * `npm run bench:purges`: what the cleanup and the sweep read to find their rows in tables of five million rows: in full batches,
 * in the last, short one, and where nothing is due. Time and pages are the server's own (`pg_stat_statements`), for the very
 * calls that the worker makes. What it found stands in `docs/benchmarks.md`.
 */
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { policy } from '../config/challenge.ts'
import { retention } from '../config/retention.ts'
import { openGuard } from '../local/stack/guarded.ts'
import { freePort } from '../local/stack/ports.ts'
import { startPostgres } from '../local/stack/postgres.ts'
import { undeliveredChallenges } from '../postgres/challenges.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { overdueMemberNotices } from '../postgres/member-notices.ts'
import { migrate } from '../postgres/migrate.ts'
import { purges } from '../postgres/retention.ts'
import { closeOverdue, untoldChallenges, voidAdmissions } from '../postgres/sweep.ts'
import { wholeNumber } from './options.ts'
import { fill } from './purges/fill.ts'
import { table } from './report.ts'

/** As the cleanup and the sweep have them. */
const PURGE_BATCH = 1_000
const SWEEP_BATCH = 500
const GRACE_SECONDS = 5
const AIM_MS = 200

interface Cost {
  readonly ms: number
  /** Of 8 KB, from the cache or the disk. */
  readonly pages: number
}

const { values } = parseArgs({ options: { rows: { type: 'string', default: '5000000' } } })
const rows = wholeNumber('--rows', values.rows, 100_000_000)

const folder = await mkdtemp(join(tmpdir(), 'one-time-password-bench-'))
const guard = await openGuard({ remove: folder })
try {
  const postgres = await startPostgres({
    folder: join(folder, 'postgres'),
    port: await freePort(),
    guard,
    env: process.env,
    report: console.log,
    metered: true,
    disposable: true,
  })
  await migrate(postgres.url)
  const sql = connect(postgres.url, { poolSize: 1, name: 'bench', statementTimeoutMs: 3_600_000 })
  try {
    await sql`create extension pg_stat_statements`
    await fill(sql, rows, console.log)
    const purged = await measurePurges(sql)
    const swept = await measureSweep(sql)
    console.log(`\n${rows} rows a table; load ${loadavg()[0]!.toFixed(1)}. Milliseconds / pages of 8 KB`)
    console.log(
      table(['purge, 1,000 rows a batch', 'rows', 'slowest batch', 'last batch', 'nothing due'], purged.map(purgeRow)),
    )
    console.log()
    console.log(table(['search of the sweep', 'due', 'so many due', 'nothing due'], swept))
    const slowest = Math.max(...purged.flatMap(({ full, last, none }) => [full, last, none].map(({ ms }) => ms)))
    console.log(`\n${slowest < AIM_MS ? 'met   ' : 'MISSED'} each batch under ${AIM_MS} ms: ${slowest.toFixed(0)} ms`)
  } finally {
    await sql.end()
  }
} finally {
  await guard.close()
}

interface Purged {
  readonly kind: string
  readonly rows: number
  readonly full: Cost
  readonly last: Cost
  readonly none: Cost
}

async function measurePurges(sql: Sql): Promise<Purged[]> {
  const measured: Purged[] = []
  for (const { kind, forget } of purges(sql, retention.parse({}))) {
    const batches: Cost[] = []
    let forgotten = 0
    for (let isMore = true; isMore;) {
      const { result, ...cost } = await costOf(sql, () => forget(PURGE_BATCH))
      batches.push(cost)
      forgotten += result
      isMore = result === PURGE_BATCH
    }
    const last = batches.pop()!
    const full = batches.toSorted((a, b) => b.ms - a.ms)[0] ?? last
    measured.push({ kind, rows: forgotten, full, last, none: await costOf(sql, () => forget(PURGE_BATCH)) })
  }
  return measured
}

async function measureSweep(sql: Sql): Promise<string[][]> {
  const rules = policy.parse({})
  const searches: [name: string, search: () => Promise<unknown>, makeDue: (sql: Sql) => Promise<unknown>][] = [
    ['undelivered', () => undeliveredChallenges(sql, SWEEP_BATCH), failMessages],
    ['abandoned', () => voidAdmissions(sql, rules, SWEEP_BATCH), abandon],
    ['overdue', () => closeOverdue(sql, rules, SWEEP_BATCH), makeOverdue],
    ['untold', () => untoldChallenges(sql, GRACE_SECONDS, SWEEP_BATCH), forgetToTell],
    ['notices', () => overdueMemberNotices(sql, GRACE_SECONDS, SWEEP_BATCH), makeNotices],
  ]
  // They grew old while the tables were filled.
  await sql`update challenges set admitted_at = now(), expires_at = now() + interval '10 minutes' where outcome is null`
  const measured: string[][] = []
  for (const [name, search, makeDue] of searches) {
    const none = await costOf(sql, search)
    const due = await makeDue(sql)
    measured.push([name, String(due), shown(await costOf(sql, search)), shown(none)])
  }
  return measured
}

/** Of the open challenges that are kept for this. @returns how many are due now */
async function failMessages(sql: Sql): Promise<number> {
  const { count } = await sql`
    insert into receipts (provider, event_id, reference, kind, occurred_at, received_at)
    select 'vonage', challenge_id::text || '-failed', challenge_id, 'failed', now(), now() from challenges
    where outcome is null order by challenge_id limit 600`
  return count
}

async function abandon(sql: Sql): Promise<number> {
  const { count } = await sql`
    update challenges set send_began_at = null, sent_at = null, expires_at = null, admitted_at = now() - interval '1 minute'
    where challenge_id in (select challenge_id from challenges where outcome is null order by challenge_id desc limit 600)`
  return count
}

async function makeOverdue(sql: Sql): Promise<number> {
  const { count } = await sql`
    update challenges set expires_at = now() - interval '1 minute'
    where challenge_id in (select challenge_id from challenges where outcome is null and sent_at is not null limit 600)`
  return count
}

async function forgetToTell(sql: Sql): Promise<number> {
  const { count } = await sql`
    update challenges set told = false, sweep_tries = case when seq % 2 = 0 then 3 else 0 end,
      sweep_after = now() + interval '5 minutes'
    where challenge_id in (
      select challenge_id from challenges where outcome is not null and told order by challenge_id desc limit 20000)`
  return count
}

async function makeNotices(sql: Sql): Promise<number> {
  const { count } = await sql`
    insert into member_notices (member_id, kind, channel, changed_at, state, due_at)
    select n::text, 'phone', 'sms', now(), case when n % 100 = 0 then 'due' else 'accepted' end, now() - interval '1 minute'
    from generate_series(1, 200000) n`
  return count
}

async function costOf<T>(sql: Sql, work: () => Promise<T>): Promise<Cost & { readonly result: T }> {
  await sql`select pg_stat_statements_reset()`
  const result = await work()
  const [cost] = await sql<[Cost]>`
    select sum(total_exec_time) as ms, sum(shared_blks_hit + shared_blks_read)::float8 as pages from pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database()) and query not like '%pg_stat_statements%'`
  return { ...cost, result }
}

function purgeRow({ kind, rows, full, last, none }: Purged): string[] {
  return [kind, String(rows), shown(full), shown(last), shown(none)]
}

function shown({ ms, pages }: Cost): string {
  return `${ms.toFixed(1)} / ${pages.toFixed(0)}`
}
