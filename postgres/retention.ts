/**
 * Forgetting what was kept long enough, each kind by itself; the SQL is in `postgres/functions/65_forget.sql` and
 * `67_ledgers.sql`.
 */
import type { Sql } from './connect.ts'

/** How long things are kept. */
export interface RetentionTimes {
  readonly receiptDays: number
  readonly outboxDays: number
  readonly destinationDays: number
  readonly refusedStartHours: number
  readonly challengeDays: number
  readonly campaignDays: number
}

/** One kind of thing that is forgotten. */
export interface Purge {
  readonly kind: string
  /** Forgets at most `most` of them, the oldest first. @returns how many: fewer than `most` where none is left */
  readonly forget: (most: number) => Promise<number>
}

const DAY = 86_400
const HOUR = 3_600

export function purges(sql: Sql, times: RetentionTimes): Purge[] {
  const ago = (seconds: number) => sql`challenge_now() - make_interval(secs => ${seconds})`
  const purge = (kind: string, call: (most: number) => ReturnType<typeof sql>): Purge => ({
    kind,
    forget: async (most) => {
      const [row] = await sql<[{ forgotten: number }]>`select ${call(most)} as forgotten`
      return row.forgotten
    },
  })
  const older = (table: string, time: string, seconds: number) =>
    purge(table, (most) => sql`forget_older(${table}::text::regclass, ${time}, ${ago(seconds)}, ${most})`)
  const ofCampaigns = (table: string, inOrderOf: string) =>
    purge(
      table,
      (most) =>
        sql`forget_of_campaigns(${table}::text::regclass, ${inOrderOf}, ${ago(times.campaignDays * DAY)}, ${most})`,
    )
  const receipts = times.receiptDays * DAY
  const challenges = ago(times.challengeDays * DAY)
  return [
    purge('addresses', (most) => sql`forget_addresses(${ago(DAY)}, ${most})`),
    older('idempotency_keys', 'created_at', DAY),
    older('request_keys', 'created_at', DAY),
    older('refused_starts', 'at', times.refusedStartHours * HOUR),
    older('receipts', 'received_at', receipts),
    purge('member_notices', (most) => sql`forget_member_notices(${ago(receipts)}, ${most})`),
    older('page_sessions', 'expires_at', HOUR),
    // The same browser may come again by a link that it spent, while its session lasts.
    older('page_links', 'expires_at', 2 * HOUR),
    older('outbox_sent', 'occurred_at', times.outboxDays * DAY),
    purge('destinations', (most) => sql`forget_destinations(${ago(times.destinationDays * DAY)}, ${most})`),
    purge('challenges', (most) => sql`forget_challenges(${challenges}, ${most})`),
    purge('challenges_with_later_id', (most) => sql`forget_challenges_with_later_id(${challenges}, ${most})`),
    older('member_unlocks', 'at', times.challengeDays * DAY),
    older('outbox_replays', 'done_at', times.challengeDays * DAY),
    older('exemptions', 'until', times.campaignDays * DAY),
    ofCampaigns('campaign_members', 'member_id'),
    ofCampaigns('campaign_notices', 'member_id'),
    ofCampaigns('campaign_history', 'at'),
    ofCampaigns('campaign_log', 'id'),
  ]
}
