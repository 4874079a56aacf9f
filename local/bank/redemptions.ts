/**
 * Redemptions, as the web server deals with them: each is a workflow.
 */
import { setTimeout as wait } from 'node:timers/promises'
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client'
import {
  BANK_TASK_QUEUE,
  codeAskedForUpdate,
  proofPresentedSignal,
  redemptionQuery,
  redemptionWorkflowId,
  type AwardOrder,
  type Redemption,
} from './messages.ts'
import type { awardRedemption } from './workflows/award-redemption.ts'

export interface Redemptions {
  /**
   * Begins one, or finds the one that the same form began before, and waits a moment for a code to be asked for.
   *
   * @returns `undefined` where it is another member's, or takes longer
   */
  begin(order: AwardOrder): Promise<Redemption | undefined>
  /** @returns `undefined` where this member has none of that id */
  read(memberId: string, redemptionId: string): Promise<Redemption | undefined>
  /** Hands a proof over whose signature was verified, and waits a moment for what becomes of it. */
  presentProof(redemptionId: string, challengeId: string): Promise<void>
  cancel(redemptionId: string): Promise<void>
}

/** A browser is not kept waiting for longer: the next page tells the rest. The service takes 5 s at most where all is well. */
const UNTIL_ASKED_MS = 8_000
const UNTIL_ENDED_MS = 3_000

export function createRedemptions(temporal: Client): Redemptions {
  const handleOf = (redemptionId: string) =>
    temporal.workflow.getHandle<typeof awardRedemption>(redemptionWorkflowId(redemptionId))

  return {
    async begin(order) {
      const start = new WithStartWorkflowOperation<typeof awardRedemption>('awardRedemption', {
        workflowId: redemptionWorkflowId(order.redemptionId),
        taskQueue: BANK_TASK_QUEUE,
        args: [order],
        // A form that is sent twice redeems once: while the first runs it is joined, and when it has ended it stands.
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
      })
      const asked = temporal.workflow
        .executeUpdateWithStart(codeAskedForUpdate, { startWorkflowOperation: start })
        .catch((error: unknown) => {
          if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined
          throw error
        })
      const redemption = await within(UNTIL_ASKED_MS, asked)
      return redemption?.memberId === order.memberId ? redemption : undefined
    },

    async read(memberId, redemptionId) {
      try {
        const redemption = await handleOf(redemptionId).query(redemptionQuery)
        return redemption.memberId === memberId ? redemption : undefined
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return undefined
        throw error
      }
    },

    async presentProof(redemptionId, challengeId) {
      const handle = handleOf(redemptionId)
      await handle.signal(proofPresentedSignal, { challengeId }).catch(unlessEnded)
      await within(UNTIL_ENDED_MS, handle.result())
    },

    cancel: async (redemptionId) => {
      const handle = handleOf(redemptionId)
      await handle.cancel().catch(unlessEnded)
      await within(UNTIL_ENDED_MS, handle.result())
    },
  }
}

/** What comes after the end changes nothing: it is no error either. */
function unlessEnded(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const moment = new AbortController()
  const late = wait(milliseconds, undefined, { signal: moment.signal }).catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    moment.abort()
    // Who no longer waits hears of no failure.
    work.catch(() => {})
  }
}
