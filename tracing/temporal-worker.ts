/**
 * Tracing in a worker: a span for each activity, and one for each workflow that ended here.
 */
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { InjectedSinks, WorkerOptions } from '@temporalio/worker'
import { withIds } from './ids.ts'
import { beginSpan, inSpan } from './spans.ts'
import { readTraceHeader } from './temporal-header.ts'
import { readTraceparent, writeTraceparent } from './traceparent.ts'
import type { EndedWorkflow, TracingSinks } from './workflow-interceptors.ts'

/** What its bundle of workflows has more; a path. */
export const WORKFLOW_INTERCEPTORS = new URL('./workflow-interceptors.ts', import.meta.url).pathname

/** What a worker that traces is given; its activities that belong to no trace have no span. */
export function traceWorker(): Pick<WorkerOptions, 'interceptors' | 'sinks'> {
  const sinks: InjectedSinks<TracingSinks> = {
    tracing: { workflowEnded: { fn: (_info, ended) => recordWorkflow(ended), callDuringReplay: false } },
  }
  return {
    sinks,
    interceptors: {
      workflowModules: [WORKFLOW_INTERCEPTORS],
      activity: [
        ({ info }) => ({
          inbound: {
            execute(input, next) {
              const place = readTraceHeader(input.headers)
              if (place === undefined) return next(input)
              const attributes = {
                'temporal.activity_type': info.activityType,
                'temporal.attempt': info.attempt,
                ...challengeOf(input.args),
              }
              const settings = { kind: SpanKind.CONSUMER, attributes, within: writeTraceparent(place) }
              return inSpan(`activity ${info.activityType}`, settings, () => next(input))
            },
          },
        }),
      ],
    },
  }
}

/** The first argument of each of a challenge's activities names it. */
function challengeOf([input]: readonly unknown[]): { 'otp.challenge_id'?: string } {
  const { challengeId } = (input ?? {}) as { challengeId?: unknown }
  return typeof challengeId === 'string' ? { 'otp.challenge_id': challengeId } : {}
}

function recordWorkflow({ within, place, workflowType, runId, began, ended, isFailed }: EndedWorkflow): void {
  const own = readTraceparent(place)
  if (own === undefined) return
  const span = withIds(own, () =>
    beginSpan(`workflow ${workflowType}`, {
      kind: SpanKind.CONSUMER,
      attributes: { 'temporal.workflow_type': workflowType, 'temporal.run_id': runId },
      startTime: began,
      ...(within !== undefined && { within }),
    }),
  )
  if (isFailed) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(ended)
}
