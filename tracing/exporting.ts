/**
 * The SDK: spans are sampled, reduced to what is allowed, and posted in batches to an OTLP endpoint.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { onlyAllowed } from './allow-list.ts'
import { ids } from './ids.ts'
import { decideTracesBy } from './sampling.ts'
import type { Tracing } from './start.ts'

const STOP_WITHIN_MS = 1_000

type Settings = Config<'tracing'>['tracing'] & { readonly endpoint: string }

export function exportSpans(settings: Settings, processName: string, log: Pick<Logger, 'warn' | 'info'>): Tracing {
  const { endpoint, headers, timeoutMs, resource } = settings
  const root = rootSampler(settings)
  decideTracesBy((traceId) => {
    const { decision } = root.shouldSample(ROOT_CONTEXT, traceId, '', SpanKind.INTERNAL, {}, [])
    return decision === SamplingDecision.RECORD_AND_SAMPLED
  })
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': processName, ...resource })),
    sampler: settings.sampler.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root,
    idGenerator: ids,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: telling(
          onlyAllowed(new OTLPTraceExporter({ url: endpoint, headers, timeoutMillis: timeoutMs })),
          log,
        ),
        scheduledDelayMillis: settings.delayMs,
      }),
    ],
  })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  return {
    isOn: true,
    async stop() {
      await Promise.race([provider.shutdown().catch(() => {}), wait(STOP_WITHIN_MS, undefined, { ref: false })])
    },
  }
}

/** What cannot be sent is lost, and nothing waits for it; the log has the first time, and when it is over. */
function telling(exporter: SpanExporter, log: Pick<Logger, 'warn' | 'info'>): SpanExporter {
  let isFailing = false
  return {
    ...exporter,
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const wasFailing = isFailing
        isFailing = result.code === ExportResultCode.FAILED
        if (isFailing && !wasFailing) log.warn({ err: result.error }, 'spans cannot be sent')
        if (!isFailing && wasFailing) log.info('spans can be sent again')
        done(result)
      }),
  }
}

function rootSampler({ sampler, ratio }: Settings): Sampler {
  if (sampler.endsWith('always_off')) return new AlwaysOffSampler()
  return sampler.endsWith('traceidratio') ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler()
}
