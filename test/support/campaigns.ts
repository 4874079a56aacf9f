/**
 * Campaigns in tests: members by the thousand, plans in compressed time, and where members stand.
 */
import { randomUUID } from 'node:crypto'
import type { CampaignCommand, CampaignInput, CampaignPlan, CampaignStatus, Gate } from '../../domain/campaign.ts'
import type { Notice, NoticeResult } from '../../postgres/campaigns.ts'
import { paceOf } from '../../postgres/provider-pace.ts'
import { campaignCommandSignal, campaignCommandUpdate, campaignStatusQuery } from '../../workflows/campaign-messages.ts'
import type { System } from './system.ts'

/** Lets everything pass. */
export const OPEN_GATE: Gate = {
  maxSendFailurePercent: 100,
  maxNegativeReceiptPercent: 100,
  minVerifiedPercent: 0,
  minMessages: 0,
  minChallenges: 0,
}

export const planOf = (
  percents: readonly number[],
  more: Partial<CampaignPlan> & { gate?: Gate; bakeSeconds?: number } = {},
) => {
  const { gate = OPEN_GATE, bakeSeconds = 0, ...rest } = more
  return {
    ratePerMinute: 0,
    quietHours: null,
    waves: percents.map((percent) => ({ percent, bakeSeconds, gate })),
    ...rest,
  } satisfies CampaignPlan
}

export interface SampleMember {
  readonly memberId: string
  readonly status: 'active' | 'withdrawn'
  readonly email: string | null
  readonly phone: string | null
  readonly phoneCountry: string | null
  readonly birthDate: string | null
  readonly familyCard: boolean
  readonly language: string
  readonly notificationPreference: 'sms' | 'email'
}

const pick = <T>(values: readonly T[], index: number): T => values[index % values.length]!
const LANGUAGES = ['ja', 'en', 'zh-Hans', 'zh-Hant', 'ko']

/** Members of every kind, the nth always the same. */
export const sampleMember = (index: number): SampleMember => {
  const hasPhone = index % 5 !== 0
  return {
    memberId: String(700_000_000 + index),
    status: index % 41 === 0 ? 'withdrawn' : 'active',
    email: index % 7 === 0 ? null : `m${index}@example.jp`,
    phone: hasPhone ? `+${index % 23 === 0 ? '1' : '81'}90${String(10_000_000 + index)}` : null,
    phoneCountry: hasPhone ? (index % 23 === 0 ? 'US' : 'JP') : null,
    birthDate:
      index % 13 === 0 ? null : `${1940 + ((index * 7) % 80)}-${pick(['01-15', '06-30', '11-23', '12-31'], index)}`,
    familyCard: index % 11 === 0,
    language: pick(LANGUAGES, index),
    notificationPreference: index % 3 === 0 ? 'sms' : 'email',
  }
}

/** One whom a campaign announces to, the nth always the same. */
export const eligibleMember = (index: number, more: Partial<SampleMember> = {}): SampleMember => ({
  ...sampleMember(index),
  status: 'active',
  phone: `+8190${String(20_000_000 + index)}`,
  phoneCountry: 'JP',
  birthDate: '1980-01-01',
  familyCard: false,
  notificationPreference: 'email',
  ...more,
})

/** For the statements that the campaign worker uses, where a test calls them itself: dates come at once. */
export const CAMPAIGN_RULES = {
  adultAge: 18,
  smsCountries: ['JP'],
  smsRefusedPrefixes: [],
  enforceAfterSeconds: 0,
  leaseSeconds: 30,
  pace: paceOf(
    { perSecond: { sms: 0, email: 0 }, failuresBeforePause: 0, pauseMostMs: 30_000 },
    { sms: { id: 'vonage' }, email: { id: 'sendgrid' } },
  ),
}

/** What the sender records of a notice that the SMS provider took. */
export const takenBySms = ({ noticeId }: Pick<Notice, 'noticeId'>): NoticeResult => ({
  noticeId,
  result: 'accepted',
  channel: 'sms',
  provider: 'vonage',
  messageId: noticeId,
})

export async function addMembers(system: Pick<System, 'sql'>, members: readonly SampleMember[]): Promise<void> {
  const { sql } = system
  await sql`
    insert into members (member_id, version, status, email, phone, phone_country, birth_date, family_card, country, language,
      notification_preference, kafka_partition, kafka_offset)
    select m."memberId", 1, m.status, m.email, m.phone, m."phoneCountry", m."birthDate"::date, m."familyCard", 'JP', m.language,
      m."notificationPreference", 0, 0
    from jsonb_to_recordset(${sql.json(members as never)}) as m (
      "memberId" text, status text, email text, phone text, "phoneCountry" text, "birthDate" text, "familyCard" boolean,
      language text, "notificationPreference" text)`
}

/** A change as the consumer makes one: the row, and the queue. */
export async function changeMember({ sql }: Pick<System, 'sql'>, memberId: string, fields: Record<string, unknown>) {
  await sql.begin(async (transaction) => {
    await transaction`update members set ${transaction(fields as never)}, version = version + 1 where member_id = ${memberId}`
    await transaction`insert into campaign_queue (member_id) values (${memberId})`
  })
}

type SmsCampaign = (input: CampaignInput) => Promise<CampaignStatus>

/** Starts a campaign as any Temporal client can, one that says that its name was checked; also with its first command. */
export async function startCampaign(
  { temporal }: Pick<System, 'temporal'>,
  plan: CampaignPlan,
  { campaignId = `c-${randomUUID().slice(0, 8)}`, command }: { campaignId?: string; command?: CampaignCommand } = {},
) {
  const options = {
    workflowId: `sms-campaign/${campaignId}`,
    taskQueue: 'sms-campaign',
    args: [{ campaignId, plan, by: 'test', claimed: false }] satisfies [CampaignInput],
  }
  const handle = command
    ? await temporal.workflow.signalWithStart<SmsCampaign, [CampaignCommand]>('smsEnrollmentCampaign', {
        ...options,
        signal: campaignCommandSignal,
        signalArgs: [command],
      })
    : await temporal.workflow.start<SmsCampaign>('smsEnrollmentCampaign', options)
  const status = () => handle.query(campaignStatusQuery)
  return {
    campaignId,
    handle,
    status,
    /** Its waves have passed, its notices are sent and the dates that it announced have come: it can be completed. */
    isSettled: async () => {
      const { phase, counts = [], notices = [] } = (await status()) ?? {}
      const isAwaited = counts.some(({ state }) => state === 'announced')
      return phase === 'standing' && !isAwaited && !notices.some(({ state }) => state === 'due' || state === 'sending')
    },
    command: (command: Record<string, unknown> & { command: CampaignCommand['command'] }) =>
      handle.executeUpdate(campaignCommandUpdate, {
        updateId: randomUUID(),
        args: [{ by: 'tester', why: 'a test', ...command } as CampaignCommand],
      }),
  }
}

export interface Standing {
  readonly memberId: string
  readonly wave: number
  readonly state: string
  readonly reason: string | null
}

export const standings = ({ sql }: Pick<System, 'sql'>, campaignId: string) => sql<Standing[]>`
  select member_id as "memberId", wave, state, reason from campaign_members where campaign_id = ${campaignId}
  order by member_id`

/** Where one member stands; undefined while the campaign has not taken them. */
export async function standingOf({ sql }: Pick<System, 'sql'>, campaignId: string, memberId: string) {
  const [row] = await sql<{ state: string; reason: string | null; round: number }[]>`
    select state, reason, round from campaign_members where campaign_id = ${campaignId} and member_id = ${memberId}`
  return row
}
