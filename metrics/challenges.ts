/**
 * How challenges go (O4). Each is counted where all of its kind come by: outcomes at the outbox relay, whoever closed the
 * challenge; what a provider took, in the worker that sent it; what a provider says of delivery, in the API.
 */
import { Counter, Histogram, type Registry } from 'prom-client'

/** Under a second it is our own work, beyond it the provider's, and up to ten minutes the member's. */
const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** What is told of a challenge in its event. */
export interface ClosedChallenge {
  readonly outcome: string
  readonly purpose: string
  readonly reason?: string
  /** Absent where it was refused before a channel was chosen. */
  readonly channel?: string
  readonly sentAt?: string
  readonly closedAt: string
}

const secondsBetween = (from: string, to: string) => Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000)

/** What is published later than this is sent again on demand, and was counted before. */
const LATEST_SECONDS = 3_600

/** @returns what counts an outcome as it is published; where the relay failed in between, one may be counted twice */
export function countOutcomes(registry: Registry) {
  const outcomes = new Counter({
    name: 'otp_challenges_total',
    help: 'Challenges that ended, by outcome',
    labelNames: ['outcome', 'channel', 'purpose'],
    registers: [registry],
  })
  const verified = new Histogram({
    name: 'otp_challenge_verified_seconds',
    help: 'From the acceptance by a provider to the right code',
    labelNames: ['channel'],
    buckets: SECONDS,
    registers: [registry],
  })
  return ({ outcome, purpose, reason, channel = 'none', sentAt, closedAt }: ClosedChallenge): void => {
    if (secondsBetween(closedAt, new Date().toISOString()) > LATEST_SECONDS) return
    // What a Temporal client made up is no label.
    outcomes.inc({ outcome, channel, purpose: reason === 'unknown_purpose' ? 'unknown' : purpose })
    if (outcome === 'verified' && sentAt !== undefined) verified.observe({ channel }, secondsBetween(sentAt, closedAt))
  }
}

/** @returns what measures how long a code took from its admission to the acceptance by a provider */
export function measureSending(registry: Registry) {
  const sent = new Histogram({
    name: 'otp_challenge_sent_seconds',
    help: 'From the admission of a challenge to the acceptance of its message by a provider',
    labelNames: ['channel'],
    buckets: SECONDS,
    registers: [registry],
  })
  return (channel: string, admittedAt: string, sentAt: string): void =>
    sent.observe({ channel }, secondsBetween(admittedAt, sentAt))
}

export const createDeliveryHistogram = (registry: Registry) =>
  new Histogram({
    name: 'otp_challenge_delivered_seconds',
    help: 'From the acceptance by a provider until it told us of the delivery',
    labelNames: ['channel'],
    buckets: SECONDS,
    registers: [registry],
  })
