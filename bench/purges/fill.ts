/**
 * Tables as they stand after a year of use, made by SQL: so many rows each, of which a few batches are due to be forgotten.
 */
import type { Sql } from '../../postgres/connect.ts'

/** How many rows of each kind are due, about: some full batches, and a short one. */
const DUE = 20_500
/** Challenges that are open just now. */
const OPEN = 2_000

/** The last of the days that a kind is kept for are followed by as much more as makes {@link DUE} rows due. */
const spread = (days: number, rows: number) => `interval '${days} days' * (1 + ${DUE}::float8 / ${rows}) / ${rows}`

const challenges = (rows: number) => `
  insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, run_id, channel, destination, language,
    mobile_carrier, sms_prefix, ip_hash, key_id, nonce, admitted_at, send_began_at, expires_at, sent_at, provider,
    provider_message_id, attempts, submissions, outcome, closed_at, told)
  select id, (100000000 + n % 1000000)::text, n, 'redeem_benefit', 'bench', id, gen_random_uuid()::text, 'sms',
    case when is_recent then phone end, 'ja', case when is_recent then 'docomo' end,
    case when is_recent then left(phone, 9) end,
    case when at > now() - interval '1 day' - step * ${DUE} then sha256(convert_to(phone, 'UTF8')) end,
    'key', decode(md5(n::text), 'hex'), at, at, at + interval '10 minutes', at, 'vonage', id::text, 1, 1,
    case when not is_open then 'verified' end, case when not is_open then at + interval '30 seconds' end, not is_open
  from generate_series(${rows}, 1, -1) as n,
    lateral (select ${spread(365, rows)} as step, n <= ${OPEN} as is_open) as s,
    lateral (select case when is_open then now() - interval '1 second' * (n % 25) else now() - step * n end as at) as a,
    lateral (select uuidv7(at - now()) as id, '+8190' || lpad((n::bigint * 7919 % 100000000)::text, 8, '0') as phone,
      at > now() - interval '30 days' - step * ${DUE} as is_recent) as i`

const attempts = `
  insert into attempts (challenge_id, attempt_id, verdict, attempts_left, judged_at)
  select challenge_id, 'a', 'verified', 4, closed_at from challenges where closed_at is not null and seq % 5 = 0`

const receipts = (rows: number) => `
  insert into receipts (provider, event_id, reference, message_id, kind, occurred_at, received_at)
  select 'vonage', id::text, id, id::text, case when n % 50 = 0 then 'failed' when n % 2 = 0 then 'delivered' else 'accepted' end, at, at
  from generate_series(${rows}, 1, -1) as n, lateral (select now() - ${spread(30, rows)} * n as at) as a,
    lateral (select uuidv7(at - now()) as id) as i`

const outboxSent = (rows: number) => `
  insert into outbox_sent (id, event_id, type, subject, data, occurred_at)
  select n, gen_random_uuid(), 'otp.challenge.verified', (100000000 + n % 1000000)::text,
    jsonb_build_object('challengeId', gen_random_uuid(), 'memberId', (100000000 + n % 1000000)::text, 'purpose', 'redeem_benefit',
      'channel', 'sms', 'outcome', 'verified', 'admittedAt', at, 'sentAt', at, 'expiresAt', at, 'closedAt', at), at
  from generate_series(${rows}, 1, -1) as n, lateral (select now() - ${spread(7, rows)} * n as at) as a`

const keys = (rows: number) => `
  with k as (select n, now() - ${spread(1, rows)} * n as at from generate_series(${rows}, 1, -1) as n),
    a as (insert into idempotency_keys (caller, key, request_hash, challenge_id, created_at)
      select 'bench', gen_random_uuid()::text, '\\x01', gen_random_uuid(), at from k)
  insert into request_keys (request_key, request_hash, created_at) select gen_random_uuid()::text, '01', at from k`

/** A campaign that ended longer ago than is kept, and one as large as the tables that did not. */
const campaigns = (rows: number) => `
  with c as (
    insert into campaigns (campaign_id, plan, state, rate_per_minute, paced_until, started_at, ended_at)
    values ('old', '{}', 'completed', 0, now(), now(), now() - interval '400 days'),
      ('recent', '{}', 'completed', 0, now(), now(), now() - interval '10 days')),
    m as (select case when n <= ${DUE} then 'old' else 'recent' end as campaign, (100000000 + n)::text as member
      from generate_series(1, ${rows}) as n),
    cm as (insert into campaign_members (campaign_id, member_id, wave, state, taken_at)
      select campaign, member, 1, 'enforced', now() from m)
  insert into campaign_notices (campaign_id, member_id, kind, round, wave, state, due_at)
  select campaign, member, 'announcement', 1, 1, 'accepted', now() from m`

/** Fills the tables, and tells the planner of it. `rows` in each of the three large ones; the others are as busy. */
export async function fill(sql: Sql, rows: number, report: (line: string) => void): Promise<void> {
  const small = Math.ceil(rows / 10)
  const statements: [table: string, statement: string][] = [
    ['challenges', challenges(rows)],
    ['attempts', attempts],
    ['receipts', receipts(rows)],
    ['outbox_sent', outboxSent(rows)],
    ['request_keys', keys(small)],
    ['campaign_notices', campaigns(small)],
  ]
  await sql`set maintenance_work_mem = '512MB'`
  for (const [table, statement] of statements) {
    const began = performance.now()
    await withoutIndexes(sql, table, () => sql.unsafe(statement))
    report(`${table}: filled in ${((performance.now() - began) / 1_000).toFixed(0)} s`)
  }
  // What it knows afterwards is what it knew before the first batch: nobody vacuums or analyzes while they run.
  await sql`vacuum (analyze)`
}

/** An index that is built in one go is built ten times as fast. */
async function withoutIndexes(sql: Sql, table: string, work: () => Promise<unknown>): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
    from pg_index i where i.indrelid = ${table}::text::regclass and not i.indisunique`
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`)
  await work()
  for (const { definition } of indexes) await sql.unsafe(definition)
}
