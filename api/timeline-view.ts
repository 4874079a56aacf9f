/**
 * The timeline of a challenge (O2), as support reads it: everything that happened, in its order, and never the code.
 */
import { z } from 'zod'
import type { Policy } from '../config.ts'
import { VERDICTS } from '../domain/challenge.ts'
import type { ChallengeRecord } from '../postgres/timeline.ts'
import { viewOf } from './challenge-view.ts'
import { isoTime } from './iso-time.ts'
import { challengeSchema, channel, count, time } from './schemas.ts'

const stepSchema = z.discriminatedUnion('step', [
  z.object({ step: z.literal('admitted'), at: time, by: z.string().describe('Who asked for it') }),
  z.object({
    step: z.literal('sending'),
    at: time.describe('When the first request to a provider began, and with it the life of the code'),
    channel: channel.optional(),
    failedOverFrom: channel.optional().describe('The channel that it began with'),
  }),
  z.object({ step: z.literal('sent'), at: time, provider: z.string().optional().describe('Who took the message') }),
  z.object({
    step: z.enum(['delivered', 'failed']),
    at: time.describe("By the provider's clock"),
    provider: z.string(),
    reason: z.string().optional(),
  }),
  z.object({
    step: z.literal('attempt'),
    at: time,
    verdict: z.enum(VERDICTS),
    attemptsLeft: count,
    via: z.enum(['http', 'page', 'signal', 'update', 'nexus']).describe('How the code came'),
  }),
  z.object({ step: z.literal('closed'), at: time, outcome: z.string(), reason: z.string().optional() }),
])
export type TimelineStep = z.infer<typeof stepSchema>

export const timelineSchema = z
  .object({
    challenge: challengeSchema.extend({ startedBy: z.string(), admittedAt: time }),
    timeline: z.array(stepSchema).describe('In the order of time'),
  })
  .meta({ id: 'ChallengeTimeline' })
export type TimelineAnswer = z.infer<typeof timelineSchema>

export function timelineOf(record: ChallengeRecord, policy: Pick<Policy, 'maxAttempts'>): TimelineAnswer {
  const { challenge } = record
  return {
    challenge: { ...viewOf(challenge, policy), startedBy: challenge.caller, admittedAt: isoTime(challenge.admittedAt) },
    // The order of writing stands where times are equal.
    timeline: stepsOf(record).toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)),
  }
}

function stepsOf({ challenge, provider, failedOverFrom, attempts, receipts }: ChallengeRecord): TimelineStep[] {
  const { admittedAt, caller, sendBeganAt, sentAt, closedAt, outcome, reason } = challenge
  return [
    { step: 'admitted', at: isoTime(admittedAt), by: caller },
    ...(sendBeganAt === null
      ? []
      : [
          {
            step: 'sending' as const,
            at: isoTime(sendBeganAt),
            ...(challenge.channel !== null && { channel: challenge.channel }),
            ...(failedOverFrom !== null && { failedOverFrom }),
          },
        ]),
    ...(sentAt === null
      ? []
      : [{ step: 'sent' as const, at: isoTime(sentAt), ...(provider !== null && { provider }) }]),
    ...receipts.map((receipt) => ({
      step: receipt.kind === 'failed' ? ('failed' as const) : ('delivered' as const),
      at: isoTime(receipt.at),
      provider: receipt.provider,
      ...(receipt.reason !== null && { reason: receipt.reason }),
    })),
    ...attempts.map(({ at, attemptId, verdict, attemptsLeft }) => ({
      step: 'attempt' as const,
      at: isoTime(at),
      verdict,
      attemptsLeft,
      via: wayOf(attemptId),
    })),
    ...(closedAt === null || outcome === null
      ? []
      : [{ step: 'closed' as const, at: isoTime(closedAt), outcome, ...(reason !== null && { reason }) }]),
  ]
}

/** The id itself stays here: a caller's idempotency key stands in it. */
function wayOf(attemptId: string): 'http' | 'page' | 'signal' | 'update' | 'nexus' {
  for (const way of ['page', 'nexus', 'http'] as const) if (attemptId.startsWith(`${way}:`)) return way
  const [, way] = /^[0-9a-f-]{36}:(signal|update):/.exec(attemptId) ?? []
  return (way as 'signal' | 'update' | undefined) ?? 'http'
}
