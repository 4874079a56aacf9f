/**
 * A collector of traces: takes OTLP over HTTP as JSON, and keeps what it was sent.
 */
import { z } from 'zod'
import { recordingServer } from './recording-server.ts'

const value = z.union([
  z.object({ stringValue: z.string() }).transform((v) => v.stringValue),
  z.object({ intValue: z.coerce.number() }).transform((v) => v.intValue),
  z.object({ boolValue: z.boolean() }).transform((v) => v.boolValue),
  z.object({ doubleValue: z.number() }).transform((v) => v.doubleValue),
  z.looseObject({}).transform(() => undefined),
])
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map((each) => [each.key, each.value])))
const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  startTimeUnixNano: z.coerce.bigint(),
  endTimeUnixNano: z.coerce.bigint(),
  attributes,
  events: z.array(z.unknown()).default([]),
  links: z.array(z.object({ traceId: z.string() })).default([]),
  status: z.object({ code: z.number().default(0), message: z.string().optional() }).default({ code: 0 }),
})
const post = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
})

export type CollectedSpan = z.infer<typeof span> & { readonly process: unknown }

export interface Collector extends AsyncDisposable {
  readonly url: string
  spans(): CollectedSpan[]
  /** All that it was sent, as it was sent. */
  raw(): string
}

export async function startCollector(): Promise<Collector> {
  const server = await recordingServer({ status: 200, body: {} })
  return {
    url: server.url,
    spans: () =>
      server.requests.flatMap(({ body }) =>
        post
          .parse(body)
          .resourceSpans.flatMap(({ resource, scopeSpans }) =>
            scopeSpans.flatMap(({ spans }) =>
              spans.map((each) => ({ ...each, process: resource.attributes['service.name'] })),
            ),
          ),
      ),
    raw: () => JSON.stringify(server.requests),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
