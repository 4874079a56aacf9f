/**
 * One notice to a member that something of theirs was changed (P2): sent until a provider has taken or refused it.
 */
import { ApplicationFailure, proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow'
import type { MemberNoticeActivities } from '../activities/member-notice.ts'
import { memberNoticeWorkflowId } from './ids.ts'

/** Ids only: where to and what about is read from Postgres. */
export interface MemberNoticeInput {
  readonly noticeId: string
}

/** A notice is of use for a day, which Postgres judges; the time-out over all tries is for when it cannot. */
const { sendMemberNotice } = proxyActivities<MemberNoticeActivities>({
  startToCloseTimeout: '13s',
  summary: 'send the notice',
  scheduleToCloseTimeout: '26h',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
})

export async function memberNotice(input: MemberNoticeInput): Promise<{ state: string | null }> {
  if (typeof input?.noticeId !== 'string' || workflowInfo().workflowId !== memberNoticeWorkflowId(input.noticeId)) {
    throw ApplicationFailure.nonRetryable(
      'wants {noticeId} and the workflow id member-notice/<noticeId>',
      'invalid_request',
    )
  }
  setCurrentDetails('Tells a member, at one destination, that something of theirs was changed: **sending**')
  const sent = await sendMemberNotice({ noticeId: input.noticeId })
  setCurrentDetails(
    `Tells a member, at one destination, that something of theirs was changed: **${sent.state ?? 'gone'}**`,
  )
  return sent
}
