/**
 * Advisory locks of Postgres are known by a number alone: two that share one wait for each other, and nobody sees why. The relay
 * holds its lock for as long as it lives.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const POSTGRES = join(import.meta.dirname, '../postgres')
/** As constants in TypeScript and as functions in SQL: `const RELAY_LOCK = 7_019…`, `select 7019… $$`. */
const NUMBER = /_LOCK = ([\d_]+)|_lock\(\) returns bigint .*select (\d+)/g

it('each lock has a number of its own', () => {
  const files = readdirSync(POSTGRES, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(ts|sql)$/.test(file))
  const numbers = files.flatMap((file) =>
    [...readFileSync(join(POSTGRES, file), 'utf8').matchAll(NUMBER)].map(([, constant, fn]) =>
      Number((constant ?? fn)!.replaceAll('_', '')),
    ),
  )
  expect(numbers.length).toBeGreaterThan(3)
  expect(numbers.toSorted((a, b) => a - b)).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
})
