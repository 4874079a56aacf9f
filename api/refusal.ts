import type { NotAdmitted } from '../postgres/admission.ts'
import type { RefusalReason } from '../postgres/challenges.ts'
import { problem, type ProblemError } from './problems.ts'

const DETAILS: Record<RefusalReason, string> = {
  locked: 'There were too many wrong attempts.',
  too_many_challenges: 'A limit on challenges is reached.',
  challenge_closed: 'It cannot be continued any more: start a new one.',
  idempotency_key_reused: 'Use a new key for another request.',
}

/** What a start that was not admitted is to its caller. */
export function refusalOf(start: NotAdmitted): ProblemError {
  if (start.kind === 'unknown_member') {
    return problem('unknown_member', 'There is no such member, or they have withdrawn.')
  }
  if (start.kind === 'unknown_purpose') {
    return problem('invalid_request', 'purpose: is not one of those that are configured.')
  }
  if (start.kind === 'undeliverable') {
    const { reason, advice } = start
    return problem('undeliverable', 'There is no usable destination, or no provider took the code.', { reason, advice })
  }
  const { reason, retryAfter } = start
  return problem(reason, DETAILS[reason], retryAfter === undefined ? {} : { retryAfter })
}
