/**
 * Workflow ids and task queues: names on the wire, permanent.
 */

/** The task queue of challenges; codes are never queued behind anything else (D8). */
export const CHALLENGE_TASK_QUEUE = 'otp-challenge'

/** The workflow type of a challenge. */
export const CHALLENGE_WORKFLOW = 'otpChallenge'

/** C1: one open challenge per member, by the engine's own rule that an id has one open execution. */
export const challengeWorkflowId = (memberId: string): string => `otp-challenge/${memberId}`

/** The task queue of campaigns: their notices never stand in the way of a code (D8). */
export const CAMPAIGN_TASK_QUEUE = 'sms-campaign'

/** R1 */
export const campaignWorkflowId = (campaignId: string): string => `sms-campaign/${campaignId}`

/** The task queue of notices to single members: no code ever stands behind one of them (D8). */
export const NOTICE_TASK_QUEUE = 'member-notice'

/** P2 */
export const memberNoticeWorkflowId = (noticeId: string): string => `member-notice/${noticeId}`
