/**
 * Bounds on how long the API waits for the parts it depends on: an answer within 5 s, whatever they do (I8). Together
 * they stay below that.
 */
import { defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client'
import type { Sql } from '../postgres/connect.ts'
import type { TemporalAddress } from '../temporal/connect.ts'

/** For the statements of one step of a request; the server ends a statement that takes as long. */
export const POSTGRES_DEADLINE_MS = 2_500
/** Steps that wait for Postgres at once, those included that were given up; beyond, none is begun. */
const MOST_STEPS = 1_000
/** For one try of one call. */
const TEMPORAL_TRY = '1.5s'
/** A refused connection is tried again within a second in all. */
const TEMPORAL_TRIES = 4

/** A part that we depend on cannot be reached, or has not answered in time. */
export class UnavailableError extends Error {
  override name = 'UnavailableError'
}

/**
 * Waits for `work`, which goes on when the time is over: nothing can tell whether it will still take effect.
 *
 * @throws {UnavailableError} after `milliseconds`
 */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new UnavailableError('no answer in time')), milliseconds)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Does a step of a request in Postgres, with the `sql` that it is given. */
export type InPostgres = <T>(step: (sql: Sql) => Promise<T>) => Promise<T>

/**
 * Bounds steps in Postgres, in time and in number. One that was given up begins no further statement, so that a request
 * that got 503 does not spend an attempt minutes later, when Postgres is back.
 *
 * @returns throws {@link UnavailableError} where the step cannot be done in time
 */
export function boundPostgres(
  sql: Sql,
  { deadlineMs = POSTGRES_DEADLINE_MS, mostSteps = MOST_STEPS }: { deadlineMs?: number; mostSteps?: number } = {},
): InPostgres {
  let steps = 0
  return async (step) => {
    if (steps >= mostSteps) throw new UnavailableError('too many wait for Postgres')
    let givenUp = false
    const gated = new Proxy(sql, {
      apply(target, self, args) {
        if (givenUp) throw new UnavailableError('given up')
        return Reflect.apply(target, self, args) as unknown
      },
    })
    steps++
    const work = step(gated).finally(() => steps--)
    try {
      return await within(deadlineMs, work)
    } catch (error) {
      givenUp = true
      throw error
    }
  }
}

/** The calls of a start and of telling; a wait for a close is longer by its nature, and brings its own deadline. */
const BOUNDED_CALLS = [
  'StartWorkflowExecution',
  'DescribeWorkflowExecution',
  'SignalWorkflowExecution',
  'SignalWithStartWorkflowExecution',
  'RequestCancelWorkflowExecution',
  'TerminateWorkflowExecution',
]

/** The same address, with calls that end in time when Temporal cannot be reached or hangs. */
export function bounded(address: TemporalAddress): TemporalAddress {
  const service = 'temporal.api.workflowservice.v1.WorkflowService'
  const methodConfig = { name: BOUNDED_CALLS.map((method) => ({ service, method })), timeout: TEMPORAL_TRY }
  return {
    ...address,
    connectionOptions: {
      ...address.connectionOptions,
      channelArgs: {
        ...address.connectionOptions.channelArgs,
        'grpc.service_config': JSON.stringify({ loadBalancingConfig: [], methodConfig: [methodConfig] }),
      },
      interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: TEMPORAL_TRIES }))],
    },
  }
}
