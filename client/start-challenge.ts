/**
 * Starting a challenge (C2): admit, then start the workflow, cancelling the execution that is open.
 */
import {
  isGrpcServiceError,
  WorkflowContinuedAsNewError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowStartOptions,
} from '@temporalio/client'
import { v7 as uuidv7 } from 'uuid'
import type { Policy } from '../config.ts'
import type { ChallengeInput, ChallengeResult } from '../domain/challenge.ts'
import { admitChallenge, type Admitted, type AdmissionRequest, type NotAdmitted } from '../postgres/admission.ts'
import { giveWay, type Challenge } from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'
import { openExecution, unlessEnded } from '../temporal/open-execution.ts'
import { currentTraceparent } from '../tracing/spans.ts'
import { CHALLENGE_TASK_QUEUE, challengeWorkflowId } from '../workflows/ids.ts'
import { CHANNEL, MEMBER_ID, PURPOSE } from '../workflows/search-attributes.ts'
import { unheard } from './unheard.ts'

export interface ChallengeStarter {
  readonly sql: Sql
  readonly temporal: Client
  readonly policy: Policy
  /**
   * Starts the execution, where that is not `temporal`'s business alone.
   *
   * @throws {WorkflowExecutionAlreadyStartedError} where one of this id is open
   */
  readonly execute?: (options: ChallengeExecution) => Promise<unknown>
}

type OtpChallenge = (input: ChallengeInput) => Promise<ChallengeResult>
type ChallengeExecution = WorkflowStartOptions<OtpChallenge>

export type StartRequest = Omit<AdmissionRequest, 'challengeId' | 'traceparent'>

/** `started` settles when the workflow runs, or when the challenge needs none any more. */
export type Start = NotAdmitted | (Admitted & { readonly started: Promise<void> })

/**
 * Admits a challenge and starts its workflow. A refusal has changed nothing.
 *
 * With an idempotency key it may be repeated, by any process: the same challenge is returned, and a start that died
 * half-way is finished.
 *
 * @throws when Postgres cannot be reached; `started` rejects when Temporal cannot
 */
export async function startChallenge(starter: ChallengeStarter, request: StartRequest): Promise<Start> {
  const traceparent = currentTraceparent()
  const admission = await admitChallenge(starter.sql, starter.policy, {
    ...request,
    challengeId: uuidv7(),
    ...(traceparent !== undefined && { traceparent }),
  })
  if (!('challenge' in admission)) return admission
  const { challenge } = admission
  return { ...admission, started: unheard(needsExecution(challenge) ? startWorkflow(starter, challenge) : undefined) }
}

const needsExecution = ({ outcome, runId }: Challenge) => outcome === null && runId === null

/**
 * Each round either starts, gives way, or waits for the execution in the way. One that is not over by the deadline is
 * terminated, and so is one that goes on with another run although it was cancelled: of a cron, say, whose challenge was verified.
 */
async function startWorkflow(starter: ChallengeStarter, challenge: Challenge): Promise<void> {
  const { sql, temporal, policy } = starter
  const execute = starter.execute ?? ((options) => temporal.workflow.start<OtpChallenge>('otpChallenge', options))
  const workflowId = challengeWorkflowId(challenge.memberId)
  const deadline = Date.now() + policy.closeDeadlineSeconds * 1000
  /** The first run of one that did. */
  let goesOn: string | undefined

  while (!(await tryStart(execute, workflowId, challenge, policy))) {
    // First who is in the way: whether that one is newer is asked when it has been admitted.
    const inTheWay = await openExecution(temporal, workflowId)
    if (!needsExecution(await giveWay(sql, challenge.challengeId, policy))) return
    if (inTheWay === undefined) continue
    if (inTheWay.challengeId === challenge.challengeId) return
    // All of that execution, and no other one: whichever run of a cron, or after a reset, lives by now.
    const { runId, firstRunId: firstExecutionRunId } = inTheWay
    const execution = temporal.workflow.getHandle(workflowId, undefined, { firstExecutionRunId })
    if (goesOn === firstExecutionRunId || Date.now() >= deadline) {
      await unlessEnded(execution.terminate('a newer challenge started, and this execution did not close in time'))
    } else {
      await unlessEnded(execution.cancel())
      const run = temporal.workflow.getHandle(workflowId, runId, { followRuns: false })
      const isOver = await temporal.withDeadline(deadline, () => run.result()).then(() => true, howItEnded)
      if (!isOver) goesOn = firstExecutionRunId
    }
  }
}

/**
 * A task that a killed worker took with it is given to another after this long; ours take milliseconds. One that takes
 * longer on a busy machine is done again, to the same end.
 */
const WORKFLOW_TASK_TIMEOUT = '1.5s'

/** @returns false where an execution of this id is open */
async function tryStart(
  execute: NonNullable<ChallengeStarter['execute']>,
  workflowId: string,
  challenge: Challenge,
  { executionTimeoutSeconds }: Policy,
): Promise<boolean> {
  const { challengeId, memberId, purpose, channel } = challenge
  try {
    await execute({
      workflowId,
      taskQueue: CHALLENGE_TASK_QUEUE,
      workflowIdConflictPolicy: 'FAIL',
      workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
      workflowExecutionTimeout: executionTimeoutSeconds * 1000,
      args: [{ challengeId, memberId, purpose }],
      memo: { challengeId },
      typedSearchAttributes: [
        { key: MEMBER_ID, value: memberId },
        { key: PURPOSE, value: purpose },
        { key: CHANNEL, value: channel! },
      ],
    })
    return true
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false
    throw error
  }
}

/** gRPC CANCELLED and DEADLINE_EXCEEDED: the execution has not closed yet. Which one, is who sees the deadline first. */
const OUT_OF_TIME = [1, 4]

/**
 * What still runs at the deadline is seen in the next round.
 *
 * @returns false where the execution goes on with another run
 */
function howItEnded(error: unknown): boolean {
  if (error instanceof WorkflowContinuedAsNewError) return false
  if (error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError) return true
  const cause = error instanceof Error ? error.cause : undefined
  if ([error, cause].some((e) => isGrpcServiceError(e) && OUT_OF_TIME.includes(e.code))) return true
  throw error
}
