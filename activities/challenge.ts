/**
 * What a challenge asks of the world outside its workflow.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { ApplicationFailure, Context, log } from '@temporalio/activity'
import type { Client } from '@temporalio/client'
import { deriveCode, deriveSeal, type CodeMaterial } from '../codes/code.ts'
import { answerOf, judgeCode, type Judge } from '../codes/judge-code.ts'
import type { Config } from '../config.ts'
import { TEMPORAL_CALLER } from '../config/callers.ts'
import {
  normaliseCode,
  type Channel,
  type ChallengeInput,
  type ChallengeResult,
  type VerifyCodeInput,
  type VerifyCodeResult,
} from '../domain/challenge.ts'
import { smsSender } from '../domain/destination.ts'
import { maskDestination } from '../domain/mask.ts'
import { sendRetryDelay, type SendRetry } from '../domain/send-retry.ts'
import { renderMessage } from '../messages/code-message.ts'
import { admitChallenge, moveToOtherChannel, refusalWord, wayAroundPause } from '../postgres/admission.ts'
import {
  closeChallenge,
  moveAroundPause,
  openAndStamp,
  readChallenge,
  recordRefusal,
  recordSent,
  refuseFailover,
  resultOf,
  takeBackRequest,
  tellOutcome,
  type Challenge,
  type SendStamp,
} from '../postgres/challenges.ts'
import { followRun } from '../postgres/sweep.ts'
import { noteSendError, paceOf, type SlotRequest, type SlotWait } from '../postgres/provider-pace.ts'
import { SendError, type Message, type Provider } from '../providers/provider.ts'
import { areOfOneExecution } from '../temporal/open-execution.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { refuseUnkeepable } from './unkeepable.ts'

export interface ChallengeActivityDependencies extends Judge {
  readonly temporal: Client
  readonly providers: Readonly<Record<Channel, Provider>>
  readonly delivery: Config<'providers'>['providers']
  /** Hears of each code that a provider took, with the times of the admission and of the acceptance. */
  readonly onSent?: (channel: Channel, admittedAt: string, sentAt: string) => void
  /** Hears of each refusal, in one word. */
  readonly onRefusal: (at: 'workflow' | 'failover', reason: string) => void
}

/** A code was handed to a provider; `destination` is masked. */
export interface Sent {
  readonly remainingMs: number
  /** With which our API proves an outcome to the workflow. */
  readonly seal: string
  readonly status: {
    readonly channel: Channel
    readonly destination: string
    readonly expiresAt: string
    readonly attemptsLeft: number
  }
}

export interface Closed {
  readonly closed: ChallengeResult
}

/**
 * How far ahead a slot at a provider may be reserved, which is waited for inside the activity. After an outage or in a
 * rush, a newcomer finds room that those who try again could not take.
 */
const FIRST_TRY_WITHIN_MS = 2_000
const LATER_TRY_WITHIN_MS = 500
/**
 * How long a try waits here for pauses to end. That costs a statement each, and a new try some of the engine's too; for a
 * dead provider, whose pauses follow each other, only a first try waits.
 */
const PATIENCE_MS = 2_000
const SPREAD_MS = 300
/** Between requests of one challenge: many at once are held back by the pace, so each may come again soon. */
const OWN_BACKOFF_MS = 4_000
/** Between looks of one that waits with many others. */
const BACKLOG_BACKOFF_MS = 10_000
/** A probe by somebody who has another way is given up after so long, and the code goes that way. */
const PROBE_PATIENCE_MS = 1_500
/** Beyond that no header of a provider is believed; it is asked again long before, by a probe. */
const LONGEST_PAUSE_MS = 86_400_000

export type ChallengeActivities = ReturnType<typeof createChallengeActivities>

export function createChallengeActivities(dependencies: ChallengeActivityDependencies) {
  const { sql, temporal, policy, codes, providers, delivery, onRefusal, onSent } = dependencies
  const pace = paceOf(delivery, providers)

  const activities = {
    /**
     * Opens the challenge, sends its code, and records that a provider took it (C2 c, C4, C10). Where the provider
     * refuses for good, or is paused or dead, the same code goes by the other channel where policy allows (D6). Safe to
     * repeat: the ten minutes start once, and a repeated send carries the same code.
     *
     * @throws a retryable failure where the provider or Postgres may do better the next time
     */
    async sendCode(input: ChallengeInput): Promise<Sent | Closed> {
      const runId = Context.current().info.workflowExecution!.runId
      let stamp = await stampInTurn(input, runId)
      if (stamp.kind === 'unadmitted') {
        const refusal = await admitHere(input, runId)
        if (refusal) return refusal
        stamp = await stampInTurn(input, runId)
      }
      if (stamp.kind === 'id_used' && (await goesOn(input, runId))) stamp = await stampInTurn(input, runId)
      if (stamp.kind === 'closed') return { closed: resultOf(stamp.challenge) }
      if (stamp.kind === 'wait') return afterWait(input, stamp)
      if (stamp.kind !== 'send') {
        return { closed: { challengeId: input.challengeId, outcome: 'refused', reason: 'challenge_id_used' } }
      }

      const material = materialOf(stamp)
      const seal = deriveSeal(codes.masterKeys, material)
      if (stamp.alreadySent) return sent(stamp.challenge, stamp.remainingMs, seal)
      const provider = providers[stamp.challenge.channel!]
      const signal = await patienceOf(stamp)
      const began = performance.now()
      try {
        const messageId = await provider.send(messageFor(stamp, material), signal)
        const tookMs = performance.now() - began
        const { challenge, remainingMs } = await recordSent(sql, input.challengeId, provider.id, messageId, tookMs)
        onSent?.(challenge.channel!, challenge.admittedAt, challenge.sentAt!)
        return sent(challenge, remainingMs, seal)
      } catch (error) {
        if (!(error instanceof SendError)) throw error
        const tookMs = performance.now() - began
        await shareWithOthers(provider, error, tookMs)
        // An account that is refused is not mended in a second: who has the other channel gets the code there at once.
        if (error.kind === 'permanent' || error.kind === 'account') {
          if (await failOverFrom(stamp.challenge)) return activities.sendCode(input)
          if (error.kind === 'permanent') return giveUp(input.challengeId, 'rejected_by_provider')
        }
        // A 429 took nothing, whatever else is wrong.
        if (error.kind === 'limited' && !stamp.askedBefore) await takeBackRequest(sql, input.challengeId)
        if (await goesAroundPause(stamp.challenge)) return activities.sendCode(input)
        const { attempt } = Context.current().info
        const leftMs = stamp.remainingMs - policy.minLifeSeconds * 1000 - tookMs
        return tryLater(input, error.kind, error.message, {
          attempt,
          mostBackoffMs: OWN_BACKOFF_MS,
          notBeforeMs: Math.min(error.retryAfterMs ?? 0, delivery.pauseMostMs),
          leftMs,
        })
      }
    },

    /**
     * D7: a negative receipt stands, so the same code goes by the other channel, where policy allows. Safe to repeat.
     *
     * @returns `undefined` where nothing is sent: the message has not failed, or there is no other way
     */
    async failOver(input: ChallengeInput): Promise<Sent | Closed | undefined> {
      const challenge = await readChallenge(sql, input.challengeId)
      if (challenge === undefined) return undefined
      const isMoved = challenge.sentAt === null || (challenge.delivery === 'failed' && (await failOverFrom(challenge)))
      return isMoved ? activities.sendCode(input) : undefined
    },

    /**
     * Judges an attempt that came as a signal or an Update to the execution of this member (C5).
     *
     * @returns the answer, and the challenge's result where one stands
     * @throws a non-retryable failure `invalid_code`, `unknown_challenge`, or `invalid_request` for an id that cannot be kept
     */
    async checkCode({
      challengeId,
      code,
      attemptId,
      memberId,
    }: VerifyCodeInput & { attemptId: string; memberId: string }): Promise<{
      answer: VerifyCodeResult
      closed?: ChallengeResult
    }> {
      const normalised = normaliseCode(code, codes.digits)
      if (normalised === undefined) {
        throw ApplicationFailure.nonRetryable(`a code has ${codes.digits} digits`, 'invalid_code')
      }
      const attempt = { challengeId, code: normalised, attemptId, memberId, fromWorkflow: true }
      // The id is the caller's own, of an Update.
      const judgement = await judgeCode(dependencies, attempt).catch((error: unknown) =>
        refuseUnkeepable(error, 'invalid_request'),
      )
      if (judgement === undefined) throw ApplicationFailure.nonRetryable('no such challenge', 'unknown_challenge')
      return {
        answer: answerOf(judgement),
        ...(judgement.challenge.outcome !== null && { closed: resultOf(judgement.challenge) }),
      }
    },

    /** The outcome that stands, if one does; from now on the execution counts as told. */
    async readOutcome({ challengeId }: { challengeId: string }): Promise<ChallengeResult | undefined> {
      const challenge = await tellOutcome(sql, challengeId)
      return challenge && resultOf(challenge)
    },

    /** Closes the challenge, unless an outcome stands already or, with `expired`, time is left. */
    async closeChallenge({
      challengeId,
      as,
      reason,
    }: {
      challengeId: string
      as: 'expired' | 'cancelled' | 'undeliverable'
      reason?: string
    }): Promise<{ closed?: ChallengeResult; remainingMs?: number }> {
      const standing = await closeStanding(challengeId, as, reason)
      // Cancelled before its first statement ran: there is nothing that an outcome could stand on.
      if (standing === undefined) return { closed: { challengeId, outcome: as } }
      const { challenge, remainingMs } = standing
      return challenge.outcome === null ? { remainingMs: remainingMs! } : { closed: resultOf(challenge) }
    },
  }

  return activities

  function closeStanding(challengeId: string, as: 'expired' | 'cancelled' | 'undeliverable', reason?: string) {
    return closeChallenge(
      sql,
      {
        challengeId,
        as,
        ...(reason !== undefined && { reason }),
        ...(as === 'undeliverable' && { advice: 'contact_center' }),
        fromWorkflow: true,
      },
      policy,
    )
  }

  async function giveUp(challengeId: string, reason: string): Promise<Closed> {
    const { challenge } = (await closeStanding(challengeId, 'undeliverable', reason))!
    return { closed: resultOf(challenge) }
  }

  /**
   * That there is no other way is recorded: no later receipt asks again, and it counts once.
   *
   * @returns whether the challenge is on the other channel now, by this call
   */
  async function failOverFrom(challenge: Challenge): Promise<boolean> {
    const move = await moveToOtherChannel(sql, policy, challenge)
    if (move.kind === 'moved') return true
    const reason = move.kind === 'refused' ? move.reason : 'stays'
    const isFirst = await refuseFailover(sql, challenge.challengeId, reason)
    if (isFirst && move.kind === 'refused') onRefusal('failover', reason)
    return false
  }

  /** @returns whether the code goes by the member's other way now, since its provider is paused or dead */
  async function goesAroundPause(challenge: Challenge): Promise<boolean> {
    const way = await wayAroundPause(sql, policy, challenge)
    return way !== undefined && moveAroundPause(sql, challenge.challengeId, way, policy)
  }

  /** Who only asks whether a provider is back, and has another way, does not wait long for it. */
  async function patienceOf({ isProbe, challenge }: SendStamp & { kind: 'send' }): Promise<AbortSignal> {
    const { cancellationSignal } = Context.current()
    if (!isProbe || (await wayAroundPause(sql, policy, challenge)) === undefined) return cancellationSignal
    return AbortSignal.any([cancellationSignal, AbortSignal.timeout(PROBE_PATIENCE_MS)])
  }

  /**
   * Stamps the send when the provider may be called (D8). Where it is paused or dead and the code may go another way, it
   * goes that way at once. What is soon is waited for here, before the ten minutes begin, and asked again, since a newer
   * challenge may have opened meanwhile.
   */
  async function stampInTurn(input: ChallengeInput, runId: string): Promise<SendStamp> {
    const isFirst = Context.current().info.attempt === 1
    const withinMs = isFirst ? FIRST_TRY_WITHIN_MS : LATER_TRY_WITHIN_MS
    let patience = PATIENCE_MS
    let holdsSlot = false
    let mayGoAround = true
    for (;;) {
      const stamp = await stampSend(input, runId, { withinMs, holdsSlot })
      if (stamp.kind !== 'wait') return stamp
      if (mayGoAround && stamp.why !== 'busy') {
        mayGoAround = false
        if (await goesAroundPause(stamp.challenge)) continue
      }
      const waitMs = stamp.isReserved ? stamp.inMs : waitWithoutSlot(stamp, patience, isFirst)
      if (waitMs === undefined || waitMs > stamp.leftMs) return stamp
      await pause(waitMs)
      if (!stamp.isReserved) patience -= waitMs
      holdsSlot = stamp.isReserved
    }
  }

  function stampSend(
    { challengeId, memberId }: ChallengeInput,
    runId: string,
    request: SlotRequest,
  ): Promise<SendStamp> {
    const stamp = { challengeId, memberId, runId, keyId: codes.masterKeys.current, nonce: randomBytes(16) }
    return openAndStamp(sql, stamp, policy, { ...pace, ...request })
  }

  /** D6: a 429's pause, and a provider that seems dead, concern all workers. */
  async function shareWithOthers({ id }: Provider, { kind, retryAfterMs }: SendError, tookMs: number): Promise<void> {
    // An abandoned request says nothing of the provider: a worker that shuts down abandons all it has.
    if (Context.current().cancellationSignal.aborted) return
    const pauseMs = Math.min(retryAfterMs ?? 0, LONGEST_PAUSE_MS)
    // A 429 that does not say for how long is a failure like others: only many in a row stop all. So is one of our account.
    const isOneOfMany = kind === 'account' || (kind === 'limited' && pauseMs === 0)
    const failure = { provider: id, kind: isOneOfMany ? 'temporary' : kind, pauseMs, tookMs } as const
    const isFirst = await noteSendError(sql, failure, pace)
    if (isFirst) log.warn('a provider is given a pause by all workers', { provider: id, kind })
  }

  /** The provider could not be called. A pause that was asked for ends when it ends, and does not grow by our tries. */
  function afterWait(input: ChallengeInput, { why, inMs, leftMs }: SlotWait): Promise<Closed> {
    const { attempt } = Context.current().info
    const when =
      why === 'limited'
        ? { attempt: 1, mostBackoffMs: BACKLOG_BACKOFF_MS, notBeforeMs: inMs, leftMs }
        : { attempt, mostBackoffMs: BACKLOG_BACKOFF_MS, worthInMs: inMs, leftMs }
    return tryLater(input, why, `the provider is ${why}`, when)
  }

  /**
   * Fails this try, so that Temporal makes the next one; gives up where that would be too late.
   *
   * @throws a retryable failure of this type
   */
  async function tryLater(
    { challengeId }: ChallengeInput,
    type: string,
    message: string,
    when: SendRetry,
  ): Promise<Closed> {
    const nextRetryDelay = sendRetryDelay(when)
    // What will be too late then is so now: the member need not wait to be told.
    if (nextRetryDelay === undefined) return giveUp(challengeId, 'too_late')
    throw ApplicationFailure.create({ message, type, nextRetryDelay })
  }

  /** Whether this is another run of the execution that opened the challenge, after a reset or by a cron. It counts as that one then. */
  async function goesOn({ challengeId, memberId }: ChallengeInput, runId: string): Promise<boolean> {
    const opened = await readChallenge(sql, challengeId)
    if (opened?.memberId !== memberId || opened.runId === null) return false
    if (!(await areOfOneExecution(temporal, challengeWorkflowId(memberId), runId, opened.runId))) return false
    await followRun(sql, challengeId, { from: opened.runId, to: runId })
    return true
  }

  /** A start that nobody admitted: by the Web UI, the CLI or a plain client. A refusal is its recorded outcome. */
  async function admitHere(input: ChallengeInput, runId: string): Promise<Closed | undefined> {
    const { challengeId, memberId, purpose } = input
    const admission = await admitChallenge(sql, policy, { challengeId, memberId, purpose, caller: TEMPORAL_CALLER })
    if ('challenge' in admission) return undefined
    onRefusal('workflow', refusalWord(admission))
    const refusal: ChallengeResult =
      admission.kind === 'undeliverable'
        ? { challengeId, outcome: 'undeliverable', reason: admission.reason, advice: admission.advice }
        : {
            challengeId,
            outcome: 'refused',
            reason: admission.kind === 'refused' ? admission.reason : admission.kind,
          }
    await recordRefusal(sql, { ...input, runId, ...refusal })
    return { closed: refusal }
  }

  /** @throws a retryable failure when the worker shuts down meanwhile */
  async function pause(milliseconds: number): Promise<void> {
    const signal = Context.current().cancellationSignal
    await wait(milliseconds, undefined, { signal }).catch(() => {
      throw ApplicationFailure.create({ message: 'the wait for the provider was abandoned', type: 'abandoned' })
    })
  }

  function materialOf({ challenge, keyId, nonce }: SendStamp & { kind: 'send' }): CodeMaterial {
    const { memberId, challengeId } = challenge
    return { memberId, challengeId, keyId, nonce: Buffer.from(nonce, 'hex') }
  }

  function messageFor(stamp: SendStamp & { kind: 'send' }, material: CodeMaterial): Message {
    const { challengeId, channel, destination, purpose } = stamp.challenge
    const code = deriveCode(codes.masterKeys, material, codes.digits)
    return {
      reference: challengeId,
      to: destination!,
      from: channel === 'sms' ? smsSender(stamp.mobileCarrier, delivery.vonage) : delivery.sendgrid.from,
      ttlSeconds: Math.ceil(stamp.remainingMs / 1000),
      ...renderMessage({
        channel: channel!,
        language: stamp.language,
        code,
        purpose,
        originHost: delivery.originHost,
        ttlMinutes: Math.ceil(policy.ttlSeconds / 60),
      }),
    }
  }

  function sent({ channel, destination, expiresAt, attempts }: Challenge, remainingMs: number, seal: string): Sent {
    return {
      seal,
      remainingMs: Math.max(remainingMs, 1),
      status: {
        channel: channel!,
        destination: maskDestination(channel!, destination ?? ''),
        expiresAt: new Date(expiresAt!).toISOString(),
        attemptsLeft: policy.maxAttempts - attempts,
      },
    }
  }
}

/**
 * How long a try waits here that was given no slot; `undefined` where it shall come again instead. One of those who wait
 * for a dead provider tries it; the others look again at the end of their patience, when that one may have its answer.
 */
function waitWithoutSlot({ why, inMs }: SlotWait, patience: number, isFirst: boolean): number | undefined {
  const spread = inMs + Math.random() * SPREAD_MS
  if (why === 'limited') return spread <= patience ? spread : undefined
  return why === 'dead' && isFirst && patience > 0 ? Math.min(spread, patience) : undefined
}
