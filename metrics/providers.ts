import { Counter, Histogram, type Registry } from 'prom-client'

/** What providers answer, and how fast (D6, O4). */
export const createProviderMetrics = (registry: Registry) => ({
  /** `result`: `accepted`, or the kind of error: `permanent`, `limited`, `temporary`, `account`. */
  requests: new Counter({
    name: 'otp_provider_requests_total',
    help: 'Requests to a provider, by what it answered',
    labelNames: ['provider', 'result'],
    registers: [registry],
  }),
  duration: new Histogram({
    name: 'otp_provider_request_seconds',
    help: 'How long a provider took to answer, or until the answer counted as lost',
    labelNames: ['provider'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 8],
    registers: [registry],
  }),
})

export type ProviderMetrics = ReturnType<typeof createProviderMetrics>
