/**
 * The header in which a trace goes through Temporal: a plain `traceparent`, which is no secret. What somebody else put
 * there counts as nothing (C15).
 *
 * The workflow sandbox loads this too: nothing but `@temporalio/common`.
 */
import { defaultPayloadConverter, type Headers } from '@temporalio/common'
import { readTraceparent, writeTraceparent, type TracePlace } from './traceparent.ts'

const NAME = 'traceparent'

export const withTraceHeader = (headers: Headers, place: TracePlace): Headers => ({
  ...headers,
  [NAME]: defaultPayloadConverter.toPayload(writeTraceparent(place)),
})

export function readTraceHeader(headers: Headers): TracePlace | undefined {
  const payload = headers[NAME]
  if (payload === undefined) return undefined
  try {
    return readTraceparent(defaultPayloadConverter.fromPayload(payload))
  } catch {
    return undefined
  }
}
