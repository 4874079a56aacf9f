/**
 * Brings the database to the schema of this release, and ends. Waits for Postgres, for as long as it takes.
 */
import { loadConfig } from '../config.ts'
import { connect } from '../postgres/connect.ts'
import { migrate } from '../postgres/migrate.ts'
import { postgresPart } from '../process/postgres.ts'
import { runProcess } from '../process/run.ts'

await runProcess(
  { name: 'migrate', configure: () => loadConfig(['postgres', 'log']), once: true },
  async ({ config: { postgres }, parts, closing }) => {
    const sql = connect(postgres.url, { poolSize: 1, name: 'migrate' })
    closing.defer(() => sql.end({ timeout: 1 }))
    parts.report({ postgres: postgresPart(sql) })
    await parts.waitForAll()
    return { ended: migrate(postgres.url).catch(explained) }
  },
)

/** The log leaves messages out; this one says what is wrong with the schema. */
function explained(error: unknown): never {
  console.error(error instanceof Error ? error.message : error)
  throw error
}
