/**
 * Waiting for Postgres and for what comes into it, for as long as it takes.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { connect } from '../postgres/connect.ts'
import type { Report } from './progress.ts'
import { sizeOf } from './stack/program.ts'

/** postgres.js's and the system's words for a Postgres that does not take part yet. */
const NOT_THERE_YET = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  '57P03',
]

/** Does `work`, again while Postgres is not there; it may be one that is not ours. */
export async function onceThere<T>(databaseUrl: string, report: Report, work: () => Promise<T>): Promise<T> {
  let seen: string | undefined
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === undefined || !NOT_THERE_YET.includes(code)) throw error
      // The same once more is no sign of life.
      if (code !== seen) report(`waiting for ${new URL(databaseUrl).host} (${code})`)
      seen = code
      await wait(500)
    }
  }
}

/** Resolves when the consumer has brought these members from Kafka into Postgres, however long it takes. */
export async function membersArrived(
  databaseUrl: string,
  memberIds: readonly string[],
  consumerLog: string,
  report: Report,
) {
  const sql = connect(databaseUrl, { poolSize: 1, name: 'start' })
  const wanted = new Set(memberIds).size
  const count = async () => {
    const [row] = await sql<[{ count: number }]>`
      select count(*) as count from members where member_id in ${sql(memberIds)}`
    return row.count
  }
  let life = ''
  try {
    for (;;) {
      const present = await onceThere(databaseUrl, report, count)
      if (present === wanted) return
      const now = `${present} ${await sizeOf(consumerLog)}`
      if (now !== life) report(`${present} of ${wanted} came out of Kafka`, consumerLog)
      life = now
      await wait(100)
    }
  } finally {
    await sql.end()
  }
}
