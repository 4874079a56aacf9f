import { resolveBinary } from 'dbmate'
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connect } from './connect.ts'
import type { Sql } from './connect.ts'

const MIGRATIONS = join(import.meta.dirname, 'migrations')
const FUNCTIONS = join(import.meta.dirname, 'functions')
/** Any number that nothing else in this database locks. */
const MIGRATION_LOCK = 7_019_604_205

/**
 * Brings the database at `url` to the current schema: the numbered migrations that it lacks, then every file of SQL
 * functions (all `create or replace`, applied together or not at all). May be repeated, and run from several
 * processes at once: the later ones wait, and find nothing left to do.
 *
 * @throws when a migration fails; the message holds what Postgres said about it
 */
export async function migrate(url: string): Promise<void> {
  const sql = connect(url, { poolSize: 1, name: 'migrate' })
  try {
    await sql`set statement_timeout = 0`
    await sql`select pg_advisory_lock(${MIGRATION_LOCK}::bigint)`
    await applyMigrations(url)
    await applyFunctions(sql)
  } finally {
    await sql.end()
  }
}

/**
 * The migrations of this release that the database lacks, oldest first. Functions are replaced at each migration, and not
 * looked at.
 */
export async function missingMigrations(sql: Sql): Promise<string[]> {
  const files = (await readdir(MIGRATIONS)).filter((file) => file.endsWith('.sql')).toSorted()
  const [table] = await sql<[{ exists: boolean }]>`select to_regclass('schema_migrations') is not null as exists`
  const applied = table.exists ? await sql<{ version: string }[]>`select version from schema_migrations` : []
  const versions = new Set(applied.map(({ version }) => version))
  return files.map((file) => file.replace(/_.*$/, '')).filter((version) => !versions.has(version))
}

/** Whether a {@link migrate} is at work just now: it holds its lock until migrations and functions are both applied. */
export async function isMigrating(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ isFree: boolean }]>`
    select pg_try_advisory_xact_lock_shared(${MIGRATION_LOCK}::bigint) as "isFree"`
  return !row.isFree
}

async function applyMigrations(url: string) {
  const target = new URL(url)
  // dbmate's driver insists on TLS unless told otherwise, ours on none: what the URL leaves open is ours to say.
  if (!target.searchParams.has('sslmode')) target.searchParams.set('sslmode', 'disable')
  try {
    await promisify(execFile)(
      resolveBinary(),
      ['--migrations-dir', MIGRATIONS, '--no-dump-schema', '--env-file', '', 'migrate'],
      // In the environment rather than the arguments, where every user of the machine could read the password.
      { env: { DATABASE_URL: target.href } },
    )
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw new Error(`The database could not be migrated: ${stderr?.trim() || 'dbmate did not run'}`)
  }
}

async function applyFunctions(sql: Sql) {
  const files = (await readdir(FUNCTIONS)).filter((file) => file.endsWith('.sql')).toSorted()
  const sources = await Promise.all(files.map((file) => readFile(join(FUNCTIONS, file), 'utf8')))
  await sql.begin(async (transaction) => {
    // A function may call one of a later file.
    await transaction`set local check_function_bodies = off`
    for (const source of sources) await transaction.unsafe(source)
  })
}
