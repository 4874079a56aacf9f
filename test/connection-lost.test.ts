/**
 * Q4: a connection to Postgres that is lost costs an error for what ran on it, and no process.
 */
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDatabase, type TestDatabase } from './support/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database?.drop())

// Where the driver writes to a connection that is gone, what it throws is nobody's to catch (docs/decisions/0007).
it('a transaction that goes on after its connection was lost is told so, and the next one succeeds', async () => {
  const lost = Promise.withResolvers<void>()
  const sql = postgres(database.url, { max: 2, onclose: () => lost.resolve() })
  const transaction = sql.begin(async (tx) => {
    const [{ pid }] = await tx<[{ pid: number }]>`select pg_backend_pid() as pid`
    await sql`select pg_terminate_backend(${pid})`
    await lost.promise
    return tx`select 1`
  })
  await expect(transaction).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' })
  expect(await sql.begin((tx) => tx`select 2 as two`)).toEqual([{ two: 2 }])
  await sql.end()
})
