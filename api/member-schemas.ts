/**
 * Members as support sees them, and what it does for them (U1).
 */
import { z } from 'zod'
import { ADVICE } from '../domain/challenge.ts'
import { challengeSchema, channel, count, memberId, time, why } from './schemas.ts'

/** Any string is taken: one that is no id is an unknown member. */
export const memberParams = z.object({ memberId: z.string().meta({ pattern: '^[A-Za-z0-9_-]{1,64}$' }) })

export const unlockBody = z.strictObject({ why: why('For the record') })

export const memberSchema = z
  .object({
    memberId,
    status: z.enum(['active', 'withdrawn']).describe('To who is withdrawn no code goes'),
    country: z.string().optional().describe('Of residence'),
    language: z.string().optional(),
    notificationPreference: channel.optional(),
    isSmsMandatory: z.boolean().optional().describe('At this moment, for the next challenge'),
    mandatorySince: time.optional().describe('When a campaign made it mandatory'),
    exemption: z
      .object({ until: time, by: z.string(), claimed: z.boolean(), why: z.string(), at: time })
      .optional()
      .describe('From mandatory SMS'),
    destinations: z
      .array(
        z.object({
          channel,
          destination: z.string().describe('Masked'),
          isUsable: z.boolean(),
          reason: z
            .enum(['phone_country_not_allowed', 'phone_range_not_allowed', 'undeliverable_email'])
            .optional()
            .describe('Why it is not usable'),
        }),
      )
      .optional(),
    channel: channel.optional().describe('Which way the next code would go, if its caller asks for none'),
    because: z.enum(['sms_mandatory', 'preference', 'default', 'other_unusable']).optional().describe('Why that way'),
    reason: z.string().optional().describe('Why no code can be sent'),
    advice: z.enum(ADVICE).optional().describe('With reason: what the member should do'),
    failures: count.describe('Wrong codes in a row, over all challenges'),
    isLocked: z.boolean(),
    lockedUntil: time.optional().describe('Absent, while it is locked: until somebody unlocks'),
    unlocked: z.object({ at: time, by: z.string(), why: z.string().optional() }).optional().describe('The last time'),
    refusedStarts: z
      .array(z.object({ purpose: z.string(), reason: z.string(), startedBy: z.string(), at: time }))
      .describe('The newest first: why no code was sent; the words of `otp_refusals_total`'),
    challenges: z
      .array(challengeSchema.extend({ startedBy: z.string(), admittedAt: time }))
      .describe('The newest first'),
  })
  .meta({ id: 'Member' })

export const unlockedSchema = z
  .object({
    memberId,
    isUnlocked: z.boolean().describe('false: nothing was locked, and no wrong code was counted'),
    at: time,
  })
  .meta({ id: 'Unlocked' })

export type MemberAnswer = z.infer<typeof memberSchema>
export type UnlockedAnswer = z.infer<typeof unlockedSchema>
export type UnlockBody = z.input<typeof unlockBody>
