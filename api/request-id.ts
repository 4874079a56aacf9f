/**
 * The id of a request: the caller's own where it sent one, so that its logs and ours are about the same.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { readTraceparent } from '../tracing/traceparent.ts'

/** With a letter, and none of `+`, `@` and `.`: no phone number, code or address is taken for one. */
const REQUEST_ID = /^(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_-]{16,128}$/

/** @returns `X-Request-Id` where it is well formed, else the trace of `traceparent`, else one of our own */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  if (typeof given === 'string' && REQUEST_ID.test(given)) return given
  return readTraceparent(headers['traceparent'])?.traceId ?? randomUUID()
}
