import type { Client } from '@temporalio/client'
import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { SentWaiter } from '../client/sent-waiter.ts'
import type { Config, Policy } from '../config.ts'
import type { Sql } from '../postgres/connect.ts'
import type { Health } from '../process/health.ts'
import type { Proofs } from '../proofs/proof.ts'
import type { Background } from './background.ts'
import type { InPostgres } from './deadline.ts'
import type { Metrics } from './metrics.ts'

/** What the API works with. It closes none of it. */
export interface ApiDeps {
  readonly sql: Sql
  /** For reports of campaigns: a pool apart, whose statements may take long, so that they never stand before a code. */
  readonly reports: Sql
  readonly temporal: Client
  readonly waiter: SentWaiter
  readonly http: Pick<
    Config<'http'>['http'],
    'bodyLimitBytes' | 'requestTimeoutMs' | 'sendWaitMs' | 'ipHashKey' | 'ipLimitExempt' | 'trustProxyHops'
  >
  readonly callers: Config<'callers'>['callers']
  readonly pages: Config<'pages'>['pages']
  readonly webhooks: Config<'webhooks'>['webhooks']
  readonly codes: Config<'codes'>['codes']
  readonly policy: Policy
  readonly campaign: Config<'campaign'>['campaign']
  /** What `/metrics` shows. */
  readonly registry: Registry
  readonly health: Pick<Health, 'readiness'>
  readonly log: FastifyBaseLogger
}

/** What routes get beside: made by the server, and gone with it. */
export interface RouteDeps extends ApiDeps {
  readonly background: Background
  readonly metrics: Metrics
  readonly proofs: Proofs
  readonly inPostgres: InPostgres
  /** The same for reports of campaigns. */
  readonly inReports: InPostgres
  /** The server stops: nobody waits any longer than they must. */
  readonly closing: AbortSignal
}
