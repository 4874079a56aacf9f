/**
 * How fast receipts are absorbed: signed posts to the API as a process, by both providers, in the sizes that they have.
 * SendGrid collects events, Vonage posts each by itself.
 */
import { randomUUID, type KeyObject } from 'node:crypto'
import type { Sql } from '../postgres/connect.ts'
import { sendGridEvent, sendGridPost, vonagePost, vonageStatus, type Request } from '../test/support/webhooks.ts'
import { benchMember } from './members.ts'

export interface WebhookKeys {
  readonly sendgrid: KeyObject
  readonly vonage: { readonly apiKey: string; readonly secret: Uint8Array }
}

/** The posts of a provider, signed and ready; a signature holds for some minutes. */
export interface ReceiptPosts {
  readonly provider: 'sendgrid' | 'vonage'
  readonly eventsAPost: number
  readonly events: number
  readonly posts: readonly Request[]
}

export interface ReceiptsMeasured extends Omit<ReceiptPosts, 'posts'> {
  readonly perSecond: number
  readonly statementsAPost: number
  /** CPU milliseconds of an event, by process; the benchmark's own is what posting costs. */
  readonly cpuMs?: Readonly<Record<string, number>>
  readonly others?: number
}

/** SendGrid's own most is beyond that. */
const EVENTS_A_POST = 100
/** How many posts are under way at once. */
const AT_ONCE = 16
/** What a provider tells of each message. */
const TOLD = { sendgrid: ['processed', 'delivered'], vonage: ['submitted', 'delivered'] } as const

/**
 * Writes challenges whose messages are on their way, and signs what their providers will tell of them.
 *
 * @param events of each provider; each has half as many challenges, of members with the numbers from `firstMember` down
 */
export async function prepareReceipts(
  sql: Sql,
  keys: WebhookKeys,
  { events, firstMember }: { events: number; firstMember: number },
): Promise<ReceiptPosts[]> {
  const half = Math.ceil(events / 2)
  const [sendgrid, vonage] = [
    await addSentChallenges(sql, 'email', half, firstMember),
    await addSentChallenges(sql, 'sms', half, firstMember - 2 * half),
  ]
  const told = sendgrid.flatMap((id) => TOLD.sendgrid.map((event) => sendGridEvent(id, event)))
  const batches = Array.from({ length: Math.ceil(told.length / EVENTS_A_POST) }, (_, index) =>
    told.slice(index * EVENTS_A_POST, (index + 1) * EVENTS_A_POST),
  )
  const { apiKey, secret: key } = keys.vonage
  const statuses = vonage.flatMap((id) => TOLD.vonage.map((status) => vonageStatus(id, status)))
  return [
    {
      provider: 'sendgrid',
      eventsAPost: EVENTS_A_POST,
      events: told.length,
      posts: batches.map((batch) => sendGridPost(batch, { key: keys.sendgrid })),
    },
    {
      provider: 'vonage',
      eventsAPost: 1,
      events: statuses.length,
      posts: await Promise.all(statuses.map((status) => vonagePost(status, { key, claims: { api_key: apiKey } }))),
    },
  ]
}

/** Every other number of a member has that channel. @returns the challenges' ids */
async function addSentChallenges(sql: Sql, channel: 'email' | 'sms', count: number, firstMember: number) {
  const numbers = Array.from({ length: 2 * count }, (_, index) => firstMember - index)
  const members = numbers.map(benchMember).filter((member) => member.channel === channel)
  const ids = members.map(() => randomUUID())
  await sql`
    insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, run_id, channel, destination,
      admitted_at, send_began_at, expires_at, sent_at, provider, provider_message_id)
    select id, member_id, 1, 'view_membership', 'bench', id, 'run', ${channel}, destination, now(), now(),
      now() + interval '10 minutes', now(), ${channel === 'sms' ? 'vonage' : 'sendgrid'},
      case when ${channel === 'sms'} then id::text else 'm-' || id end
    from unnest(${ids}::uuid[], ${members.map(({ memberId }) => memberId)}::text[],
      ${members.map(({ destination }) => destination)}::text[]) as c (id, member_id, destination)`
  return ids
}

/**
 * Posts them all.
 *
 * @throws where the API does not answer 204
 */
export async function postReceipts(api: string, { provider, posts }: ReceiptPosts): Promise<void> {
  const rest = posts.values()
  const keepPosting = async () => {
    for (const { url, headers, payload } of rest) {
      const answer = await fetch(`${api}${url as string}`, { method: 'POST', headers, body: payload })
      await answer.arrayBuffer()
      if (answer.status !== 204) throw new Error(`a receipt of ${provider} was answered ${answer.status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, keepPosting))
}

/** How many receipts of a provider were kept so far. */
export async function keptReceipts(sql: Sql, provider: ReceiptPosts['provider']): Promise<number> {
  const [row] = await sql<[{ kept: number }]>`
    select count(*)::int as kept from receipts where provider = ${provider}`
  return row.kept
}
