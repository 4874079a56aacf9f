/**
 * A challenge as tests start it, and what stands recorded of its end.
 */
import type { Client } from '@temporalio/client'
import { startChallenge, type StartRequest } from '../../client/start-challenge.ts'
import type { Config } from '../../config.ts'
import type { Sql } from '../../postgres/connect.ts'
import { challengeWorkflowId } from '../../workflows/ids.ts'

/** What a test's system has of what these functions need. */
export interface Ground {
  readonly sql: Sql
  readonly temporal: Client
  readonly config: Config<'policy'>
}

/**
 * Starts a challenge, and waits until its workflow runs.
 *
 * @throws where it is refused
 */
export async function begin(ground: Ground, request: Partial<StartRequest> & { memberId: string }): Promise<string> {
  const start = await startChallenge(
    { ...ground, policy: ground.config.policy },
    { purpose: 'redeem_benefit', caller: 'test', ...request },
  )
  if (!('challenge' in start)) throw new Error(`not admitted: ${start.kind}`)
  await start.started
  return start.challenge.challengeId
}

/** The outcome of a challenge, the events that tell of it (one, where all is well), and the attempts it took. */
export interface Ending {
  readonly outcome: string | null
  readonly events: readonly string[]
  readonly attempts: number
}

export async function endingOf({ sql }: Pick<Ground, 'sql'>, challengeId: string): Promise<Ending> {
  const [row] = await sql<[Ending]>`
    select outcome, attempts, array(
      select replace(type, 'otp.challenge.', '') from outbox where data->>'challengeId' = ${challengeId}) as events
    from challenges where challenge_id = ${challengeId}`
  return row
}

/** One outcome, published once, after so many wrong attempts. */
export const endedOnceAs = (outcome: string, attempts = 0): Ending => ({ outcome, events: [outcome], attempts })

/** The member's execution: the one of a challenge, or the latest. */
export const executionOf = ({ temporal }: Pick<Ground, 'temporal'>, memberId: string, runId?: string) =>
  temporal.workflow.getHandle(challengeWorkflowId(memberId), runId)
