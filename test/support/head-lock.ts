/**
 * A member's row lock, held by the test: whatever decides something about the member's challenges waits for it.
 */
import type { Sql } from '../../postgres/connect.ts'

export interface HeadLock {
  /** How many statements of other sessions wait for it now. */
  waiting(): Promise<number>
  /** Lets them go on, the first come first. */
  release(): Promise<void>
}

/** Takes the lock of a member who has had a challenge. */
export async function holdHead(sql: Sql, memberId: string): Promise<HeadLock> {
  const session = await sql.reserve()
  await session`begin`
  const [head] = await session<[{ pid: number }?]>`
    select pg_backend_pid() as pid from challenge_heads where member_id = ${memberId} for update`
  if (head === undefined) throw new Error('this member never had a challenge')
  return {
    async waiting() {
      const [row] = await sql<[{ count: number }]>`
        select count(*) from pg_stat_activity where ${head.pid} = any(pg_blocking_pids(pid))`
      return row.count
    },
    async release() {
      await session`commit`
      session.release()
    },
  }
}
