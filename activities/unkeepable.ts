import { ApplicationFailure } from '@temporalio/activity'

/** SQLSTATE class 22, data exception: a NUL in a text, a date that is none. */
const DATA_EXCEPTION = /^22[0-9A-Z]{3}$/

/**
 * For the `catch` of what keeps something that came through Temporal: what Postgres cannot keep it cannot keep the next time
 * either, and an activity that is repeated for ever holds up its workflow (C15).
 *
 * @throws a non-retryable failure of the type `as`, or the error as it is
 */
export function refuseUnkeepable(error: unknown, as: string): never {
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !DATA_EXCEPTION.test(code)) throw error
  throw ApplicationFailure.nonRetryable('something in it cannot be kept', as)
}
