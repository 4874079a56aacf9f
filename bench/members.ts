/**
 * Members by number: made-up people, whose phone numbers and addresses follow from the number, so that no payload has
 * to carry them.
 */
import type { Channel } from '../domain/challenge.ts'
import type { Sql } from '../postgres/connect.ts'

const FIRST_ID = 100_000_000
const FIRST_PHONE = 819_010_000_000

export interface BenchMember {
  readonly memberId: string
  readonly channel: Channel
  readonly destination: string
}

/** Every other member prefers SMS, the others e-mail. */
export function benchMember(number: number): BenchMember {
  const memberId = String(FIRST_ID + number)
  return number % 2 === 0
    ? { memberId, channel: 'sms', destination: `+${FIRST_PHONE + number}` }
    : { memberId, channel: 'email', destination: `m${memberId}@example.jp` }
}

/** Writes the members with the numbers 1 to `count`. */
export async function addMembers(sql: Sql, count: number): Promise<void> {
  await sql`
    insert into members (member_id, version, status, email, phone, phone_country, mobile_carrier, country, language,
      notification_preference, kafka_partition, kafka_offset)
    select (${FIRST_ID} + n)::text, 1, 'active', 'm' || (${FIRST_ID} + n) || '@example.jp',
      '+' || (${FIRST_PHONE}::bigint + n), 'JP', 'docomo', 'JP', 'en', case when n % 2 = 0 then 'sms' else 'email' end, 0, n
    from generate_series(1, ${count}::int) n`
  await sql`analyze members`
}
