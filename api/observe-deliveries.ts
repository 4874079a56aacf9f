import type { Receipt } from '../domain/receipt.ts'
import type { Sql } from '../postgres/connect.ts'
import { deliveriesOf } from '../postgres/receipts.ts'
import { recordStep } from '../tracing/challenge-trace.ts'
import type { Metrics } from './metrics.ts'

/** O4: what receipts that decide something tell of their challenges: how long it took, and a step of the trace. */
export async function observeDeliveries(
  sql: Sql,
  provider: 'sendgrid' | 'vonage',
  receipts: readonly Receipt[],
  metrics: Metrics,
): Promise<void> {
  const telling = receipts.filter(({ kind }) => kind === 'delivered' || kind === 'failed')
  if (telling.length === 0) return
  const eventIds = telling.map(({ eventId }) => eventId)
  for (const { kind, channel, tookSeconds, ...challenge } of await deliveriesOf(sql, provider, eventIds)) {
    if (kind === 'delivered' && tookSeconds !== null) metrics.delivered.observe({ channel }, tookSeconds)
    const attributes = { 'otp.provider': provider, 'otp.receipt': kind, 'otp.channel': channel }
    recordStep('receipt', challenge, { attributes, isFailed: kind === 'failed' })
  }
}
