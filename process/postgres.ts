import type { Sql } from '../postgres/connect.ts'
import { isMigrating, missingMigrations } from '../postgres/migrate.ts'
import { NotUsable, type Part } from './parts.ts'

/** Postgres and our schema in it, as every process that works with it needs them. */
export const postgresParts = (sql: Sql): Record<'postgres' | 'schema', Part> => ({
  postgres: postgresPart(sql),
  schema: { look: () => lookForSchema(sql), stays: true },
})

/** Postgres, there while it takes writes: a standby, or a server that was made read-only, cannot judge a code. */
export const postgresPart = (sql: Sql): Part => ({
  async look() {
    const [row] = await sql<[{ isReadOnly: boolean }]>`
      select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as "isReadOnly"`
    if (row.isReadOnly) throw new NotUsable('read_only')
  },
})

/**
 * Rejects until the schema is that of this release, functions included: a migration holds its lock until both are done. A
 * newer schema will do.
 */
async function lookForSchema(sql: Sql): Promise<void> {
  if ((await missingMigrations(sql)).length > 0) throw new NotUsable('behind')
  if (await isMigrating(sql)) throw new NotUsable('migrating')
}
