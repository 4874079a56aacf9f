/**
 * What may leave in a span (O4): names and values that are known to be harmless, and nothing else. An attribute that is
 * not listed, a value of another shape, an event, an error's message: whatever an author or a library puts there by
 * mistake, it is not exported.
 */
import type { Attributes, AttributeValue } from '@opentelemetry/api'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

const isWord = (value: AttributeValue) => typeof value === 'string' && /^[A-Za-z][A-Za-z_.-]{0,59}$/.test(value)
const isUuid = (value: AttributeValue) =>
  typeof value === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)
const isCount = (value: AttributeValue) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 1_000
/** A route's pattern, never a path: no segment is a number, or holds more than two digits. */
const isRoute = (value: AttributeValue) => typeof value === 'string' && /^(?:\/(?:v\d|[A-Za-z:._*-]*))+$/.test(value)

/** Attributes by name, and what their values are. */
const ALLOWED: Readonly<Record<string, (value: AttributeValue) => boolean>> = {
  'http.request.method': isWord,
  'http.route': isRoute,
  'http.response.status_code': isCount,
  'error.type': isWord,
  'otp.challenge_id': isUuid,
  'otp.purpose': isWord,
  'otp.channel': isWord,
  'otp.provider': isWord,
  'otp.outcome': isWord,
  'otp.verdict': isWord,
  'otp.receipt': isWord,
  'otp.caller': isWord,
  'temporal.workflow_type': isWord,
  'temporal.run_id': isUuid,
  'temporal.activity_type': isWord,
  'temporal.attempt': isCount,
  'temporal.signal': isWord,
}

/** `POST /v1/challenges/:challengeId/verify`, `activity sendCode`: no digits but a version's. */
const NAME = /^[A-Za-z]+(?: (?:[A-Za-z._-]+|(?:\/(?:v\d|[A-Za-z:._*-]*))+))*$/

/** @returns those attributes that are allowed, with values that are */
export function allowedAttributes(attributes: Attributes): Attributes {
  const allowed = Object.entries(attributes).filter(([name, value]) => {
    const isAllowed = Object.hasOwn(ALLOWED, name) ? ALLOWED[name] : undefined
    return value !== undefined && isAllowed?.(value) === true
  })
  return Object.fromEntries(allowed)
}

/** A span of which nothing is left but what is allowed. */
export function reduceSpan(span: ReadableSpan): ReadableSpan {
  const { traceId, spanId, traceFlags, isRemote } = span.spanContext()
  const attributes = allowedAttributes(span.attributes)
  return {
    name: NAME.test(span.name) ? span.name : 'unnamed',
    kind: span.kind,
    spanContext: () => ({ traceId, spanId, traceFlags, ...(isRemote !== undefined && { isRemote }) }),
    ...(span.parentSpanContext && { parentSpanContext: placeOnly(span.parentSpanContext) }),
    startTime: span.startTime,
    endTime: span.endTime,
    duration: span.duration,
    ended: span.ended,
    status: { code: span.status.code },
    attributes,
    links: span.links.map(({ context }) => ({ context: placeOnly(context) })),
    events: [],
    resource: span.resource,
    instrumentationScope: span.instrumentationScope,
    droppedAttributesCount: Object.keys(span.attributes).length - Object.keys(attributes).length,
    droppedEventsCount: span.events.length,
    droppedLinksCount: span.droppedLinksCount,
  }
}

const placeOnly = ({ traceId, spanId, traceFlags, isRemote }: ReturnType<ReadableSpan['spanContext']>) => ({
  traceId,
  spanId,
  traceFlags,
  ...(isRemote !== undefined && { isRemote }),
})

/** An exporter that is given reduced spans only. */
export function onlyAllowed(exporter: SpanExporter): SpanExporter {
  return {
    export: (spans, done) => exporter.export(spans.map(reduceSpan), done),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
