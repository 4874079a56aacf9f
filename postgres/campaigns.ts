/**
 * The statements of a campaign, a function each. What they promise, and the locks they take, is written above the SQL in
 * `postgres/functions/`: 70_eligibility to 76_campaign_plan.
 */
import type {
  CampaignCommand,
  CampaignInput,
  CampaignOutlook,
  CampaignPlan,
  CampaignStatus,
  ExclusionReason,
} from '../domain/campaign.ts'
import type { EligibilityRules } from '../domain/eligibility.ts'
import type { Sql } from './connect.ts'
import type { Pace } from './provider-pace.ts'

/** What decides about members, from the configuration. */
export interface CampaignRules extends EligibilityRules {
  /** R4: from an announcement to the date it names, at least. */
  readonly enforceAfterSeconds: number
}

/** For whoever sends notices. */
export interface SendingRules extends CampaignRules {
  /** How long a notice stays in its sender's hands; after that it is due again. */
  readonly leaseSeconds: number
  /** D6, D8: what codes and notices share. */
  readonly pace: Pace
}

/** After so many temporary failures a notice counts as refused: some eight hours, while its provider answers others. */
const MOST_TRIES = 40

const json = (sql: Sql, value: unknown) => sql.json(value as never)
const withTries = (rules: SendingRules) => ({ ...rules, mostTries: MOST_TRIES })

export type CampaignStart = 'started' | 'existing' | 'other_plan' | 'other_campaign'

/** A start with the idempotency key of whoever called us (C13). */
export async function startCampaignOnce(
  sql: Sql,
  { campaignId, plan, by, claimed }: CampaignInput,
  { requestKey, requestHash }: { readonly requestKey: string; readonly requestHash: string },
): Promise<CampaignStart | 'idempotency_key_reused'> {
  const [row] = await sql<[{ answer: CampaignStart | 'idempotency_key_reused' }]>`
    select start_campaign_once(
      ${campaignId}, ${json(sql, plan)}, ${by ?? 'unknown'}, ${claimed ?? true}, ${requestKey}, ${requestHash}) as answer`
  return row.answer
}

export async function startCampaign(
  sql: Sql,
  { campaignId, plan, by, claimed }: CampaignInput,
): Promise<CampaignStart> {
  const [row] = await sql<[{ answer: CampaignStart }]>`
    select start_campaign(${campaignId}, ${json(sql, plan)}, ${by ?? 'unknown'}, ${claimed ?? true}) as answer`
  return row.answer
}

/** R6, the dry run. `reason` null: would be announced to or, where SMS is their own choice already, enforced. */
export interface PlannedGroup {
  readonly wave: number
  readonly reason: ExclusionReason | null
  readonly chosenSms: boolean
  readonly members: number
}

export async function planCampaign(
  sql: Sql,
  campaignId: string,
  plan: CampaignPlan,
  rules: CampaignRules,
): Promise<PlannedGroup[]> {
  const [row] = await sql<[{ answer: PlannedGroup[] }]>`
    select plan_campaign(${campaignId}, ${json(sql, plan)}, ${json(sql, rules)}) as answer`
  return row.answer
}

export async function openWave(sql: Sql, campaignId: string, wave: number): Promise<void> {
  await sql`select open_wave(${campaignId}, ${wave})`
}

/** @returns how many members were looked at, or undefined where there is nothing to do now */
export async function stepCampaign(sql: Sql, campaignId: string, rules: CampaignRules, most: number) {
  const [row] = await sql<[{ looked: number | null }]>`
    select campaign_step(${campaignId}, ${most}, ${json(sql, rules)}) as looked`
  return row.looked ?? undefined
}

/** A notice in its sender's hands; the destinations are personal data. */
export interface Notice {
  readonly noticeId: string
  readonly memberId: string
  readonly kind: 'announcement' | 'own_settings'
  /** Of an announcement. */
  readonly enforceAt: string | null
  /** E.164, where SMS may go to it. */
  readonly phone: string | null
  readonly email: string | null
  readonly language: string | null
  readonly mobileCarrier: string | null
}

export async function takeNotices(sql: Sql, campaignId: string, rules: SendingRules, most: number) {
  const [row] = await sql<[{ answer: Notice[] }]>`
    select take_notices(${campaignId}, ${most}, ${json(sql, withTries(rules))}) as answer`
  return row.answer
}

export type NoticeResult = { readonly noticeId: string } & (
  | {
      readonly result: 'accepted'
      readonly channel: 'sms' | 'email'
      readonly provider: string
      readonly messageId: string
    }
  | { readonly result: 'refused'; readonly channel: 'sms' | 'email' }
  /** There is nowhere to send it to. */
  | { readonly result: 'dropped' }
  /** The provider refuses our account, whoever the message is for: the campaign pauses. */
  | { readonly result: 'account_refused'; readonly provider: string }
  /** Not before `waitMs`, which is what the provider asks for. */
  | { readonly result: 'later'; readonly waitMs: number }
)

export async function recordNotices(
  sql: Sql,
  campaignId: string,
  rules: SendingRules,
  results: readonly NoticeResult[],
): Promise<void> {
  await sql`select record_notices(${campaignId}, ${json(sql, results)}, ${json(sql, withTries(rules))})`
}

export async function startBake(sql: Sql, campaignId: string, wave: number): Promise<void> {
  await sql`select start_bake(${campaignId}, ${wave})`
}

export async function judgeWave(sql: Sql, campaignId: string, wave: number): Promise<void> {
  await sql`select judge_wave(${campaignId}, ${wave})`
}

export type CommandRefusal =
  | 'unknown_campaign'
  | 'campaign_ended'
  | 'not_baking'
  | 'waves_remain'
  | 'members_remain'
  | 'unknown_member'

/** @returns why it cannot be obeyed, where it cannot */
export async function commandCampaign(sql: Sql, campaignId: string, commandId: string, command: CampaignCommand) {
  const [row] = await sql<[{ refusal: CommandRefusal | null }]>`
    select command_campaign(${campaignId}, ${commandId}, ${json(sql, { claimed: false, ...command })}) as refusal`
  return row.refusal ?? undefined
}

/** {@link commandCampaign} under a caller's idempotency key; the hash tells another request under the same key. */
export async function commandCampaignOnce(
  sql: Sql,
  campaignId: string,
  { key, requestHash }: { key: string; requestHash: string },
  command: CampaignCommand,
): Promise<CommandRefusal | 'idempotency_key_reused' | undefined> {
  const [row] = await sql<[{ refusal: CommandRefusal | 'idempotency_key_reused' | null }]>`
    select command_campaign_once(${campaignId}, ${key}, ${requestHash}, ${json(sql, { claimed: false, ...command })}) as refusal`
  return row.refusal ?? undefined
}

/** @returns how many members got their own choice back; 0 once it is done */
export async function rollBackBatch(sql: Sql, campaignId: string, most: number): Promise<number> {
  const [row] = await sql<[{ members: number }]>`select roll_back_batch(${campaignId}, ${most}) as members`
  return row.members
}

/** Counts all members of the campaign: some tenths of a second for a million. */
export async function readCampaign(sql: Sql, campaignId: string): Promise<CampaignStatus | undefined> {
  const [row] = await sql<[{ answer: CampaignStatus | null }]>`select campaign_status(${campaignId}) as answer`
  return row.answer ?? undefined
}

/** What comes next, without the counts: asked after every batch, it costs the same however many members there are. */
export async function readOutlook(sql: Sql, campaignId: string): Promise<CampaignOutlook | undefined> {
  const [row] = await sql<[{ answer: CampaignOutlook | null }]>`select campaign_outlook(${campaignId}) as answer`
  return row.answer ?? undefined
}

export async function sampleCampaign(sql: Sql, campaignId: string, everySeconds: number): Promise<void> {
  await sql`select sample_campaign(${campaignId}, ${everySeconds})`
}

/** The campaign that stands, if one does: the consumer of member events wakes it (M4). */
export async function standingCampaign(sql: Sql): Promise<string | undefined> {
  const [row] = await sql<[{ campaignId: string }?]>`
    select campaign_id as "campaignId" from campaigns where state in ('running', 'paused')`
  return row?.campaignId
}
