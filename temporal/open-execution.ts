/**
 * The execution of a workflow id: what lives there now, however many runs it took. A reset, a cron, a retry and
 * continue-as-new give an execution another run, and the id of its first run stays.
 */
import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client'
import type { SignalDefinition } from '@temporalio/common'

export interface OpenExecution {
  readonly runId: string
  readonly firstRunId: string
  /** Absent where the start did not come from our API. */
  readonly challengeId?: unknown
}

/** What is known of an execution that is looked for: its challenge, and a run that it had, once it opened that. */
export interface Sought {
  readonly challengeId: string
  readonly runId: string | null
}

/** @returns `undefined` where none is open */
export async function openExecution(temporal: Client, workflowId: string): Promise<OpenExecution | undefined> {
  const found = await describe(temporal, workflowId)
  if (found?.status.name !== 'RUNNING') return undefined
  return { runId: found.runId, firstRunId: firstRunOf(found), challengeId: found.memo?.['challengeId'] }
}

/**
 * What lives of the execution that is for this challenge.
 *
 * @returns its run; `undefined` where it has ended, and where what lives there is for another challenge
 */
export async function livingRun(temporal: Client, workflowId: string, sought: Sought): Promise<string | undefined> {
  const open = await openExecution(temporal, workflowId)
  if (open === undefined) return undefined
  const isSought =
    open.challengeId === sought.challengeId ||
    (sought.runId !== null && (await isRunOf(temporal, workflowId, sought.runId, open.firstRunId)))
  return isSought ? open.runId : undefined
}

/** Whether these are runs of one execution. What the engine no longer knows is none. */
export async function areOfOneExecution(temporal: Client, workflowId: string, runId: string, other: string) {
  const found = await describe(temporal, workflowId, runId)
  return found !== undefined && (await isRunOf(temporal, workflowId, other, firstRunOf(found)))
}

/**
 * Signals the execution that is for this challenge: the run that is known, and where that has ended the one that lives.
 *
 * @returns false where none lives
 */
export async function signalExecution<Args extends unknown[]>(
  temporal: Client,
  workflowId: string,
  sought: Sought,
  signal: SignalDefinition<Args>,
  ...args: Args
): Promise<boolean> {
  const reach = (runId: string) => unlessEnded(temporal.workflow.getHandle(workflowId, runId).signal(signal, ...args))
  if (sought.runId !== null && (await reach(sought.runId))) return true
  const living = await livingRun(temporal, workflowId, sought)
  return living !== undefined && living !== sought.runId && reach(living)
}

/**
 * Asks the execution that is for this challenge to cancel. The engine says of a run that has ended that it was asked too, so
 * what lives is looked up first.
 *
 * @returns false where none lives
 */
export async function cancelExecution(temporal: Client, workflowId: string, sought: Sought): Promise<boolean> {
  const living = await livingRun(temporal, workflowId, sought)
  return living !== undefined && unlessEnded(temporal.workflow.getHandle(workflowId, living).cancel())
}

/** @returns false where there was no such execution, or none any more */
export async function unlessEnded(request: Promise<unknown>): Promise<boolean> {
  try {
    await request
    return true
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false
    throw error
  }
}

async function isRunOf(temporal: Client, workflowId: string, runId: string, firstRunId: string): Promise<boolean> {
  if (runId === firstRunId) return true
  const found = await describe(temporal, workflowId, runId)
  return found !== undefined && firstRunOf(found) === firstRunId
}

type Description = Awaited<ReturnType<WorkflowHandle['describe']>>

async function describe(temporal: Client, workflowId: string, runId?: string): Promise<Description | undefined> {
  try {
    return await temporal.workflow.getHandle(workflowId, runId).describe()
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined
    throw error
  }
}

/** A server before 1.26 does not name it: then each run counts as an execution. */
const firstRunOf = ({ raw, runId }: Description): string => raw.workflowExecutionInfo?.firstRunId || runId
