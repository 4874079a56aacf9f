import type { Delivery } from '../postgres/receipts.ts'
import { recordStep } from '../tracing/challenge-trace.ts'
import type { Metrics } from './metrics.ts'

/** O4: what receipts tell of their challenges: how long it took, and a step of the trace. */
export function observeDeliveries(
  provider: 'sendgrid' | 'vonage',
  deliveries: readonly Delivery[],
  metrics: Pick<Metrics, 'delivered'>,
): void {
  for (const { kind, channel, tookSeconds, ...challenge } of deliveries) {
    if (kind === 'delivered' && tookSeconds !== null) metrics.delivered.observe({ channel }, tookSeconds)
    const attributes = { 'otp.provider': provider, 'otp.receipt': kind, 'otp.channel': channel }
    recordStep('receipt', challenge, { attributes, isFailed: kind === 'failed' })
  }
}
