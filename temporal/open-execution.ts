/**
 * The execution of a workflow id that is open now, and the challenge it is for.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client'

export interface OpenExecution {
  readonly runId: string
  /** Absent where the start did not come from our API. */
  readonly challengeId?: unknown
}

/** @returns `undefined` where none is open */
export async function openExecution(temporal: Client, workflowId: string): Promise<OpenExecution | undefined> {
  try {
    const { runId, status, memo } = await temporal.workflow.getHandle(workflowId).describe()
    return status.name === 'RUNNING' ? { runId, challengeId: memo?.['challengeId'] } : undefined
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined
    throw error
  }
}
