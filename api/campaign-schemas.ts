/**
 * Campaigns as they go in and out (R3, R6): zod checks them, OpenAPI shows them.
 */
import { z } from 'zod'
import {
  DEFAULT_WAVE_PERCENTS,
  isCampaignId,
  MEMBER_STATES,
  MOST_BAKE_SECONDS,
  MOST_MEMBERS,
  MOST_RATE,
} from '../domain/campaign.ts'
import { count, instant, memberId, time, why } from './schemas.ts'

const most = (max: number) => `wants a whole number from 0 to ${max}`
const whole = (max: number) => z.int(most(max)).min(0, most(max)).max(max, most(max))
const PERCENT = 'wants a percentage from 0 to 100'
const percentage = z.number(PERCENT).min(0, PERCENT).max(100, PERCENT)

const CAMPAIGN_ID = 'wants 1 to 40 of a-z 0-9 -, not starting with -'
const campaignId = z
  .string(CAMPAIGN_ID)
  .refine(isCampaignId, CAMPAIGN_ID)
  // Its status would have the path of the dry run.
  .refine((id) => id !== 'plan', 'wants another word than plan')
  .meta({ pattern: '^[a-z0-9][a-z0-9-]{0,39}$' })

/** R5. Defaults that stop a rollout at the first sign of trouble; challenges are rare in the first days. */
const gate = z
  .strictObject({
    maxSendFailurePercent: percentage.default(2).describe('Announcements refused for good, of all that were sent'),
    maxNegativeReceiptPercent: percentage.default(5).describe('Negative receipts, of all that were accepted'),
    minVerifiedPercent: percentage
      .default(80)
      .describe('Verified SMS challenges of enforced members, of all that ended'),
    minMessages: whole(MOST_MEMBERS).default(20).describe('With fewer announcements it is inconclusive'),
    minChallenges: whole(MOST_MEMBERS).default(0).describe('With fewer ended challenges it is inconclusive'),
  })
  .prefault({})

const ratePerMinute = whole(MOST_RATE).describe('Members a minute that are sent a notice; 0 is no limit')
const PERCENT_OF_ALL = 'wants a percentage above 0 and up to 100, with two decimals at most'
const A_DAY = 86_400

const wave = z.strictObject({
  percent: z
    .number(PERCENT_OF_ALL)
    .gt(0, PERCENT_OF_ALL)
    .max(100, PERCENT_OF_ALL)
    .refine((percent) => Number(percent.toFixed(2)) === percent, PERCENT_OF_ALL)
    .describe('Of all members, with those of the waves before it'),
  ratePerMinute: ratePerMinute.optional().describe('From this wave on'),
  bakeSeconds: whole(MOST_BAKE_SECONDS)
    .default(A_DAY)
    .describe('How long it is watched after its last notice was sent'),
  gate,
})

const CLOCK = 'wants a time as 21:00'
const clock = z.string(CLOCK).regex(/^([01]\d|2[0-3]):[0-5]\d$/, CLOCK)
const WAVES = 'wants 1 to 20 waves'

/** R3. What is left out is filled in here. */
const plan = z
  .strictObject({
    ratePerMinute: ratePerMinute.default(600),
    quietHours: z
      .strictObject({ from: clock, to: clock }, 'wants {from, to}, or null')
      .nullable()
      .default({ from: '21:00', to: '09:00' })
      .describe('Asia/Tokyo; null for none'),
    waves: z
      .array(wave, WAVES)
      .min(1, WAVES)
      .max(20, WAVES)
      .superRefine((waves, context) => {
        for (const [index, { percent }] of waves.entries()) {
          const before = waves[index - 1]?.percent ?? 0
          if (percent > before) continue
          context.addIssue({ code: 'custom', path: [index, 'percent'], message: 'wants more than the wave before' })
        }
      })
      .prefault(DEFAULT_WAVE_PERCENTS.map((percent) => ({ percent }))),
  })
  .prefault({})

export const planBody = z.strictObject({ campaignId, plan })

const UNTIL = 'wants a date and time as 2027-01-31T00:00:00Z'
const commandFields = { why: why('For the log and the event') }
const word = <W extends string>(command: W) => z.strictObject({ command: z.literal(command), ...commandFields })

/** R6 */
export const commandBody = z.discriminatedUnion(
  'command',
  [
    word('pause'),
    word('resume'),
    word('skip-bake'),
    word('complete'),
    z.strictObject({ command: z.literal('rate'), ...commandFields, ratePerMinute }),
    z.strictObject({
      command: z.literal('exempt'),
      ...commandFields,
      memberId,
      until: instant(UNTIL).describe('A time that has passed ends an exemption'),
    }),
    z.strictObject({
      command: z.literal('abort'),
      ...commandFields,
      rollback: z
        .boolean('wants true or false')
        .optional()
        .describe('What was enforced is taken back: the members’ own choice counts again'),
    }),
  ],
  'wants pause, resume, rate, skip-bake, exempt, abort or complete',
)

/** Any text is taken: one that is no id is an unknown campaign. */
export const campaignParams = z.object({ campaignId: z.string() })
export const memberParams = campaignParams.extend({ memberId: z.string() })

const reason = z.enum(['family_card', 'minor', 'no_phone', 'phone_unreachable', 'withdrawn', 'exempt'])

/** A plan of an older version may hold other numbers than `planBody` takes. */
const planSchema = z
  .object({
    ratePerMinute: count,
    quietHours: z.object({ from: z.string(), to: z.string() }).nullable(),
    waves: z.array(
      z.object({
        percent: z.number(),
        ratePerMinute: count.optional(),
        bakeSeconds: z.number(),
        gate: z.object({
          maxSendFailurePercent: z.number(),
          maxNegativeReceiptPercent: z.number(),
          minVerifiedPercent: z.number(),
          minMessages: z.number(),
          minChallenges: z.number(),
        }),
      }),
    ),
  })
  .meta({ id: 'CampaignPlan' })

export const plannedSchema = z
  .object({
    campaignId: z.string(),
    plan: planSchema,
    members: count.describe('All that the waves would take now'),
    groups: z.array(
      z.object({
        wave: count,
        reason: reason.nullable().describe('Why they are excluded; null where they are not'),
        chosenSms: z
          .boolean()
          .describe('SMS is their own choice already, or mandatory by an earlier campaign: nothing is announced'),
        members: count,
      }),
    ),
  })
  .meta({ id: 'PlannedCampaign' })

const campaignState = z.enum(['running', 'paused', 'completed', 'aborted'])

export const campaignListSchema = z
  .object({
    campaigns: z.array(
      z.object({
        campaignId: z.string(),
        state: campaignState,
        pauseReason: z.string().nullable(),
        wave: count.nullable(),
        waves: count,
        startedAt: time,
        endedAt: time.nullable(),
      }),
    ),
  })
  .meta({ id: 'Campaigns' })

const percent = z.number().nullable()
const verdict = z.object({
  at: time,
  verdict: z.enum(['passed', 'failed', 'inconclusive']),
  reasons: z.array(z.enum(['send_failures', 'negative_receipts', 'verification_rate'])),
  messages: count,
  sendFailures: count,
  delivered: count,
  negativeReceipts: count,
  challenges: count,
  verified: count,
  sendFailurePercent: percent,
  negativeReceiptPercent: percent,
  verifiedPercent: percent,
})

const campaignFields = {
  campaignId: z.string(),
  state: campaignState,
  phase: z.enum([
    'starting',
    'drawing',
    'announcing',
    'announced',
    'baking',
    'baked',
    'passed',
    'standing',
    'rolling_back',
    'ended',
  ]),
  pauseReason: z.string().nullable(),
  wave: count.nullable().describe('The wave that was opened last'),
  ratePerMinute: count,
  quietHours: z.object({ from: z.string(), to: z.string() }).nullable(),
  startedAt: time,
  endedAt: time.nullable(),
  changedMembers: count.describe('Changes of members that wait to be looked at'),
  counts: z.array(z.object({ wave: count, state: z.enum(MEMBER_STATES), reason: reason.nullable(), members: count })),
  notices: z.array(
    z.object({
      kind: z.enum(['announcement', 'own_settings']),
      state: z.enum(['due', 'sending', 'accepted', 'refused', 'dropped']),
      notices: count,
    }),
  ),
  waves: z.array(
    z.object({
      wave: count,
      percent: z.number(),
      openedAt: time.nullable(),
      drawnAt: time.nullable(),
      bakeUntil: time.nullable(),
      passedAt: time.nullable(),
      verdict: verdict.nullable().describe('What the gate saw, the last time it judged since the wave began to bake'),
    }),
  ),
}

/** Where a campaign stands. */
export const campaignSchema = z.object(campaignFields).meta({ id: 'Campaign' })

export const campaignReportSchema = z
  .object({
    ...campaignFields,
    plan: planSchema,
    logEntries: count.describe('All there are; the newest come with this answer'),
    log: z.array(
      z.object({
        at: time,
        event: z.string(),
        by: z.string(),
        claimed: z.boolean().describe('Nobody has checked who it was'),
        why: z.string().nullable(),
        data: z.record(z.string(), z.unknown()).nullable(),
      }),
    ),
  })
  .meta({ id: 'CampaignReport' })

export const memberStandingSchema = z
  .object({
    campaignId: z.string(),
    memberId: z.string(),
    wave: count.nullable().describe('The wave of their cohort'),
    state: z.enum(MEMBER_STATES).nullable().describe('Null while the campaign has not taken them'),
    reason: reason.nullable(),
    takenAt: time.nullable(),
    announcedAt: time.nullable(),
    enforceAt: time.nullable().describe('The date that was announced'),
    enforcedAt: time.nullable(),
    releasedAt: time.nullable(),
    reconsiderAt: time.nullable().describe('When time alone changes the decision: of age, or the exemption over'),
    isSmsMandatory: z.boolean().describe('At this moment, for the next challenge'),
    exemption: z.object({ until: time, by: z.string(), claimed: z.boolean(), why: z.string(), at: time }).nullable(),
    notices: z.array(
      z.object({
        kind: z.enum(['announcement', 'own_settings']),
        state: z.enum(['due', 'sending', 'accepted', 'refused', 'dropped']),
        channel: z.enum(['sms', 'email']).nullable(),
        acceptedAt: time.nullable(),
        delivery: z.enum(['delivered', 'failed']).nullable(),
      }),
    ),
  })
  .meta({ id: 'CampaignMember' })

/** What goes in, before defaults, and what comes out: for clients in TypeScript. */
export type PlanBody = z.input<typeof planBody>
export type CommandBody = z.input<typeof commandBody>
export type PlannedAnswer = z.output<typeof plannedSchema>
export type CampaignListAnswer = z.output<typeof campaignListSchema>
export type CampaignAnswer = z.output<typeof campaignSchema>
export type CampaignReportAnswer = z.output<typeof campaignReportSchema>
export type CampaignMemberAnswer = z.output<typeof memberStandingSchema>
