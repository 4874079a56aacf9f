/**
 * What an execution left in Temporal's history: the measure of what it asked of the server.
 */
import type { Client } from '@temporalio/client'
import proto from '@temporalio/proto'
import { median } from './statistics.ts'

const { EventType } = proto.temporal.api.enums.v1

export interface HistorySize {
  readonly events: number
  readonly bytes: number
  /** Of one execution: how many events of each type. */
  readonly byType: Readonly<Record<string, number>>
}

/** The median of these executions. */
export async function historySize(temporal: Client, workflowIds: readonly string[]): Promise<HistorySize> {
  const executions = await Promise.all(workflowIds.map((id) => temporal.workflow.getHandle(id).describe()))
  return {
    events: median(executions.map(({ historyLength }) => historyLength)),
    bytes: median(executions.map(({ historySize = 0 }) => historySize)),
    byType: await eventsByType(temporal, workflowIds[0]!),
  }
}

async function eventsByType(temporal: Client, workflowId: string): Promise<Record<string, number>> {
  const { events } = await temporal.workflow.getHandle(workflowId).fetchHistory()
  const counts: Record<string, number> = {}
  for (const { eventType } of events ?? []) {
    const name = EventType[eventType ?? 0]!.replace('EVENT_TYPE_', '').toLowerCase()
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
