/**
 * The members' miles: calls to the workflow that keeps them.
 */
import { WithStartWorkflowOperation, type Client } from '@temporalio/client'
import {
  accountQuery,
  accountWorkflowId,
  BANK_TASK_QUEUE,
  reserveUpdate,
  settleUpdate,
  type Account,
  type AwardOrder,
} from './messages.ts'
import type { mileageAccount } from './workflows/mileage-account.ts'

export interface Ledger {
  read(memberId: string): Promise<Account>
  /** @returns false where there are too few miles */
  reserve(order: AwardOrder): Promise<boolean>
  settle(order: Pick<AwardOrder, 'memberId' | 'redemptionId'>, as: 'redeemed' | 'released'): Promise<void>
}

/** All of it may be repeated: a redemption counts once. An account is opened by the first call that wants it. */
export function createLedger(temporal: Client): Ledger {
  const opened = (memberId: string) => ({
    workflowId: accountWorkflowId(memberId),
    taskQueue: BANK_TASK_QUEUE,
    args: [memberId] as [string],
    workflowIdConflictPolicy: 'USE_EXISTING' as const,
  })
  const withAccountOf = (memberId: string) =>
    new WithStartWorkflowOperation<typeof mileageAccount>('mileageAccount', opened(memberId))

  return {
    async read(memberId) {
      const handle = await temporal.workflow.start<typeof mileageAccount>('mileageAccount', opened(memberId))
      return handle.query(accountQuery)
    },
    reserve: (order) =>
      temporal.workflow.executeUpdateWithStart(reserveUpdate, {
        args: [order],
        startWorkflowOperation: withAccountOf(order.memberId),
      }),
    settle: ({ memberId, redemptionId }, as) =>
      temporal.workflow.executeUpdateWithStart(settleUpdate, {
        args: [{ redemptionId, as }],
        startWorkflowOperation: withAccountOf(memberId),
      }),
  }
}
