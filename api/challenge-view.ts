/**
 * A challenge as callers see it: the destination masked (C12), what is not there left out.
 */
import type { Policy } from '../config.ts'
import { maskDestination } from '../domain/mask.ts'
import type { Challenge } from '../postgres/challenges.ts'
import { isoTime } from './iso-time.ts'

export function viewOf(challenge: Challenge, policy: Pick<Policy, 'maxAttempts'>) {
  const { challengeId, memberId, purpose, channel, destination, outcome, sentAt, expiresAt, closedAt } = challenge
  const { reason, advice, continues, continuedBy, attempts } = challenge
  // A receipt may come before our own record that the message was taken (D7).
  const delivery = challenge.delivery ?? (sentAt === null ? null : ('accepted' as const))
  return {
    challengeId,
    memberId,
    purpose,
    status: outcome ?? (sentAt === null ? ('sending' as const) : ('open' as const)),
    attemptsLeft: Math.max(0, policy.maxAttempts - attempts),
    ...(channel !== null && { channel }),
    ...(channel !== null && destination !== null && { destination: maskDestination(channel, destination) }),
    ...(sentAt !== null && { sentAt: isoTime(sentAt) }),
    ...(delivery !== null && { delivery }),
    ...(expiresAt !== null && { expiresAt: isoTime(expiresAt) }),
    ...(closedAt !== null && { closedAt: isoTime(closedAt) }),
    ...(reason !== null && { reason }),
    ...(advice !== null && { advice }),
    ...(continues !== null && { continues }),
    ...(continuedBy !== null && { continuedBy }),
  }
}
