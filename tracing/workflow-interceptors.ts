/**
 * Tracing inside the workflow sandbox: the workflow's activities learn where they belong, and the end of the workflow is
 * told outside. No step of this waits, nothing of it is a command, and no random number is taken, so that a history
 * replays alike with it and without it.
 */
import { proxySinks, workflowInfo, type Sinks, type WorkflowInterceptorsFactory } from '@temporalio/workflow'
import { readTraceHeader, withTraceHeader } from './temporal-header.ts'
import { placeOfChallenge, writeTraceparent, type TracePlace } from './traceparent.ts'

/** A workflow's own span, once it has ended. */
export interface EndedWorkflow {
  /** Where it belongs; absent where it is the first of its trace. */
  readonly within?: string
  readonly place: string
  readonly workflowType: string
  readonly runId: string
  /** Milliseconds since 1970. */
  readonly began: number
  readonly ended: number
  readonly isFailed: boolean
}

export interface TracingSinks extends Sinks {
  readonly tracing: { workflowEnded(ended: EndedWorkflow): void }
}

const SPAN_DIGITS = 16

export const interceptors: WorkflowInterceptorsFactory = () => {
  const { tracing } = proxySinks<TracingSinks>()
  let parent: TracePlace | undefined
  let own: TracePlace | undefined

  const enter = (headers: Parameters<typeof readTraceHeader>[0], [input]: readonly unknown[]) => {
    parent = readTraceHeader(headers)
    own = parent
      ? { ...parent, spanId: workflowInfo().runId.replaceAll('-', '').slice(-SPAN_DIGITS) }
      : placeOfChallenge((input as { challengeId?: unknown } | undefined)?.challengeId)
  }
  const leave = (isFailed: boolean) => {
    if (own === undefined) return
    const { workflowType, runId, startTime } = workflowInfo()
    tracing.workflowEnded({
      ...(parent && { within: writeTraceparent(parent) }),
      place: writeTraceparent(own),
      workflowType,
      runId,
      began: startTime.getTime(),
      ended: Date.now(),
      isFailed,
    })
  }

  return {
    inbound: [
      {
        execute(input, next) {
          enter(input.headers, input.args)
          return next(input)
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) =>
          next(own ? { ...input, headers: withTraceHeader(input.headers, own) } : input),
        scheduleLocalActivity: (input, next) =>
          next(own ? { ...input, headers: withTraceHeader(input.headers, own) } : input),
      },
    ],
    internals: [
      {
        concludeActivation(input, next) {
          const output = next(input)
          const isFailed = output.commands.some((command) => command.failWorkflowExecution)
          const isOver = output.commands.some(
            (command) => command.completeWorkflowExecution ?? command.cancelWorkflowExecution,
          )
          if (isFailed || isOver) leave(isFailed)
          return output
        },
      },
    ],
  }
}
