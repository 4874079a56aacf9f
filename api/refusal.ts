import type { NotAdmitted } from '../postgres/admission.ts'
import type { RefusalReason } from '../postgres/challenges.ts'
import { problem, type ProblemError } from './problems.ts'

const DETAILS: Record<RefusalReason, string> = {
  locked: 'There were too many wrong codes: try again after retryAfter seconds, or have support unlock the member.',
  too_many_challenges:
    'A limit is reached: try again after retryAfter seconds. A code that was sent before goes on counting.',
  challenge_closed: 'It cannot be continued any more: start a new one.',
  delivery_unavailable:
    'The provider by which this member gets codes takes none at the moment: try again after retryAfter seconds. A code that was sent before goes on counting.',
  idempotency_key_reused: 'Use a new key for another request.',
}

/** C7: after the hundredth. */
const LOCKED_FOR_GOOD = 'There were far too many wrong codes: only support can unlock the member.'

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
    return problem(
      'undeliverable',
      'There is no usable destination, or no provider took the code: advice says what the member should do.',
      { reason, advice },
    )
  }
  const { reason, retryAfter, outcome } = start
  if (outcome) return problem(reason, DETAILS[reason], { outcome })
  if (retryAfter !== undefined) return problem(reason, DETAILS[reason], { retryAfter })
  return problem(reason, reason === 'locked' ? LOCKED_FOR_GOOD : DETAILS[reason])
}
