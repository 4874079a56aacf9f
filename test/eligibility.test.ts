/**
 * R2, R3: who is excluded, and who belongs to which wave: Postgres and TypeScript say the same.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cohort, COHORTS } from '../campaigns/cohort.ts'
import { ineligibility, ofAgeOn, tokyoDay } from '../domain/eligibility.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { createDatabase, type TestDatabase } from './support/database.ts'

const MEMBERS = 100_000
const RULES = { adultAge: 18, smsCountries: ['JP', 'TW'], smsRefusedPrefixes: ['+81990', '+8869'] }

let database: TestDatabase
let sql: Sql
beforeAll(async () => {
  database = await createDatabase()
  sql = connect(database.url, { poolSize: 2, name: 'test', statementTimeoutMs: 60_000 })
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await database.drop()
})

describe('coming of age, in Tokyo', () => {
  it.each([
    { born: '2008-11-24', at: '2026-11-23T14:59:59.999Z', reason: 'minor' },
    { born: '2008-11-24', at: '2026-11-23T15:00:00Z', reason: undefined },
    { born: '2008-02-29', at: '2026-02-28T14:59:59.999Z', reason: 'minor' },
    { born: '2008-02-29', at: '2026-02-28T15:00:00Z', reason: undefined },
    { born: '2008-02-28', at: '2026-02-27T15:00:00Z', reason: undefined },
    { born: '2008-03-01', at: '2026-02-28T14:59:59.999Z', reason: 'minor' },
    { born: '2008-12-31', at: '2026-12-30T15:00:00Z', reason: undefined },
  ])('born on $born is at $at: $reason', async ({ born, at, reason }) => {
    const member = {
      status: 'active',
      familyCard: false,
      birthDate: born,
      phone: '+819012345678',
      phoneCountry: 'JP',
    } as const
    const today = tokyoDay(new Date(at))
    expect(ineligibility({ ...RULES, member, isUnreachable: false, today })).toBe(reason)
    const [row] = await sql`
      select ineligibility('active', false, ${born}::date, '+819012345678', 'JP', false, tokyo_day(${at}::timestamptz), 18,
        ${['JP']}, ${[]}::text[]) as reason`
    expect(row!['reason']).toBe(reason ?? null)
  })

  it('somebody born on 29 February comes of age on that day where the year has it', () => {
    expect(ofAgeOn('2004-02-29', 20)).toBe('2024-02-29')
    expect(ofAgeOn('1982-02-29', 18)).toBe('2000-02-29')
    expect(ofAgeOn('2082-02-29', 18)).toBe('2100-03-01')
  })
})

it('Postgres and TypeScript agree on 100,000 generated members', async () => {
  const days = fc.date({ min: new Date('1930-01-01'), max: new Date('2026-12-31'), noInvalidDate: true })
  const birthDate = fc.oneof(
    { weight: 6, arbitrary: days.map((day) => day.toISOString().slice(0, 10)) },
    { weight: 2, arbitrary: fc.constantFrom('2008-02-29', '2004-02-29', '2008-02-28', '2008-03-01', '2012-02-29') },
    { weight: 1, arbitrary: fc.constant(null) },
  )
  const today = fc.constantFrom('2026-02-28', '2026-03-01', '2026-11-23', '2028-02-29', '2027-12-31', '2022-02-28')
  const questions = fc.sample(
    fc.record({
      status: fc.constantFrom('active' as const, 'active' as const, 'active' as const, 'withdrawn' as const),
      familyCard: fc.constantFrom(false, false, false, true, null),
      birthDate,
      phone: fc.constantFrom(null, '+819012345678', '+819012345678', '+819901234567', '+886912345678'),
      phoneCountry: fc.constantFrom('JP', 'TW', 'US', null),
      isUnreachable: fc.constantFrom(false, false, false, true),
      today,
    }),
    { numRuns: MEMBERS, seed: 20_261_123 },
  )
  const rows = await sql<{ reason: string | null }[]>`
    select ineligibility(q.status, q."familyCard", q."birthDate", q.phone, q."phoneCountry", q."isUnreachable", q.today, 18,
      ${RULES.smsCountries}, ${RULES.smsRefusedPrefixes}) as reason
    from jsonb_array_elements(${sql.json(questions)}) with ordinality as e (question, n)
    cross join lateral jsonb_to_record(question) as q (
      status text, "familyCard" boolean, "birthDate" date, phone text, "phoneCountry" text, "isUnreachable" boolean, today date)
    order by n`
  const expected = questions.map(
    ({ isUnreachable, today, ...member }) => ineligibility({ ...RULES, member, isUnreachable, today }) ?? null,
  )
  expect(rows.map(({ reason }) => reason)).toEqual(expected)
  expect(new Set(expected).size).toBe(6)
})

it('a cohort is the same in Postgres and TypeScript, and cohorts are of even size', async () => {
  const ids = Array.from({ length: MEMBERS }, (_, index) => String(100_000_000 + index))
  const rows = await sql<{ cohort: number }[]>`
    select cohort('autumn', id) as cohort from unnest(${ids}::text[]) with ordinality as e (id, n) order by n`
  const computed = ids.map((id) => cohort('autumn', id))
  expect(rows.map((row) => row.cohort)).toEqual(computed)
  for (const percent of [1, 5, 25]) {
    const taken = computed.filter((value) => value < (percent * COHORTS) / 100).length
    expect(Math.abs(taken / MEMBERS - percent / 100)).toBeLessThan(0.003)
  }
  // Another campaign takes others first.
  const both = ids.filter((id) => cohort('autumn', id) < 100 && cohort('spring', id) < 100)
  expect(both.length).toBeLessThan(50)
})

describe('quiet hours, in Tokyo', () => {
  const night = { from: '21:00', to: '09:00' }
  it.each([
    { at: '2026-11-23T11:59:59Z', quiet: night, goesOn: '2026-11-23T11:59:59Z' },
    { at: '2026-11-23T12:00:00Z', quiet: night, goesOn: '2026-11-24T00:00:00Z' },
    { at: '2026-11-23T15:00:00Z', quiet: night, goesOn: '2026-11-24T00:00:00Z' },
    { at: '2026-11-23T23:59:59Z', quiet: night, goesOn: '2026-11-24T00:00:00Z' },
    { at: '2026-11-24T00:00:00Z', quiet: night, goesOn: '2026-11-24T00:00:00Z' },
    { at: '2026-11-24T03:30:00Z', quiet: { from: '12:00', to: '13:00' }, goesOn: '2026-11-24T04:00:00Z' },
    { at: '2026-11-24T03:30:00Z', quiet: { from: '09:00', to: '09:00' }, goesOn: '2026-11-24T03:30:00Z' },
    { at: '2026-11-24T03:30:00Z', quiet: null, goesOn: '2026-11-24T03:30:00Z' },
  ])('at $at with $quiet it goes on at $goesOn', async ({ at, quiet, goesOn }) => {
    const [row] = await sql`select after_quiet_hours(${at}::timestamptz, ${sql.json(quiet)}) as "goesOn"`
    expect((row!['goesOn'] as Date).toISOString()).toBe(new Date(goesOn).toISOString())
  })
})
