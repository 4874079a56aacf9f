/**
 * Notices to members, once the change that they tell of stands (P2): a workflow each.
 */
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client'
import { memberNoticeWorkflowId, NOTICE_TASK_QUEUE } from '../workflows/ids.ts'
import type { MemberNoticeInput } from '../workflows/member-notice.ts'

/**
 * Has each notice sent; one whose workflow runs is left to it. What fails here is done by the sweep.
 *
 * @throws when Temporal cannot be reached
 */
export async function sendNotices(temporal: Client, noticeIds: readonly string[]): Promise<void> {
  await Promise.all(noticeIds.map((noticeId) => sendNotice(temporal, noticeId)))
}

async function sendNotice(temporal: Client, noticeId: string): Promise<void> {
  try {
    await temporal.workflow.start<(input: MemberNoticeInput) => Promise<unknown>>('memberNotice', {
      workflowId: memberNoticeWorkflowId(noticeId),
      taskQueue: NOTICE_TASK_QUEUE,
      args: [{ noticeId }],
    })
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
}
