/**
 * What operators are shown of campaigns (R6, O3), a function each; the SQL is `postgres/functions/77_campaign_page.sql`.
 * Counting the members of a large campaign takes seconds: give these a pool that allows it.
 */
import type { CampaignPlan, CampaignStatus, ExclusionReason, MemberState } from '../domain/campaign.ts'
import type { CampaignRules } from './campaigns.ts'
import type { Sql } from './connect.ts'

/** A campaign among others. Times are ISO 8601. */
export interface CampaignSummary extends Pick<
  CampaignStatus,
  'campaignId' | 'state' | 'pauseReason' | 'startedAt' | 'endedAt' | 'wave'
> {
  /** How many it has. */
  readonly waves: number
}

/** @returns every campaign, the newest first */
export async function listCampaigns(sql: Sql): Promise<CampaignSummary[]> {
  const [row] = await sql<[{ answer: CampaignSummary[] }]>`select list_campaigns() as answer`
  return row.answer
}

/** What an operator, a gate or a wave did. */
export interface CampaignLogEntry {
  readonly at: string
  readonly event: string
  readonly by: string
  /** Nobody has checked who it was. */
  readonly claimed: boolean
  readonly why: string | null
  readonly data: Readonly<Record<string, unknown>> | null
}

export interface CampaignReport extends CampaignStatus {
  readonly plan: CampaignPlan
  /** The newest entries first; `logEntries` says how many there are. */
  readonly log: readonly CampaignLogEntry[]
  readonly logEntries: number
}

export async function reportCampaign(
  sql: Sql,
  campaignId: string,
  mostEntries: number,
): Promise<CampaignReport | undefined> {
  const [row] = await sql<[{ answer: CampaignReport | null }?]>`
    select campaign_report(${campaignId}, ${mostEntries}) as answer`
  return row?.answer ?? undefined
}

/** A member in a campaign. Times are ISO 8601. */
export interface MemberStanding {
  readonly campaignId: string
  readonly memberId: string
  readonly wave: number | null
  /** Null while the campaign has not taken them. */
  readonly state: MemberState | null
  readonly reason: ExclusionReason | null
  readonly takenAt: string | null
  readonly announcedAt: string | null
  readonly enforceAt: string | null
  readonly enforcedAt: string | null
  readonly releasedAt: string | null
  readonly reconsiderAt: string | null
  /** At this moment, for the next challenge. */
  readonly isSmsMandatory: boolean
  readonly exemption: {
    readonly until: string
    readonly by: string
    readonly claimed: boolean
    readonly why: string
    readonly at: string
  } | null
  readonly notices: readonly {
    readonly kind: 'announcement' | 'own_settings'
    readonly state: 'due' | 'sending' | 'accepted' | 'refused' | 'dropped'
    readonly channel: 'sms' | 'email' | null
    readonly acceptedAt: string | null
    readonly delivery: 'delivered' | 'failed' | null
  }[]
}

export async function memberInCampaign(
  sql: Sql,
  campaignId: string,
  memberId: string,
  rules: CampaignRules,
): Promise<MemberStanding | 'unknown_campaign' | 'unknown_member'> {
  const [row] = await sql<[{ answer: { member: MemberStanding | null } | null }?]>`
    select campaign_member(${campaignId}, ${memberId}, ${sql.json(rules as never)}) as answer`
  if (!row?.answer) return 'unknown_campaign'
  return row.answer.member ?? 'unknown_member'
}

/** Counts of a wave or of a carrier: its announcements, and the SMS challenges of its enforced members that ended. */
export interface CampaignRates {
  readonly wave?: number
  readonly carrier?: string
  readonly messages: number
  readonly sendFailures: number
  readonly delivered: number
  readonly negativeReceipts: number
  readonly challenges: number
  readonly verified: number
}

/** What the campaign page draws. */
export interface CampaignFigures {
  readonly history: readonly { readonly at: string; readonly counts: Readonly<Partial<Record<MemberState, number>>> }[]
  readonly rates: readonly CampaignRates[]
}

/** @param points how many samples of the history, at most */
export async function campaignFigures(sql: Sql, campaignId: string, points: number): Promise<CampaignFigures> {
  const [row] = await sql<[{ answer: CampaignFigures }]>`select campaign_figures(${campaignId}, ${points}) as answer`
  return row.answer
}

/** The newest campaigns, and their members by state as the page last had them counted. */
export async function newestCampaigns(
  sql: Sql,
): Promise<readonly { campaign: string; state: string; counts: Readonly<Record<string, number>> }[]> {
  return sql<{ campaign: string; state: string; counts: Record<string, number> }[]>`
    select c.campaign_id as campaign, c.state, coalesce((
      select h.counts from campaign_history h where h.campaign_id = c.campaign_id order by h.at desc limit 1), '{}') as counts
    from campaigns c order by c.started_at desc limit 5`
}
