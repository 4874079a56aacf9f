/**
 * Postgres: whether it answers, has our schema, and agrees about the time and the keys.
 */
import type { KeyRing } from '../config.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { missingMigrations } from '../postgres/migrate.ts'
import { clockFinding, wordOf, type Finding } from './finding.ts'

const part = 'postgres'
const ANSWER_WITHIN_MS = 5_000
/** Longer than any restart of the relay. */
const OUTBOX_WAITS_SECONDS = 60

export async function checkPostgres({ url }: { url: string }, masterKeys: KeyRing | undefined): Promise<Finding[]> {
  const sql = connect(url, { poolSize: 1, name: 'doctor', statementTimeoutMs: ANSWER_WITHIN_MS })
  try {
    const missing = await missingMigrations(sql)
    if (missing.length > 0) return [behind(missing)]
    return [await clock(sql), await outbox(sql), masterKeys ? await keys(sql, masterKeys) : []].flat()
  } catch (error) {
    return [
      {
        part,
        code: 'unreachable',
        what: `Postgres does not answer as it should (${wordOf(error)}).`,
        todo: 'See whether it runs, and whether DATABASE_URL names it, its database, a user and the password.',
      },
    ]
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {})
  }
}

const behind = (missing: readonly string[]): Finding => ({
  part,
  code: 'schema_behind',
  what: `The schema is behind: it lacks ${missing.length === 1 ? 'the migration' : 'the migrations'} ${missing.join(', ')}.`,
  todo: 'Run npm run migrate with this release, then start the processes again.',
})

async function clock(sql: Sql): Promise<Finding[]> {
  const asked = Date.now()
  const [row] = await sql<[{ theirs: Date }]>`select challenge_now() as theirs`
  return clockFinding(part, 'Postgres', { theirs: row.theirs.getTime(), asked, answered: Date.now() })
}

async function outbox(sql: Sql): Promise<Finding[]> {
  const [oldest] = await sql<[{ age: number }?]>`
    select extract(epoch from clock_timestamp() - occurred_at)::float8 as age from outbox order by id limit 1`
  if (oldest === undefined || oldest.age < OUTBOX_WAITS_SECONDS) return []
  return [
    {
      part,
      code: 'outbox_waits',
      what: `Events have been waiting in the outbox for ${Math.round(oldest.age)} s.`,
      todo: 'See whether an outbox relay runs (npm run outbox-relay), and whether it reaches Kafka: its log says why it waits.',
    },
  ]
}

/** A code can be judged only with the key that it was made with (C10). */
async function keys(sql: Sql, { keys }: KeyRing): Promise<Finding[]> {
  const rows = await sql<{ keyId: string }[]>`
    select distinct key_id as "keyId" from challenges where outcome is null and key_id is not null`
  const missing = rows.map(({ keyId }) => keyId).filter((id) => !keys.has(id))
  return missing.map((id) => ({
    part,
    code: 'master_key_missing',
    what: `Challenges are open whose codes were made with the master key ${id}, which OTP_MASTER_KEYS has not.`,
    todo: `Append ${id} to OTP_MASTER_KEYS of the API and the challenge worker, until these challenges are over.`,
  }))
}
