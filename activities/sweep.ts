/**
 * What the sweep does, each step safe to repeat (C11).
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client'
import type { Policy } from '../config.ts'
import { TEMPORAL_CALLER } from '../config/callers.ts'
import {
  closeChallenge,
  closeOverdue,
  closeTerminated,
  markTold,
  undeliveredChallenges,
  untoldChallenges,
  voidAdmissions,
  type Challenge,
} from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'
import { overdueMemberNotices } from '../postgres/member-notices.ts'
import { openExecution } from '../temporal/open-execution.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { attemptJudgedSignal, deliveryFailedSignal } from '../workflows/messages.ts'

export interface SweepDependencies {
  readonly sql: Sql
  readonly temporal: Client
  readonly policy: Policy
  /** Has notices sent, by a workflow each; one whose workflow runs is left to it. */
  readonly sendNotices: (noticeIds: readonly string[]) => Promise<void>
}

/** How many challenges each step took, and how many notices. */
export interface Swept {
  readonly overdue: number
  readonly abandoned: number
  readonly terminated: number
  readonly told: number
  readonly undelivered: number
  readonly notices: number
}

export type SweepActivities = ReturnType<typeof createSweepActivities>

/** At most so many a step; the next sweep takes the rest. */
const BATCH = 500
/** The API tells the execution right after the verdict; only what it left behind is ours. */
const GRACE_SECONDS = 5
/** How far back ended executions are looked for: many sweeps, so one that was missed matters little. */
const LOOK_BACK_MS = 15 * 60_000

export function createSweepActivities({ sql, temporal, policy, sendNotices }: SweepDependencies) {
  return {
    async sweepChallenges(): Promise<Swept> {
      const overdue = await closeOverdue(sql, policy, BATCH)
      const abandoned = await closeAbandoned()
      const terminated = await closeTerminated(sql, await endedByHand(), policy)
      const untold = await untoldChallenges(sql, GRACE_SECONDS, BATCH)
      const gone = (await Promise.all(untold.map(tell))).filter((id) => id !== undefined)
      if (gone.length > 0) await markTold(sql, gone)
      const undelivered = await undeliveredChallenges(sql, BATCH)
      await Promise.all(undelivered.map(tellOfFailedDelivery))
      const notices = await overdueMemberNotices(sql, GRACE_SECONDS, BATCH)
      await sendNotices(notices)
      return {
        overdue,
        abandoned,
        terminated,
        told: untold.length,
        undelivered: undelivered.length,
        notices: notices.length,
      }
    },
  }

  /** Admissions that are void by now (C2), unless a workflow for them waits for a worker. */
  async function closeAbandoned(): Promise<number> {
    let closed = 0
    for (const { challengeId, memberId, caller } of await voidAdmissions(sql, policy, BATCH)) {
      const open = await openExecution(temporal, challengeWorkflowId(memberId))
      if (open?.challengeId === challengeId || (open && caller === TEMPORAL_CALLER)) continue
      const as = { challengeId, as: 'cancelled', reason: 'start_abandoned', fromWorkflow: true } as const
      if ((await closeChallenge(sql, as, policy))?.challenge.reason === 'start_abandoned') closed++
    }
    return closed
  }

  /** Runs that ended without recording an outcome themselves. */
  async function endedByHand(): Promise<string[]> {
    const since = new Date(Date.now() - LOOK_BACK_MS).toISOString()
    const query = `WorkflowType = 'otpChallenge' AND ExecutionStatus IN ('Terminated', 'TimedOut') AND CloseTime > '${since}'`
    const runs: string[] = []
    for await (const { runId } of temporal.workflow.list({ query, pageSize: BATCH })) runs.push(runId)
    return runs
  }

  /** A hint that was lost; the workflow takes a few of them at most. */
  async function tellOfFailedDelivery({ memberId, runId }: Challenge): Promise<void> {
    const handle = temporal.workflow.getHandle(challengeWorkflowId(memberId), runId!)
    await handle.signal(deliveryFailedSignal).catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error
    })
  }

  /** @returns the challenge's id where there is no execution left to tell */
  async function tell({ challengeId, memberId, runId, outcome, attempts }: Challenge): Promise<string | undefined> {
    if (runId === null) return challengeId
    const handle = temporal.workflow.getHandle(challengeWorkflowId(memberId), runId)
    try {
      if (outcome === 'cancelled' || outcome === 'superseded') await handle.cancel()
      else await handle.signal(attemptJudgedSignal, { closed: true, attemptsLeft: policy.maxAttempts - attempts })
      return undefined
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return challengeId
      throw error
    }
  }
}
