/**
 * Ids of spans: random, but for a workflow's own span, whose id every worker that replays the workflow comes to alike.
 */
import { RandomIdGenerator, type IdGenerator } from '@opentelemetry/sdk-trace'

const random = new RandomIdGenerator()
let given: { readonly traceId: string; readonly spanId: string } | undefined

export const ids: IdGenerator = {
  generateTraceId: () => given?.traceId ?? random.generateTraceId(),
  generateSpanId: () => given?.spanId ?? random.generateSpanId(),
}

/** A span that is begun in `begin` has these ids; the trace id only where it has no parent. */
export function withIds<T>(wanted: { readonly traceId: string; readonly spanId: string }, begin: () => T): T {
  given = wanted
  try {
    return begin()
  } finally {
    given = undefined
  }
}
