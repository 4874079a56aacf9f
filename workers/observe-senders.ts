/**
 * A provider whose requests are counted, measured and traced. Nothing of a message is told, but how it went.
 */
import { SpanKind } from '@opentelemetry/api'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { createProviderMetrics, type ProviderMetrics } from '../metrics/providers.ts'
import { SendError, type BatchProvider, type Provider } from '../providers/provider.ts'
import { currentTraceparent, inSpan } from '../tracing/spans.ts'

/** @param senders by channel; what is observed of them goes to `registry`, what an operator must mend to `log` */
export function observeSenders(
  { sms, email }: { readonly sms: Provider; readonly email: BatchProvider },
  registry: Registry,
  log: Pick<Logger, 'error'>,
): { sms: Provider; email: BatchProvider } {
  const metrics = createProviderMetrics(registry)
  // An alert sees an increase from 0, and none of a series that begins with its first count.
  for (const { id } of [sms, email]) metrics.requests.inc({ provider: id, result: 'account' }, 0)
  const observe = { metrics, log }
  return {
    sms: { id: sms.id, send: (message, signal) => observed(sms, observe, () => sms.send(message, signal)) },
    email: {
      id: email.id,
      send: (message, signal) => observed(email, observe, () => email.send(message, signal)),
      sendBatch: (recipients, message, signal) =>
        observed(email, observe, () => email.sendBatch(recipients, message, signal)),
    },
  }
}

async function observed<T>(
  { id }: Provider,
  { metrics: { requests, duration }, log }: { metrics: ProviderMetrics; log: Pick<Logger, 'error'> },
  send: () => Promise<T>,
) {
  const stop = duration.startTimer({ provider: id })
  try {
    // What belongs to no trace, a campaign's notices, begins none: there may be millions.
    const settings = { kind: SpanKind.CLIENT, attributes: { 'otp.provider': id } }
    const answer = await (currentTraceparent() === undefined ? send() : inSpan(`send ${id}`, settings, send))
    requests.inc({ provider: id, result: 'accepted' })
    return answer
  } catch (error) {
    const kind = error instanceof SendError ? error.kind : 'temporary'
    requests.inc({ provider: id, result: kind })
    if (kind === 'account') {
      // The message is ours: a status, and nothing of the request.
      log.error({ provider: id, reason: (error as SendError).message }, 'a provider refuses our account or our request')
    }
    throw error
  } finally {
    stop()
  }
}
