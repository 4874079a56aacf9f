/**
 * What the sweep does, each step safe to repeat (C11). No step waits for another one, and none for what cannot be helped: a
 * challenge about which nothing could be done is looked at again later, after a longer time at each try.
 */
import { ApplicationFailure, Context, log } from '@temporalio/activity'
import type { Client } from '@temporalio/client'
import type { Policy } from '../config.ts'
import { TEMPORAL_CALLER } from '../config/callers.ts'
import { closeChallenge, markTold, undeliveredChallenges, type Challenge } from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'
import { overdueMemberNotices, putOffMemberNotices } from '../postgres/member-notices.ts'
import {
  closeOverdue,
  followRun,
  markHinted,
  openChallengesOf,
  passOver,
  putOff,
  untoldChallenges,
  voidAdmissions,
} from '../postgres/sweep.ts'
import { cancelExecution, livingRun, openExecution, signalExecution } from '../temporal/open-execution.ts'
import { CHALLENGE_WORKFLOW, challengeWorkflowId } from '../workflows/ids.ts'
import { attemptJudgedSignal, deliveryFailedSignal } from '../workflows/messages.ts'
import { OUTCOME } from '../workflows/search-attributes.ts'

export interface SweepDependencies {
  readonly sql: Sql
  readonly temporal: Client
  readonly policy: Policy
  /** Has notices sent, by a workflow each; one whose workflow runs is left to it. */
  readonly sendNotices: (noticeIds: readonly string[]) => Promise<void>
}

/** How many challenges each step has dealt with, and how many notices. */
export interface Swept {
  readonly overdue: number
  readonly abandoned: number
  readonly terminated: number
  readonly told: number
  readonly undelivered: number
  readonly notices: number
  /** About so many nothing could be done: they are tried again later. */
  readonly putOff: number
  /** So many executions could never be told of their outcome, and are not tried again. */
  readonly givenUp: number
}

export type SweepActivities = ReturnType<typeof createSweepActivities>

/** At most so many a step; the next sweep takes the rest. */
const BATCH = 500
/** So many of them at once, */
const AT_ONCE = 16
/** each for so long at most: the engine answers in milliseconds, or it is in trouble; */
const CALL_MS = 3_000
/** and a step begins no more after this, so that all are over before the activity's time is. */
const STEP_MS = 20_000
/** The API tells the execution right after the verdict; only what it left behind is ours. */
const GRACE_SECONDS = 5
/** How far back ended executions are looked for: many sweeps, so one that was missed matters little. */
const LOOK_BACK_MS = 15 * 60_000

export function createSweepActivities({ sql, temporal, policy, sendNotices }: SweepDependencies) {
  const steps = {
    overdue: async (): Promise<Step> => ({ done: await closeOverdue(sql, policy, BATCH) }),
    abandoned: closeAbandoned,
    terminated: closeEnded,
    told: tellOutcomes,
    undelivered: tellOfFailedDeliveries,
    notices: haveNoticesSent,
  } satisfies Partial<Record<keyof Swept, () => Promise<Step>>>

  return {
    /** @throws a failure that names the steps that failed, once all others are done; the next sweep repeats them */
    async sweepChallenges(): Promise<Swept> {
      const swept = {
        overdue: 0,
        abandoned: 0,
        terminated: 0,
        told: 0,
        undelivered: 0,
        notices: 0,
        putOff: 0,
        givenUp: 0,
      }
      const failed: string[] = []
      await Promise.all(
        Object.entries(steps).map(async ([name, step]) => {
          try {
            const { done, putOff: later = 0, givenUp = 0 } = await step()
            swept[name as keyof typeof steps] = done
            swept.putOff += later
            swept.givenUp += givenUp
          } catch (error) {
            failed.push(name)
            log.warn('a step of the sweep failed', { step: name, error })
            countFailure(name)
          }
        }),
      )
      if (failed.length > 0) {
        throw ApplicationFailure.nonRetryable(`failed: ${failed.toSorted().join(', ')}`, 'sweep_incomplete', swept)
      }
      return swept
    },
  }

  /** Admissions that are void by now (C2), unless a workflow for them waits for a worker. */
  async function closeAbandoned(): Promise<Step> {
    const waiting: string[] = []
    let closed = 0
    const { failed } = await each(await voidAdmissions(sql, policy, BATCH), async (admission) => {
      const { challengeId, memberId, caller } = admission
      const open = await openExecution(temporal, challengeWorkflowId(memberId))
      if (open?.challengeId === challengeId || (open && caller === TEMPORAL_CALLER)) {
        waiting.push(challengeId)
        return
      }
      const as = { challengeId, as: 'cancelled', reason: 'start_abandoned', fromWorkflow: true } as const
      if ((await closeChallenge(sql, as, policy))?.challenge.reason === 'start_abandoned') closed++
    })
    await passOver(sql, [...waiting, ...failed.map(idOf)])
    return { done: closed, putOff: failed.length }
  }

  /** Challenges whose execution ended without recording an outcome itself, by a termination say. */
  async function closeEnded(): Promise<Step> {
    let closed = 0
    const open = await openChallengesOf(sql, await endedWithoutOutcome(), BATCH)
    const { failed } = await each(open, async (challenge) => {
      const { challengeId, memberId, runId } = challenge
      const living = await livingRun(temporal, challengeWorkflowId(memberId), challenge)
      if (living !== undefined) {
        await followRun(sql, challengeId, { from: runId!, to: living })
        return
      }
      await closeChallenge(sql, { challengeId, as: 'cancelled', reason: 'terminated', fromWorkflow: true }, policy)
      closed++
    })
    await passOver(sql, failed.map(idOf))
    return { done: closed, putOff: failed.length }
  }

  /** Runs. An execution shows its outcome as it ends (O1); one that shows none ended in another way. */
  async function endedWithoutOutcome(): Promise<string[]> {
    const since = new Date(Date.now() - LOOK_BACK_MS).toISOString()
    const query = `WorkflowType = '${CHALLENGE_WORKFLOW}' AND ExecutionStatus != 'Running' AND ${OUTCOME.name} IS NULL AND CloseTime > '${since}'`
    return temporal.withDeadline(Date.now() + STEP_MS, async () => {
      const runs: string[] = []
      for await (const { runId } of temporal.workflow.list({ query, pageSize: BATCH })) runs.push(runId)
      return runs
    })
  }

  async function tellOutcomes(): Promise<Step> {
    const told: string[] = []
    const gone: string[] = []
    const { failed } = await each(await untoldChallenges(sql, GRACE_SECONDS, BATCH), async (challenge) => {
      const { challengeId, memberId, outcome, attempts } = challenge
      const workflowId = challengeWorkflowId(memberId)
      const news = { closed: true, attemptsLeft: policy.maxAttempts - attempts }
      const isReached =
        outcome === 'cancelled' || outcome === 'superseded'
          ? await cancelExecution(temporal, workflowId, challenge)
          : await signalExecution(temporal, workflowId, challenge, attemptJudgedSignal, news)
      ;(isReached ? told : gone).push(challengeId)
    })
    await markTold(sql, gone)
    // One that was told says so itself; where it never gets to that, it is told again.
    const givenUp = await putOff(sql, [...told, ...failed.map(idOf)])
    return { done: told.length + gone.length, putOff: failed.length, givenUp }
  }

  /** A hint that was lost. What the engine has accepted reaches the execution, so each is told once. */
  async function tellOfFailedDeliveries(): Promise<Step> {
    const { done, failed } = await each(await undeliveredChallenges(sql, BATCH), (challenge) =>
      signalExecution(temporal, challengeWorkflowId(challenge.memberId), challenge, deliveryFailedSignal),
    )
    await markHinted(sql, done.map(idOf))
    await putOff(sql, failed.map(idOf))
    return { done: done.length, putOff: failed.length }
  }

  async function haveNoticesSent(): Promise<Step> {
    const { done, failed } = await each(await overdueMemberNotices(sql, GRACE_SECONDS, BATCH), (noticeId) =>
      sendNotices([noticeId]),
    )
    await putOffMemberNotices(sql, failed)
    return { done: done.length, putOff: failed.length }
  }

  /** Each by itself, a few at once. What is not begun in time is left to the next sweep. */
  async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>) {
    const until = Date.now() + STEP_MS
    const done: T[] = []
    const failed: T[] = []
    let error: unknown
    const rest = items.values()
    const takeTurns = async () => {
      for (const item of rest) {
        if (Date.now() > until) return
        try {
          await temporal.withDeadline(Date.now() + CALL_MS, () => work(item))
          done.push(item)
        } catch (reason) {
          failed.push(item)
          error = reason
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, takeTurns))
    // In one line, with the last of their errors.
    if (failed.length > 0) log.warn('nothing could be done about some, until later', { count: failed.length, error })
    return { done, failed }
  }
}

interface Step {
  readonly done: number
  readonly putOff?: number
  readonly givenUp?: number
}

const idOf = ({ challengeId }: Challenge) => challengeId

function countFailure(step: string): void {
  Context.current()
    .metricMeter.createCounter('otp_sweep_failures', 'steps', 'Steps of the sweep that failed')
    .add(1, { step })
}
