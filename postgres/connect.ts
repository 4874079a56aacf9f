import postgres from 'postgres'

export interface ConnectOptions {
  /** Connections at most; opened when needed. Default 10. */
  readonly poolSize?: number
  /** `application_name`, as operators see it in `pg_stat_activity`. */
  readonly name: string
  /** A statement that runs longer is ended by the server. Default 10 s. */
  readonly statementTimeoutMs?: number
}

/**
 * Between two tries of one connection. postgres.js's own pause grows to 20 s, and a statement that meets it waits for it
 * although Postgres is back.
 */
const MOST_PAUSE_SECONDS = 0.5

/**
 * Opens a pool to Postgres; connects at the first query. Close it with `sql.end()`.
 *
 * `bigint` columns arrive as numbers: our counters and ids stay far below 2⁵³. A statement that runs for 10 s (default) is
 * ended by the server, so that a caller gets an error rather than a hanging request (I8).
 */
export const connect = (url: string, { poolSize = 10, name, statementTimeoutMs = 10_000 }: ConnectOptions) =>
  postgres(url, {
    max: poolSize,
    connect_timeout: 5,
    // A standby, or a server that was made read-only, is not ours; where the URL names several hosts the next one is tried.
    target_session_attrs: 'read-write',
    backoff: (tries) => Math.min(tries / 20, MOST_PAUSE_SECONDS),
    prepare: true,
    onnotice: () => {},
    connection: { application_name: name, statement_timeout: statementTimeoutMs, TimeZone: 'UTC' },
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  })

/** A pool of connections, as {@link connect} makes it. */
export type Sql = ReturnType<typeof connect>
