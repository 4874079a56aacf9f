import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { connect } from '../../postgres/connect.ts'
import { migrate } from '../../postgres/migrate.ts'

const TEMPLATE = 'otp_template'

/** A migrated, empty database of one test file's own. */
export interface TestDatabase {
  readonly url: string
  /** Drops it, whoever is still connected. */
  drop(): Promise<void>
}

/** Makes the database that {@link createDatabase} clones; once for a run. */
export async function prepareTemplate(postgresUrl: string): Promise<void> {
  const sql = connect(postgresUrl, { poolSize: 1, name: 'test' })
  await sql`create database ${sql(TEMPLATE)}`
  await sql`create sequence test_namespaces`
  await sql.end()
  await migrate(withDatabase(postgresUrl, TEMPLATE))
}

/** Clones the migrated template; takes some tens of milliseconds. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `otp_${randomBytes(6).toString('hex')}`
  await asAdministrator((sql) => sql`create database ${sql(name)} template ${sql(TEMPLATE)}`)
  return {
    url: withDatabase(inject('postgresUrl'), name),
    drop: () => asAdministrator(async (sql) => void (await sql`drop database if exists ${sql(name)} with (force)`)),
  }
}

/** One connection to the run's own database, which no test file uses for its data; for its caller to end. */
export const connectAsAdministrator = () => connect(inject('postgresUrl'), { poolSize: 1, name: 'test' })

/** Runs `work` on the run's own database. */
export async function asAdministrator<T>(work: (sql: ReturnType<typeof connect>) => PromiseLike<T>): Promise<T> {
  const sql = connectAsAdministrator()
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}

function withDatabase(url: string, name: string): string {
  const target = new URL(url)
  target.pathname = `/${name}`
  return target.href
}
