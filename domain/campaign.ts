/**
 * The words of a campaign (R): its plan, what operators say to it, and where it stands.
 */
import type { Ineligible } from './eligibility.ts'

/** R5: what a wave must show before the next one opens. Percentages of what was counted. */
export interface Gate {
  /** Announcements that a provider refused for good, of all that were sent. */
  readonly maxSendFailurePercent: number
  /** Announcements with a negative receipt, of all that were accepted. */
  readonly maxNegativeReceiptPercent: number
  /** Challenges of enforced members by SMS that were verified, of all that ended. */
  readonly minVerifiedPercent: number
  /** With fewer announcements the gate is inconclusive. */
  readonly minMessages: number
  /** With fewer ended challenges of enforced members the gate is inconclusive. */
  readonly minChallenges: number
}

/** R3 */
export interface Wave {
  /** Of all members, with those of the waves before it: 1, 5, 25, 100; two decimals count. */
  readonly percent: number
  /** From this wave on. */
  readonly ratePerMinute?: number
  /** How long it is watched after its last announcement was sent. */
  readonly bakeSeconds: number
  readonly gate: Gate
}

/** R3: a plan, whole; what a caller leaves out is filled in at the entrance. */
export interface CampaignPlan {
  /** Members a minute that are sent a notice; 0 is no limit. */
  readonly ratePerMinute: number
  /** Asia/Tokyo, `21:00` to `09:00`; null for none. */
  readonly quietHours: { readonly from: string; readonly to: string } | null
  readonly waves: readonly Wave[]
}

/** R3: the steps of a plan that names none. */
export const DEFAULT_WAVE_PERCENTS = [1, 5, 25, 100] as const

/** The workflow's input. */
export interface CampaignInput {
  readonly campaignId: string
  readonly plan: CampaignPlan
  /** Who starts it; nobody has checked that where it is not our API. */
  readonly by?: string
  readonly claimed?: boolean
}

/** R6 */
export type CampaignCommand = { readonly why: string; readonly by: string; readonly claimed?: boolean } & (
  | { readonly command: 'pause' | 'resume' | 'skip-bake' | 'complete' }
  | { readonly command: 'rate'; readonly ratePerMinute: number }
  /** `until`: ISO 8601. */
  | { readonly command: 'exempt'; readonly memberId: string; readonly until: string }
  /** `rollback`: what was enforced is taken back, so that the members' own choice counts again. */
  | { readonly command: 'abort'; readonly rollback?: boolean }
)

export const MEMBER_STATES = ['excluded', 'awaiting', 'announced', 'enforced', 'released', 'rolled_back'] as const
export type MemberState = (typeof MEMBER_STATES)[number]
export type ExclusionReason = Ineligible | 'exempt'

export type CampaignPhase =
  | 'starting'
  | 'drawing'
  | 'announcing'
  | 'announced'
  | 'baking'
  | 'baked'
  | 'passed'
  | 'standing'
  | 'rolling_back'
  | 'ended'

export interface GateVerdict {
  readonly at: string
  readonly verdict: 'passed' | 'failed' | 'inconclusive'
  readonly reasons: readonly ('send_failures' | 'negative_receipts' | 'verification_rate')[]
  readonly messages: number
  readonly sendFailures: number
  readonly delivered: number
  readonly negativeReceipts: number
  readonly challenges: number
  readonly verified: number
  readonly sendFailurePercent: number | null
  readonly negativeReceiptPercent: number | null
  readonly verifiedPercent: number | null
}

/** What comes next. */
export interface CampaignOutlook {
  readonly state: 'running' | 'paused' | 'completed' | 'aborted'
  readonly phase: CampaignPhase
  /** The wave that was opened last; null before the first. */
  readonly wave: number | null
  /** How long there is nothing to do, in milliseconds; null while it does not run or nothing has a date. */
  readonly idleMs: number | null
}

/** Where a campaign stands. Times are ISO 8601. */
export interface CampaignStatus extends CampaignOutlook {
  readonly campaignId: string
  readonly pauseReason: string | null
  readonly ratePerMinute: number
  readonly quietHours: CampaignPlan['quietHours']
  readonly startedAt: string
  readonly endedAt: string | null
  /** Changes of members that wait to be looked at. */
  readonly changedMembers: number
  readonly counts: readonly {
    readonly wave: number
    readonly state: MemberState
    readonly reason: ExclusionReason | null
    readonly members: number
  }[]
  readonly notices: readonly {
    readonly kind: 'announcement' | 'own_settings'
    readonly state: 'due' | 'sending' | 'accepted' | 'refused' | 'dropped'
    readonly notices: number
  }[]
  readonly waves: readonly {
    readonly wave: number
    readonly percent: number
    readonly openedAt: string | null
    readonly drawnAt: string | null
    readonly bakeUntil: string | null
    readonly passedAt: string | null
    readonly verdict: GateVerdict | null
  }[]
}

const CAMPAIGN_ID = /^[a-z0-9][a-z0-9-]{0,39}$/
/** A campaign id stands in workflow ids and logs: words, digits and hyphens. */
export const isCampaignId = (value: unknown): value is string => typeof value === 'string' && CAMPAIGN_ID.test(value)

/** Whether a campaign can be started with it: whoever has a Temporal client can send anything (C15). */
export const isCampaignInput = (value: unknown): value is CampaignInput =>
  isRecord(value) &&
  isCampaignId(value['campaignId']) &&
  isCampaignPlan(value['plan']) &&
  (value['by'] === undefined || typeof value['by'] === 'string') &&
  (value['claimed'] === undefined || typeof value['claimed'] === 'boolean')

/** Whether it is a plan, within the bounds that the API names (`api/campaign-schemas.ts`): Postgres can keep no other. */
function isCampaignPlan(value: unknown): value is CampaignPlan {
  if (!isRecord(value) || !isRate(value['ratePerMinute']) || !Array.isArray(value['waves'])) return false
  const waves = value['waves'] as unknown[]
  const percents = waves.map((wave) => (isWave(wave) ? wave.percent : Number.NaN))
  return (
    isQuietHours(value['quietHours']) &&
    waves.length >= 1 &&
    waves.length <= 20 &&
    percents.every((percent, index) => percent > (percents[index - 1] ?? 0) && percent <= 100)
  )
}

function isWave(value: unknown): value is Wave {
  if (!isRecord(value)) return false
  const { percent, ratePerMinute, bakeSeconds, gate } = value
  return (
    isNumber(percent) &&
    Number(percent.toFixed(2)) === percent &&
    (ratePerMinute === undefined || isRate(ratePerMinute)) &&
    isWhole(bakeSeconds, MOST_BAKE_SECONDS) &&
    isRecord(gate) &&
    GATE_PERCENTS.every((name) => isNumber(gate[name]) && gate[name] >= 0 && gate[name] <= 100) &&
    GATE_COUNTS.every((name) => isWhole(gate[name], MOST_MEMBERS))
  )
}

/** A year. */
export const MOST_BAKE_SECONDS = 31_536_000
export const MOST_RATE = 10_000_000
export const MOST_MEMBERS = 100_000_000
type GateName = keyof Gate
const GATE_PERCENTS = ['maxSendFailurePercent', 'maxNegativeReceiptPercent', 'minVerifiedPercent'] satisfies GateName[]
const GATE_COUNTS = ['minMessages', 'minChallenges'] satisfies GateName[]

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/
const isQuietHours = (value: unknown) =>
  value === null ||
  (isRecord(value) && [value['from'], value['to']].every((time) => typeof time === 'string' && CLOCK.test(time)))

/** Whether it has the shape of a command (R6). */
export function isCampaignCommand(value: unknown): value is CampaignCommand {
  if (!isRecord(value) || !isText(value['why']) || !isText(value['by'])) return false
  switch (value['command']) {
    case 'pause':
    case 'resume':
    case 'skip-bake':
    case 'complete':
      return true
    case 'rate':
      return isRate(value['ratePerMinute'])
    case 'exempt':
      return (
        isText(value['memberId']) && typeof value['until'] === 'string' && !Number.isNaN(Date.parse(value['until']))
      )
    case 'abort':
      return value['rollback'] === undefined || typeof value['rollback'] === 'boolean'
    default:
      return false
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isWhole = (value: unknown, most: number) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most
const isRate = (value: unknown) => isWhole(value, MOST_RATE)
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= 500
