/**
 * Tracing in a Temporal client: what is asked of the engine has a span, and a workflow that is started is told where it
 * belongs.
 */
import { SpanKind } from '@opentelemetry/api'
import type { WorkflowClientInterceptor } from '@temporalio/client'
import { currentTraceparent, inSpan } from './spans.ts'
import { withTraceHeader } from './temporal-header.ts'
import { readTraceparent } from './traceparent.ts'

/** @param workflowTypes whose starts carry the trace; a workflow that runs for weeks belongs to no request's trace */
export function traceWorkflowClient(workflowTypes: readonly string[]): WorkflowClientInterceptor {
  return {
    startWithDetails(input, next) {
      const { workflowType } = input
      if (!workflowTypes.includes(workflowType)) return next(input)
      const settings = { kind: SpanKind.PRODUCER, attributes: { 'temporal.workflow_type': workflowType } }
      return inSpan(`start ${workflowType}`, settings, () => {
        const place = readTraceparent(currentTraceparent())
        return next(place ? { ...input, headers: withTraceHeader(input.headers, place) } : input)
      })
    },
    signal(input, next) {
      if (currentTraceparent() === undefined) return next(input)
      const settings = { kind: SpanKind.PRODUCER, attributes: { 'temporal.signal': input.signalName } }
      return inSpan(`signal ${input.signalName}`, settings, () => next(input))
    },
  }
}
