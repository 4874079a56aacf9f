/**
 * What follows from negative receipts (D7): the workflows of the challenges that they are about are told.
 */
import type { Client } from '@temporalio/client'
import { undeliveredChallenges } from '../postgres/challenges.ts'
import type { Sql } from '../postgres/connect.ts'
import { signalExecution } from '../temporal/open-execution.ts'
import { challengeWorkflowId } from '../workflows/ids.ts'
import { deliveryFailedSignal } from '../workflows/messages.ts'

/**
 * Tells the executions of those of these challenges that are open and whose message has failed, so that they fail over.
 * What is lost here, the sweep does.
 */
export async function tellOfFailedDeliveries(
  { sql, temporal }: { sql: Sql; temporal: Client },
  challengeIds: readonly string[],
): Promise<void> {
  const undelivered = await undeliveredChallenges(sql, challengeIds.length, challengeIds)
  await Promise.all(
    undelivered.map((challenge) =>
      signalExecution(temporal, challengeWorkflowId(challenge.memberId), challenge, deliveryFailedSignal),
    ),
  )
}
