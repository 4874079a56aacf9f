/**
 * Logs in JSON, redacted by construction (O4): what is not one of these fields is left out, whoever logs it.
 */
import { context, trace } from '@opentelemetry/api'
import { pino, type DestinationStream, type Logger } from 'pino'
import { describeError } from './describe-error.ts'

/** Of requests, of parts and Kafka, of providers, and of Temporal's SDK. No free text, and of a member nothing but the id. */
const FIELDS = new Set(
  [
    'reqId traceId method route status ms caller sub url',
    'part topic partition firstOffset count reason code groupId memberCount',
    'kafkajs broker brokerError retryCount retryTime',
    'provider kind message campaignId',
    'sdkComponent namespace taskQueue workflowId runId workflowType activityId activityType attempt isLocal durationMs',
    'signalName updateName updateId queryType state',
  ].flatMap((names) => names.split(' ')),
)
/** They hold an error, or the word for one. */
const ERROR_FIELDS = new Set(['err', 'error'])
/** Longer than any name of ours. */
const MOST_CHARACTERS = 200

/** @returns of what was given to the log what may be told */
export function allowedFields(fields: Record<string, unknown>): Record<string, unknown> {
  const told: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (ERROR_FIELDS.has(name)) told[name] = typeof value === 'string' ? wordOf(value) : describeError(value)
    else if (FIELDS.has(name) && isScalar(value)) told[name] = value
  }
  return told
}

const wordOf = (value: string) => (/^\w{1,60}$/.test(value) ? value : 'error')

const isScalar = (value: unknown) =>
  typeof value === 'string'
    ? value.length <= MOST_CHARACTERS
    : typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'

/** The log of a process. A line that is written while a request or an activity is traced has its `traceId`. */
export function createLog(
  { name, level }: { readonly name?: string; readonly level: string },
  destination?: DestinationStream,
): Logger {
  const options = {
    ...(name !== undefined && { name }),
    level,
    formatters: { log: allowedFields },
    // Errors are described by the formatter, which comes first.
    serializers: { err: (value: unknown) => value },
    mixin: () => {
      const traceId = trace.getSpanContext(context.active())?.traceId
      return traceId === undefined ? {} : { traceId }
    },
  }
  return destination ? pino(options, destination) : pino(options)
}
