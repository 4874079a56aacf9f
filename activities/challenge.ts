/**
 * What a challenge asks of the world outside its workflow.
 */
import { randomBytes } from 'node:crypto'
import { ApplicationFailure, Context } from '@temporalio/activity'
import { deriveCode, deriveSeal, type CodeMaterial } from '../codes/code.ts'
import { answerOf, judgeCode, type Judge } from '../codes/judge-code.ts'
import { TEMPORAL_CALLER, type Config } from '../config.ts'
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
import { renderMessage } from '../messages/code-message.ts'
import { admitChallenge, moveToOtherChannel, refusalWord } from '../postgres/admission.ts'
import {
  closeChallenge,
  openAndStamp,
  readChallenge,
  recordRefusal,
  recordSent,
  resultOf,
  tellOutcome,
  type Challenge,
  type SendStamp,
} from '../postgres/challenges.ts'
import { SendError, type Message, type Provider } from '../providers/provider.ts'

export interface ChallengeActivityDependencies extends Judge {
  readonly providers: Readonly<Record<Channel, Provider>>
  readonly delivery: Config<'providers'>['providers']
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

export type ChallengeActivities = ReturnType<typeof createChallengeActivities>

export function createChallengeActivities(dependencies: ChallengeActivityDependencies) {
  const { sql, policy, codes, providers, delivery, onRefusal } = dependencies

  const activities = {
    /**
     * Opens the challenge, sends its code, and records that a provider took it (C2 c, C4, C10). Where the provider
     * refuses for good, the same code goes by the other channel (D6). Safe to repeat: the ten minutes start once, and a
     * repeated send carries the same code.
     *
     * @throws a retryable failure where the provider or Postgres may do better the next time
     */
    async sendCode(input: ChallengeInput): Promise<Sent | Closed> {
      const runId = Context.current().info.workflowExecution!.runId
      let stamp = await stampSend(input, runId)
      if (stamp.kind === 'unadmitted') {
        const refusal = await admitHere(input, runId)
        if (refusal) return refusal
        stamp = await stampSend(input, runId)
      }
      if (stamp.kind === 'closed') return { closed: resultOf(stamp.challenge) }
      if (stamp.kind !== 'send') {
        return { closed: { challengeId: input.challengeId, outcome: 'refused', reason: 'challenge_id_used' } }
      }

      const { channel } = stamp.challenge
      const material = materialOf(stamp)
      const seal = deriveSeal(codes.masterKeys, material)
      if (stamp.alreadySent) return sent(stamp.challenge, stamp.remainingMs, seal)
      const provider = providers[channel!]
      try {
        const messageId = await provider.send(messageFor(stamp, material), Context.current().cancellationSignal)
        const { challenge, remainingMs } = await recordSent(sql, input.challengeId, provider.id, messageId)
        return sent(challenge, remainingMs, seal)
      } catch (error) {
        if (!(error instanceof SendError)) throw error
        if (error.kind === 'permanent') {
          const isMoved = await failOverFrom(stamp.challenge)
          return isMoved ? activities.sendCode(input) : giveUp(input.challengeId, 'rejected_by_provider')
        }
        // What will be too late then is so now: the member need not wait to be told.
        if ((error.retryAfterMs ?? 0) > stamp.remainingMs - policy.minLifeSeconds * 1000) {
          return giveUp(input.challengeId, 'too_late')
        }
        throw ApplicationFailure.create({
          message: `${provider.id}: ${error.message}`,
          type: error.kind,
          ...(error.retryAfterMs !== undefined && { nextRetryDelay: error.retryAfterMs }),
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
     * Judges an attempt that came as a signal or an Update (C5).
     *
     * @returns the answer, and the challenge's result where one stands
     * @throws a non-retryable failure `invalid_code` or `unknown_challenge`
     */
    async checkCode({
      challengeId,
      code,
      attemptId,
    }: VerifyCodeInput & { attemptId: string }): Promise<{ answer: VerifyCodeResult; closed?: ChallengeResult }> {
      const normalised = normaliseCode(code, codes.digits)
      if (normalised === undefined) {
        throw ApplicationFailure.nonRetryable(`a code has ${codes.digits} digits`, 'invalid_code')
      }
      const judgement = await judgeCode(dependencies, { challengeId, code: normalised, attemptId, fromWorkflow: true })
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

  /** @returns whether the challenge is on the other channel now, by this call */
  async function failOverFrom(challenge: Challenge): Promise<boolean> {
    const move = await moveToOtherChannel(sql, policy, challenge)
    if (move.kind === 'refused') onRefusal('failover', move.reason)
    return move.kind === 'moved'
  }

  function stampSend({ challengeId, memberId }: ChallengeInput, runId: string): Promise<SendStamp> {
    const keyId = codes.masterKeys.current
    return openAndStamp(sql, { challengeId, memberId, runId, keyId, nonce: randomBytes(16) }, policy)
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
