import type { FastifyBaseLogger } from 'fastify'
import type { Applied, Delivery } from '../postgres/receipts.ts'
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

/** O4: whom new failures blame. What is our own account's fault, somebody must mend. */
export function observeFailures(
  provider: 'sendgrid' | 'vonage',
  failures: Applied['failures'],
  { metrics, log }: { readonly metrics: Pick<Metrics, 'failedReceipts'>; readonly log: FastifyBaseLogger },
): void {
  for (const [blames, number] of Object.entries(failures)) metrics.failedReceipts.inc({ provider, blames }, number)
  if (failures.account)
    log.error({ provider, count: failures.account }, 'messages failed, since a provider refuses our account')
}
