/**
 * Members who set their own destination, without the messages: challenges as they stand once they were verified.
 */
import { v7 as uuidv7 } from 'uuid'
import type { Channel } from '../../domain/challenge.ts'
import type { Sql } from '../../postgres/connect.ts'
import { readDestination, setDestination, type DestinationAnswer } from '../../postgres/destinations.ts'

export const RULES = { stepUpSeconds: 600, adultAge: 18, smsCountries: ['JP'], smsRefusedPrefixes: ['+81990'] }

/** A challenge of the member that was verified just now. @returns its id */
export async function verifiedChallenge(
  sql: Sql,
  { memberId, purpose, destination }: { memberId: string; purpose: string; destination: string },
): Promise<string> {
  const challengeId = uuidv7()
  await sql`
    with head as (
      insert into challenge_heads as h (member_id, last_seq) values (${memberId}, 1)
      on conflict (member_id) do update set last_seq = h.last_seq + 1
      returning last_seq
    )
    insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, channel, destination, admitted_at,
      send_began_at, expires_at, outcome, closed_at, told)
    select ${challengeId}, ${memberId}, last_seq, ${purpose}, 'test', ${challengeId},
      ${destination.includes('@') ? 'email' : 'sms'}, ${destination}, challenge_now(), challenge_now(), challenge_now(),
      'verified', challenge_now(), true
    from head`
  return challengeId
}

/** What the member does on the page: proves who they are and that the number is theirs, and sets it, a choice, or both. */
export async function setOwn(
  sql: Sql,
  memberId: string,
  wish: { phone?: string; choice?: Channel },
  rules = RULES,
): Promise<DestinationAnswer> {
  const { phone, choice } = wish
  const standing = await readDestination(sql, memberId, rules)
  const provenAt = standing?.phone ?? standing?.email ?? 'nobody@example.jp'
  return setDestination(
    sql,
    {
      memberId,
      version: standing?.version ?? 0,
      stepUpId: await verifiedChallenge(sql, { memberId, purpose: 'change_membership', destination: provenAt }),
      ...(phone !== undefined && {
        registration: {
          challengeId: await verifiedChallenge(sql, { memberId, purpose: 'register_phone', destination: phone }),
          phone,
          country: 'JP',
        },
      }),
      ...(choice && { choice }),
    },
    rules,
  )
}
