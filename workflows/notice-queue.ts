/**
 * What runs on the task queue `member-notice`. The exported names are workflow types on the wire, permanent.
 */
export { memberNotice } from './member-notice.ts'
