import type { Client } from '@temporalio/client'
import type { Part } from './parts.ts'

const ANSWER_WITHIN_MS = 2_000

/** Temporal, there while it answers and knows the client's namespace. */
export const temporalPart = (client: Client): Part => ({
  look: () =>
    client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflowService.describeNamespace({ namespace: client.options.namespace }),
    ),
})
