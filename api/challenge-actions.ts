/**
 * Starting, continuing and verifying challenges, as callers over HTTP and members on their pages do it alike.
 */
import { startChallenge, type Start, type StartRequest } from '../client/start-challenge.ts'
import { verifyCode } from '../client/verify-code.ts'
import type { Submission } from '../codes/judge-code.ts'
import type { Channel, VerifyCodeResult } from '../domain/challenge.ts'
import { toMobileNumber } from '../phones/mobile-number.ts'
import { refusalWord } from '../postgres/admission.ts'
import { readChallenge, type Challenge } from '../postgres/challenges.ts'
import { annotate } from '../tracing/spans.ts'
import type { RouteDeps } from './deps.ts'
import { handedOver } from './hand-over.ts'
import { problem } from './problems.ts'
import { refusalOf } from './refusal.ts'

/** What says how a challenge is continued; the rest is as with the older one. */
export interface Resend extends Pick<StartRequest, 'ipHash' | 'idempotency' | 'locale'> {
  /** Where absent that of the older challenge, if its provider takes codes. */
  readonly channel?: Channel
}

export interface ChallengeActions {
  /**
   * Starts a challenge, and waits until its code is handed over to a provider, though not for ever.
   *
   * @returns the challenge as it then stands; no provider may have taken its code
   * @throws {ProblemError} a refusal
   */
  start(request: StartRequest): Promise<Challenge>
  /** Starts a newer challenge that continues `older` (C14). @throws {ProblemError} as {@link start} */
  resend(older: Challenge, how: Resend): Promise<Challenge>
  /** Judges a code. @returns nothing for an unknown challenge, or one that `startedBy` did not start */
  verify(submission: Omit<Submission, 'fromWorkflow'>): Promise<VerifyCodeResult | undefined>
  /** @throws {ProblemError} `undeliverable`, where a challenge that was just started has ended so */
  requireDeliverable(challenge: Challenge): void
}

export function createChallengeActions(deps: RouteDeps): ChallengeActions {
  const { temporal, policy, codes, background, metrics, inPostgres } = deps

  const start: ChallengeActions['start'] = async (request) => {
    const started = await inPostgres((sql) => startChallenge({ sql, temporal, policy }, request))
    if (!('challenge' in started)) throw refused(started)
    if (started.kind === 'admitted') metrics.started.inc()
    const { challengeId, purpose, channel } = started.challenge
    annotate({ 'otp.challenge_id': challengeId, 'otp.purpose': purpose, 'otp.channel': channel ?? 'none' })
    return handedOver(deps, started)
  }

  function refused(start: Exclude<Start, { challenge: Challenge }>) {
    metrics.refusals.inc({ at: 'http', reason: refusalWord(start) })
    return refusalOf(start)
  }

  return {
    start,
    requireDeliverable({ outcome, reason, advice }) {
      if (outcome !== 'undeliverable') return
      throw refused({ kind: 'undeliverable', reason: reason ?? 'not_sent', advice: advice ?? 'contact_center' })
    },
    async resend(older, { channel: asked, ...how }) {
      const { continuedBy } = older
      const newest = continuedBy === null ? older : await inPostgres((sql) => readChallenge(sql, continuedBy))
      const channel = asked ?? (older.isSmsForced ? 'sms' : undefined)
      const likeChannel = newest?.channel ?? undefined
      return start({
        memberId: older.memberId,
        purpose: older.purpose,
        // Whoever started the older one sees the newer one too.
        caller: older.caller,
        continues: older.challengeId,
        ...(older.language !== null && { locale: older.language }),
        ...(channel && { channel }),
        ...(likeChannel && { likeChannel }),
        ...registeringOf(older),
        ...how,
      })
    },
    async verify(submission) {
      const verified = await inPostgres((sql) => verifyCode({ sql, temporal, policy, codes }, submission))
      if (verified === undefined) return undefined
      background.add('tell of a verdict', verified.told)
      metrics.verdicts.inc({ result: verified.answer.result })
      return verified.answer
    },
  }
}

/** The number being registered is that of the older challenge; gone where the member was erased. */
function registeringOf({ purpose, destination }: Challenge): Pick<StartRequest, 'registering'> {
  if (purpose !== 'register_phone') return {}
  const registering = destination === null ? undefined : toMobileNumber(destination, 'JP')
  if (registering === undefined)
    throw problem('challenge_closed', 'The number is no longer known: start a new challenge with it.')
  return { registering }
}
