/**
 * Making spans. Where tracing is off these cost a call that does nothing: OpenTelemetry's API without an SDK behind it.
 */
import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Span,
  type SpanKind,
  type TimeInput,
} from '@opentelemetry/api'
import { isTraceSampled } from './sampling.ts'
import { readTraceparent, writeTraceparent } from './traceparent.ts'

export interface SpanSettings {
  readonly kind?: SpanKind
  readonly attributes?: Attributes
  /** Where the span belongs, as `traceparent`; absent: to what is under way. */
  readonly within?: string | undefined
  /** Links to what is under way, where that is another trace. */
  readonly linked?: boolean
  readonly startTime?: TimeInput
}

const tracer = () => trace.getTracer('one-time-password')

/** The context that a `traceparent` names; what is under way where it names none. */
export function contextOf(traceparent: string | undefined): Context {
  const place = readTraceparent(traceparent)
  if (place === undefined) return context.active()
  const { traceId, spanId, sampled = isTraceSampled(place.traceId) } = place
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

/** Where we are, as `traceparent`; `undefined` where nothing is traced. */
export function currentTraceparent(): string | undefined {
  const place = trace.getSpanContext(context.active())
  if (place === undefined || !isSpanContextValid(place)) return undefined
  const { traceId, spanId, traceFlags } = place
  return writeTraceparent({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 })
}

export function beginSpan(name: string, { kind, attributes, within, linked, startTime }: SpanSettings = {}): Span {
  const parent = contextOf(within)
  const active = trace.getSpanContext(context.active())
  const isElsewhere = active !== undefined && active.traceId !== trace.getSpanContext(parent)?.traceId
  const settings = {
    ...(kind !== undefined && { kind }),
    ...(attributes && { attributes }),
    ...(linked === true && isElsewhere && { links: [{ context: active }] }),
    ...(startTime !== undefined && { startTime }),
  }
  return tracer().startSpan(name, settings, parent)
}

/** Says more of the span that is under way. */
export function annotate(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes)
}

/** Ends a span as failed: the kind of error is told, never its message. */
export function failSpan(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.setAttribute('error.type', errorType(error))
  span.end()
}

function errorType(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { type, kind } = error as { type?: unknown; kind?: unknown }
  const word = [type, kind].find((value) => typeof value === 'string')
  return word ?? error.name
}

/** Does `work` in a span, which is what is under way meanwhile. */
export async function inSpan<T>(name: string, settings: SpanSettings, work: (span: Span) => Promise<T>): Promise<T> {
  const span = beginSpan(name, settings)
  try {
    const result = await context.with(trace.setSpan(context.active(), span), () => work(span))
    span.end()
    return result
  } catch (error) {
    failSpan(span, error)
    throw error
  }
}
