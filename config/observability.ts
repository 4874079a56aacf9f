/** Logs and traces. */
import { z } from 'zod'
import { baseUrl, boolean, httpUrl, int, pairs, text } from './values.ts'

export const log = z
  .object({
    OTP_LOG_LEVEL: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
        error: 'wants trace, debug, info, warn, error or silent',
      })
      .default('info'),
  })
  .transform((v) => ({ level: v.OTP_LOG_LEVEL }))

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

const tracesEndpoint = (
  v: Partial<Record<'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', string | undefined>>,
) =>
  v.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ??
  (v.OTEL_EXPORTER_OTLP_ENDPOINT && `${v.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`)

/**
 * Traces (O4), by OpenTelemetry's own variables. Off, at no cost, unless an endpoint is set; spans go out as OTLP over HTTP,
 * with nothing in them but what `tracing/allow-list.ts` lets through.
 */
export const tracing = z
  .object({
    OTEL_EXPORTER_OTLP_ENDPOINT: baseUrl('wants the http(s) URL of an OTLP collector').optional(),
    /** Where traces go to a place of their own: the whole URL. */
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl('wants the http(s) URL to which traces are posted').optional(),
    OTEL_EXPORTER_OTLP_PROTOCOL: z
      .literal('http/json', { error: 'wants http/json, which is what is spoken' })
      .optional(),
    OTEL_EXPORTER_OTLP_HEADERS: pairs.optional(),
    OTEL_EXPORTER_OTLP_TIMEOUT: int(100, 60_000, 10_000),
    /** Milliseconds between two exports. */
    OTEL_BSP_SCHEDULE_DELAY: int(10, 60_000, 5_000),
    OTEL_SERVICE_NAME: text('wants a name').optional(),
    OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
    OTEL_TRACES_SAMPLER: z
      .enum(SAMPLERS, { error: `wants one of ${SAMPLERS.join(', ')}` })
      .default('parentbased_always_on'),
    /** For the samplers by ratio: how much of all is traced. */
    OTEL_TRACES_SAMPLER_ARG: z.coerce
      .number({ error: 'wants 0 to 1' })
      .min(0, 'wants 0 to 1')
      .max(1, 'wants 0 to 1')
      .default(1),
    OTEL_SDK_DISABLED: boolean.default(false),
  })
  .transform((v) => ({
    endpoint: v.OTEL_SDK_DISABLED ? undefined : tracesEndpoint(v),
    headers: v.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    timeoutMs: v.OTEL_EXPORTER_OTLP_TIMEOUT,
    delayMs: v.OTEL_BSP_SCHEDULE_DELAY,
    resource: {
      ...v.OTEL_RESOURCE_ATTRIBUTES,
      ...(v.OTEL_SERVICE_NAME !== undefined && { 'service.name': v.OTEL_SERVICE_NAME }),
    },
    sampler: v.OTEL_TRACES_SAMPLER,
    ratio: v.OTEL_TRACES_SAMPLER_ARG,
  }))
