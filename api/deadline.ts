/**
 * Bounds on how long the API waits for the parts it depends on: an answer within 5 s, whatever they do (I8). Together
 * they stay below that.
 */
import { defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client'
import type { TemporalAddress } from '../temporal/connect.ts'

/** For all statements of one request. */
export const POSTGRES_DEADLINE_MS = 2_500
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

/** The calls of a start and of telling; a wait for a close is longer by its nature, and brings its own deadline. */
const BOUNDED_CALLS = [
  'StartWorkflowExecution',
  'DescribeWorkflowExecution',
  'SignalWorkflowExecution',
  'RequestCancelWorkflowExecution',
  'TerminateWorkflowExecution',
  'DescribeNamespace',
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
        // The pause before a lost connection is opened anew; grpc's own grows to two minutes.
        'grpc.max_reconnect_backoff_ms': 2_000,
      },
      interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: TEMPORAL_TRIES }))],
    },
  }
}
