/**
 * Verifying and cancelling: Postgres decides at once, then the workflow is told.
 */
import type { Client } from '@temporalio/client'
import { answerOf, judgeCode, type Judge, type SealedJudgement, type Submission } from '../codes/judge-code.ts'
import type { Policy } from '../config.ts'
import type { VerifyCodeResult } from '../domain/challenge.ts'
import { closeChallenge, markTold, resultOf, type Challenge } from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'
import { cancelExecution, signalExecution } from '../temporal/open-execution.ts'
import { recordStep } from '../tracing/challenge-trace.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { attemptJudgedSignal } from '../workflows/messages.ts'
import { unheard } from './unheard.ts'

/** `told` settles when the workflow was told, and rejects when it could not be: the sweep does it then. */
export interface Verified {
  readonly answer: VerifyCodeResult
  readonly told: Promise<void>
}

/**
 * Judges a submitted code. The verdict stands when this returns; it has not waited for Temporal.
 *
 * @returns `undefined` for an unknown challenge, or one that `startedBy` did not start
 * @throws {UnknownKeyError}, or when Postgres cannot be reached: no attempt was spent
 */
export async function verifyCode(
  { temporal, ...judge }: Judge & { readonly temporal: Client },
  submission: Omit<Submission, 'fromWorkflow'>,
): Promise<Verified | undefined> {
  const startTime = Date.now()
  const judgement = await judgeCode(judge, { ...submission, fromWorkflow: false })
  if (judgement === undefined) return undefined
  const isNews = judgement.closedNow || judgement.result === 'wrong_code'
  const step = { startTime, attributes: { 'otp.verdict': judgement.result } }
  const told = recordStep(
    'verify',
    judgement.challenge,
    step,
    () => isNews && tellVerdict(judge.sql, temporal, judgement),
  )
  return { answer: answerOf(judgement), told: unheard(told || undefined) }
}

async function tellVerdict(sql: Sql, temporal: Client, judgement: SealedJudgement): Promise<void> {
  const { challenge, closedNow, attemptsLeft, seal } = judgement
  // Where nothing lives that is for it there is nobody to tell: one that starts yet finds the outcome in its first statement.
  await signalExecution(temporal, challengeWorkflowId(challenge.memberId), challenge, attemptJudgedSignal, {
    attemptsLeft,
    closed: closedNow,
    ...(closedNow && { result: resultOf(challenge) }),
    ...(seal !== undefined && { seal }),
  })
  // What the engine has accepted reaches the execution.
  if (closedNow) await markTold(sql, [challenge.challengeId])
}

/**
 * Cancels a challenge, unless an outcome stands.
 *
 * @returns the challenge as it stands: its outcome is `cancelled`, or what came first
 */
export async function cancelChallenge(
  { sql, temporal, policy }: { sql: Sql; temporal: Client; policy: Policy },
  challengeId: string,
): Promise<{ challenge: Challenge; told: Promise<void> } | undefined> {
  const closed = await closeChallenge(sql, { challengeId, as: 'cancelled', fromWorkflow: false }, policy)
  if (closed === undefined) return undefined
  const { challenge } = closed
  const told = cancelExecution(temporal, challengeWorkflowId(challenge.memberId), challenge)
  return { challenge, told: unheard(told) }
}
