/**
 * What Prometheus is told (O4).
 */
import { Counter, Histogram, type Registry } from 'prom-client'
import { createDeliveryHistogram } from '../metrics/challenges.ts'
import { createRefusalCounter } from '../metrics/refusals.ts'

export type Metrics = ReturnType<typeof createMetrics>

/** @param registry of one server alone: several cannot share the names */
export function createMetrics(registry: Registry) {
  const registers = [registry]
  return {
    started: new Counter({
      name: 'otp_challenges_started_total',
      help: 'Challenges admitted over HTTP',
      registers,
    }),
    refusals: createRefusalCounter(registry),
    delivered: createDeliveryHistogram(registry),
    verdicts: new Counter({
      name: 'otp_verdicts_total',
      help: 'Verdicts on codes submitted over HTTP',
      labelNames: ['result'],
      registers,
    }),
    receipts: new Counter({
      name: 'otp_receipts_total',
      help: 'Elements of signed webhooks: new, known (came before), ignored (says nothing of delivery, or is of another sender), account (a change of our account) or bad; and posts that are not signed as they should be: unsigned',
      labelNames: ['provider', 'result'],
      registers,
    }),
    failedReceipts: new Counter({
      name: 'otp_failed_receipts_total',
      help: 'New receipts of messages that failed, by whom they blame: destination, network, sender, account, or nobody that is known',
      labelNames: ['provider', 'blames'],
      registers,
    }),
    duration: new Histogram({
      name: 'otp_http_request_duration_seconds',
      help: 'Time to answer, by route',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
  }
}
