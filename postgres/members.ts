/**
 * Members: the newest state of each, as the member events tell it (M1, M2).
 */
import postgres from 'postgres'
import type { Sql } from './connect.ts'

/** One member event, ready to be applied. */
export type MemberChange = MemberState | MemberErasure

/** Where an event stood in its partition. */
interface Place {
  readonly memberId: string
  readonly offset: string
}

/** A tombstone: nothing of the member is kept but what tells an older event from a newer one. */
interface MemberErasure extends Place {
  readonly status: 'erased'
  readonly version: null
}

interface MemberState extends Place {
  readonly status: 'active' | 'withdrawn'
  readonly version: number
  readonly email: string | null
  /** E.164, mobile numbers only. */
  readonly phone: string | null
  /** ISO 3166-1 alpha-2, of the number. */
  readonly phoneCountry: string | null
  readonly mobileCarrier: string | null
  /** `2008-02-29` */
  readonly birthDate: string | null
  readonly familyCard: boolean | null
  /** ISO 3166-1 alpha-2, of residence. */
  readonly country: string | null
  readonly language: string | null
  readonly notificationPreference: 'email' | 'sms' | null
  /** RFC 3339. */
  readonly eventTime: string
}

/**
 * Applies changes of one partition in their order, in one transaction: all or none. What it leaves is what applying
 * them one by one would, so it may be repeated. Withdrawals and erasures close the open challenges of those members.
 *
 * @param epochOf in which epoch of the log an event stands, by its offset
 * @returns how many of them changed a member: the others were duplicates, or older than what stood
 */
export async function applyMemberChanges(
  sql: Sql,
  partition: number,
  changes: readonly MemberChange[],
  epochOf: (offset: string) => number = () => 1,
) {
  const rounds = toRounds(changes)
  const [only] = rounds
  // Nearly always: a statement is a transaction by itself.
  if (only && rounds.length === 1) return (await applyRound(sql, partition, only, epochOf))[0].applied
  // Pipelined: the later rounds wait for no answer.
  const applied = await sql.begin((transaction) =>
    rounds.map((round) => applyRound(transaction, partition, round, epochOf)),
  )
  return applied.reduce((total, [row]) => total + row.applied, 0)
}

/** A statement can change a row once: the nth event of each member goes into the nth round. */
function toRounds(changes: readonly MemberChange[]): MemberChange[][] {
  const rounds: MemberChange[][] = []
  const seen = new Map<string, number>()
  for (const change of changes) {
    const round = seen.get(change.memberId) ?? 0
    seen.set(change.memberId, round + 1)
    const members = rounds[round]
    if (members) members.push(change)
    else rounds.push([change])
  }
  return rounds
}

type Transaction = Parameters<Parameters<Sql['begin']>[1]>[0]

function applyRound(
  sql: Sql | Transaction,
  partition: number,
  round: readonly MemberChange[],
  epochOf: (offset: string) => number,
) {
  const states = round.map((change) => (change.status === 'erased' ? undefined : change))
  const column = (field: keyof MemberState) => toArray(states.map((state) => state?.[field] ?? null))
  return sql<[{ applied: number }]>`
    select apply_member_events(
      ${partition},
      ${toArray(round.map((change) => change.memberId))}::text[],
      ${toArray(round.map((change) => epochOf(change.offset)))}::integer[],
      ${toArray(round.map((change) => change.offset))}::bigint[],
      ${column('version')}::bigint[],
      ${toArray(round.map((change) => change.status))}::text[],
      ${column('email')}::text[],
      ${column('phone')}::text[],
      ${column('phoneCountry')}::text[],
      ${column('mobileCarrier')}::text[],
      ${column('birthDate')}::text[],
      ${column('familyCard')}::text[],
      ${column('country')}::text[],
      ${column('language')}::text[],
      ${column('notificationPreference')}::text[],
      ${column('eventTime')}::text[]
    ) as applied`
}

/**
 * An array as Postgres reads it. Written as JSON, which is a good deal faster than the client's own way: the two forms
 * differ in their brackets, and in that Postgres takes a control character as it is, where JSON escapes it.
 */
function toArray(values: readonly (string | number | boolean | null)[]): string {
  const json = JSON.stringify(values)
  const items = json.includes('\\') ? json.replace(ESCAPED, unescapeControl) : json
  return `{${items.slice(1, -1)}}`
}

const ESCAPED = /\\(?:["\\bfnrt]|u[0-9a-f]{4})/g
const unescapeControl = (escaped: string) => (/["\\]$/.test(escaped) ? escaped : (JSON.parse(`"${escaped}"`) as string))

/** SQLSTATE classes that blame the values: data exception, integrity constraint violation, program limit exceeded. */
const BLAMES_VALUES = /^(?:22|23|54)/

/** Whether Postgres refused the values themselves, so that trying again cannot help. */
export const isRejection = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && BLAMES_VALUES.test(error.code)
