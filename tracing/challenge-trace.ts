/**
 * The trace of a challenge: that of the request that started it, where that was traced; else one of its own.
 */
import { context, SpanStatusCode, trace, type Attributes, type TimeInput } from '@opentelemetry/api'
import { beginSpan } from './spans.ts'
import { placeOfChallenge, writeTraceparent } from './traceparent.ts'

export interface TracedChallenge {
  readonly challengeId: string
  /** As it was kept with the challenge. */
  readonly traceparent: string | null
}

export interface ChallengeStep {
  readonly attributes?: Attributes
  readonly startTime?: TimeInput
  readonly isFailed?: boolean
}

/**
 * Records a step of a challenge that has just been taken, in the challenge's trace, with a link to the request that took it.
 *
 * @param then what follows from it, which is under way within it
 */
export function recordStep<T = void>(
  name: string,
  { challengeId, traceparent }: TracedChallenge,
  { attributes, startTime, isFailed = false }: ChallengeStep,
  then?: () => T,
): T | undefined {
  const own = placeOfChallenge(challengeId)
  const span = beginSpan(name, {
    within: traceparent ?? (own && writeTraceparent(own)),
    linked: true,
    attributes: { 'otp.challenge_id': challengeId, ...attributes },
    ...(startTime !== undefined && { startTime }),
  })
  if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR })
  const followed = then && context.with(trace.setSpan(context.active(), span), then)
  span.end()
  return followed
}
