/**
 * A provider whose requests are counted, measured and traced. Nothing of a message is told, but how it went.
 */
import { SpanKind } from '@opentelemetry/api'
import type { Registry } from 'prom-client'
import { createProviderMetrics, type ProviderMetrics } from '../metrics/providers.ts'
import { SendError, type BatchProvider, type Provider } from '../providers/provider.ts'
import { currentTraceparent, inSpan } from '../tracing/spans.ts'

/** @param senders by channel; what is observed of them goes to `registry` */
export function observeSenders(
  { sms, email }: { readonly sms: Provider; readonly email: BatchProvider },
  registry: Registry,
): { sms: Provider; email: BatchProvider } {
  const metrics = createProviderMetrics(registry)
  return {
    sms: { id: sms.id, send: (message, signal) => observed(sms, metrics, () => sms.send(message, signal)) },
    email: {
      id: email.id,
      send: (message, signal) => observed(email, metrics, () => email.send(message, signal)),
      sendBatch: (recipients, message, signal) =>
        observed(email, metrics, () => email.sendBatch(recipients, message, signal)),
    },
  }
}

async function observed<T>({ id }: Provider, { requests, duration }: ProviderMetrics, send: () => Promise<T>) {
  const stop = duration.startTimer({ provider: id })
  try {
    // What belongs to no trace, a campaign's notices, begins none: there may be millions.
    const settings = { kind: SpanKind.CLIENT, attributes: { 'otp.provider': id } }
    const answer = await (currentTraceparent() === undefined ? send() : inSpan(`send ${id}`, settings, send))
    requests.inc({ provider: id, result: 'accepted' })
    return answer
  } catch (error) {
    requests.inc({ provider: id, result: error instanceof SendError ? error.kind : 'temporary' })
    throw error
  } finally {
    stop()
  }
}
