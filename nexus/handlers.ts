/**
 * What the Nexus service `otp` does (U3), in the challenge worker: as the HTTP API does, by the same functions.
 */
import { createHash } from 'node:crypto'
import { ApplicationFailure, type Client } from '@temporalio/client'
import { log, startWorkflow } from '@temporalio/nexus'
import {
  HandlerError,
  HandlerStartOperationResult,
  OperationError,
  serviceHandler,
  type OperationHandler,
  type ServiceHandler,
} from 'nexus-rpc'
import { z } from 'zod'
import { startChallenge } from '../client/start-challenge.ts'
import { cancelChallenge, verifyCode } from '../client/verify-code.ts'
import type { Judge } from '../codes/judge-code.ts'
import { TEMPORAL_CALLER } from '../config/callers.ts'
import {
  isChallengeId,
  isMemberId,
  isVerifyCodeInput,
  normaliseCode,
  type ChallengeResult,
  type ChallengeStatusResult,
  type VerifyCodeInput,
  type VerifyCodeResult,
} from '../domain/challenge.ts'
import { maskDestination } from '../domain/mask.ts'
import { refusalWord, type NotAdmitted } from '../postgres/admission.ts'
import { readChallenge, resultOf, type RefusalReason } from '../postgres/challenges.ts'
import { otpService, type ChallengeRequest, type Refusal } from './service.ts'

const UNDELIVERABLE = 'there is no usable destination, or no provider took the code'
/** BCP 47, by its shape. */
const LANGUAGE_TAG = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/

export interface OtpServiceDependencies extends Judge {
  readonly temporal: Client
  /** Hears of each refusal, in one word. */
  readonly onRefusal: (at: 'nexus', reason: string) => void
}

export function createOtpService(
  dependencies: OtpServiceDependencies,
): ServiceHandler<(typeof otpService)['operations']> {
  return serviceHandler(otpService, {
    challenge: challengeOperation(dependencies),
    challengeStatus: (_context, input) => statusOfNewest(dependencies, input),
    verifyCode: (context, input) => judgeOnce(dependencies, context.requestId, input),
  })
}

/**
 * The execution of the challenge is the operation's own: the engine completes the operation as it ends. Safe to repeat:
 * the server sends the same request id again where our answer was lost.
 */
function challengeOperation(dependencies: OtpServiceDependencies): OperationHandler<ChallengeRequest, ChallengeResult> {
  const { sql, temporal, policy, onRefusal } = dependencies
  return {
    async start(context, input) {
      const request = readRequest(input)
      const start = await startChallenge(
        {
          sql,
          temporal,
          policy,
          execute: (options) => startWorkflow(context, 'otpChallenge', options),
        },
        {
          ...request,
          caller: TEMPORAL_CALLER,
          idempotency: { key: `nexus:${context.requestId}`, requestHash: hashOf(request) },
        },
      )
      if (!('challenge' in start)) {
        onRefusal('nexus', refusalWord(start))
        throw refused(start)
      }
      await start.started
      const { challengeId } = start.challenge
      const standing = await readChallenge(sql, challengeId)
      // One that gave way, or was closed before its start was repeated, may have no execution that could tell.
      if (standing && standing.outcome !== null) return HandlerStartOperationResult.sync(completed(resultOf(standing)))
      return HandlerStartOperationResult.async(challengeId)
    },

    async cancel(_context, challengeId) {
      const challenge = isChallengeId(challengeId) ? await readChallenge(sql, challengeId) : undefined
      if (challenge?.caller !== TEMPORAL_CALLER) throw new HandlerError('NOT_FOUND', 'no such challenge')
      const cancelled = (await cancelChallenge({ sql, temporal, policy }, challengeId))!
      // Postgres has decided: what is not told now, the sweep tells.
      await cancelled.told.catch(() => log.warn('an execution could not be told of a cancel', { challengeId }))
    },
  }
}

/**
 * @throws {HandlerError} for what has the wrong shape
 * @throws {OperationError} `unknown_challenge`
 */
async function statusOfNewest(
  { sql, policy }: OtpServiceDependencies,
  input: { readonly challengeId: string } | undefined,
): Promise<ChallengeStatusResult> {
  if (!isChallengeId(input?.challengeId)) throw new HandlerError('BAD_REQUEST', 'wants {challengeId}')
  const asked = await readChallenge(sql, input.challengeId)
  if (asked?.caller !== TEMPORAL_CALLER) throw failed('unknown_challenge', 'no such challenge')
  const { continuedBy } = asked
  const newest = continuedBy === null ? asked : ((await readChallenge(sql, continuedBy)) ?? asked)
  const { challengeId, purpose, channel, destination, outcome, sentAt, expiresAt, attempts } = newest
  return {
    challengeId,
    purpose,
    status: outcome ?? (sentAt === null ? 'sending' : 'open'),
    ...(channel !== null && { channel }),
    ...(channel !== null && destination !== null && { destination: maskDestination(channel, destination) }),
    ...(expiresAt !== null && { expiresAt: new Date(expiresAt).toISOString() }),
    attemptsLeft: Math.max(0, policy.maxAttempts - attempts),
  }
}

/**
 * @throws {HandlerError} for what has the wrong shape
 * @throws {OperationError} `invalid_code`, `unknown_challenge`
 */
async function judgeOnce(
  { sql, temporal, policy, codes }: OtpServiceDependencies,
  requestId: string,
  input: VerifyCodeInput,
): Promise<VerifyCodeResult> {
  if (!isVerifyCodeInput(input)) throw new HandlerError('BAD_REQUEST', 'wants {challengeId, code}')
  const code = normaliseCode(input.code, codes.digits)
  if (code === undefined) throw failed('invalid_code', `a code has ${codes.digits} digits`)
  const verified = await verifyCode(
    { sql, temporal, policy, codes },
    { challengeId: input.challengeId, code, attemptId: `nexus:${requestId}`, startedBy: TEMPORAL_CALLER },
  )
  if (verified === undefined) throw failed('unknown_challenge', 'no such challenge')
  const { challengeId } = input
  await verified.told.catch(() => log.warn('an execution could not be told of a verdict', { challengeId }))
  return verified.answer
}

const challengeRequest = z.object({
  memberId: z.string().refine(isMemberId),
  purpose: z.string().max(40),
  channel: z.enum(['sms', 'email']).exactOptional(),
  locale: z.string().max(35).regex(LANGUAGE_TAG).exactOptional(),
})

/** @throws {HandlerError} one after which the server does not ask again */
function readRequest(input: unknown): z.output<typeof challengeRequest> {
  const { success, data } = challengeRequest.safeParse(input)
  if (success) return data
  throw new HandlerError('BAD_REQUEST', 'wants {memberId, purpose, channel?: sms | email, locale?: BCP 47}')
}

const hashOf = (request: object) => createHash('sha256').update(JSON.stringify(request)).digest('hex')

const failed = (refusal: Refusal['refusal'], message: string, details: Omit<Refusal, 'refusal'> = {}) =>
  new OperationError('failed', message, { cause: ApplicationFailure.nonRetryable(message, refusal, details) })

const MESSAGES: Record<Exclude<RefusalReason, 'challenge_closed' | 'idempotency_key_reused'>, string> = {
  locked: 'there were too many wrong attempts',
  too_many_challenges: 'a limit on challenges is reached',
  delivery_unavailable: 'no provider takes codes for this member at the moment',
}

/** In the words of the HTTP API; which limit it was is for operators. */
function refused(start: NotAdmitted): Error {
  if (start.kind === 'unknown_member') return failed(start.kind, 'there is no such member, or they have withdrawn')
  if (start.kind === 'unknown_purpose') return failed(start.kind, 'the purpose is not one that can be asked for here')
  if (start.kind === 'undeliverable') {
    const { reason, advice } = start
    return failed(start.kind, UNDELIVERABLE, { reason, advice })
  }
  const { reason, retryAfter } = start
  // Neither is asked for here: nothing is continued, and a request id stands for one request.
  if (reason === 'challenge_closed' || reason === 'idempotency_key_reused') return new HandlerError('CONFLICT', reason)
  return failed(reason, MESSAGES[reason], retryAfter === undefined ? {} : { retryAfter })
}

/**
 * What the execution of a challenge would end as.
 *
 * @throws {OperationError} where that is no completion
 */
function completed(result: ChallengeResult): ChallengeResult {
  const { outcome, reason, advice } = result
  if (outcome === 'superseded' || outcome === 'cancelled') throw new OperationError('canceled', outcome)
  if (outcome !== 'undeliverable') return result
  throw failed(outcome, UNDELIVERABLE, { ...(reason !== undefined && { reason }), ...(advice && { advice }) })
}
