/**
 * What Postgres ran, by `pg_stat_statements`: every statement that a program sent, not those inside functions.
 */
import type { Sql } from '../../postgres/connect.ts'

export interface StatementCount {
  readonly name: string
  readonly calls: number
  /** Time in the server, all calls together; without parsing and the commit's write to disk. */
  readonly totalMs: number
}

export interface StatementMeter {
  reset(): Promise<void>
  /** Since the last reset, most time first. */
  read(): Promise<StatementCount[]>
}

/**
 * @param administrator connected to a database beside the one that is measured, so that the meter does not count itself
 */
export async function createStatementMeter(administrator: Sql, database: string): Promise<StatementMeter> {
  await administrator`create extension if not exists pg_stat_statements`
  return {
    async reset() {
      await administrator`select pg_stat_statements_reset()`
    },
    async read() {
      const rows = await administrator<{ query: string; calls: number; totalMs: number }[]>`
        select query, calls, total_exec_time as "totalMs"
        from pg_stat_statements s join pg_database d on d.oid = s.dbid
        where d.datname = ${database}`
      const byName = new Map<string, StatementCount>()
      for (const { query, calls, totalMs } of rows) {
        const name = statementName(query)
        const sum = byName.get(name) ?? { name, calls: 0, totalMs: 0 }
        byName.set(name, { name, calls: sum.calls + calls, totalMs: sum.totalMs + totalMs })
      }
      return [...byName.values()].toSorted((a, b) => b.totalMs - a.totalMs)
    },
  }
}

/** `admit` for `select admit(…)`, else the verb and the table: `select members`. */
function statementName(query: string): string {
  const text = query.replaceAll(/\s+/g, ' ').trim().toLowerCase()
  const call = /^select (?:\* from )?(\w+)\(/.exec(text)?.[1]
  if (call) return call
  const verb = text.split(' ', 1)[0]!
  // The last `from` outside parentheses is the statement's own.
  const table = /\b(?:update|into)\s+(\w+)/.exec(text)?.[1] ?? /\bfrom (\w+)/.exec(withoutNested(text))?.[1]
  return table === undefined ? text.slice(0, 40) : `${verb} ${table}`
}

function withoutNested(text: string): string {
  const flatter = text.replaceAll(/\([^()]*\)/g, '')
  return flatter === text ? text : withoutNested(flatter)
}
