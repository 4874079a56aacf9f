import type { Client } from '@temporalio/client'
import type { Part } from './parts.ts'

/**
 * Far beyond the time after which Temporal counts as away: a call that is cancelled in the middle leaves the database of
 * Temporal's development server (SQLite) answering `interrupted` for good.
 */
const CANCEL_AFTER_MS = 30_000

/** Temporal, there while it answers and knows the client's namespace. */
export const temporalPart = (client: Client): Part => ({
  look: () =>
    client.withDeadline(Date.now() + CANCEL_AFTER_MS, () =>
      client.workflowService.describeNamespace({ namespace: client.options.namespace }),
    ),
})
