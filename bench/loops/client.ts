import { randomUUID } from 'node:crypto'
import type { Client } from '@temporalio/client'
import type { SentWaiter } from '../../client/sent-waiter.ts'
import { startChallenge } from '../../client/start-challenge.ts'
import { verifyCode } from '../../client/verify-code.ts'
import type { Judge } from '../../codes/judge-code.ts'
import { benchMember } from '../members.ts'
import type { OutboxReader } from '../outbox.ts'
import { hasCompletedVerified } from './completed.ts'
import { ANSWER_AFTER_MS, GIVE_UP_MS, type Loop } from './loop.ts'
import { pauseUntil } from './pause.ts'
import { challengeWorkflowId } from '../../workflows/ids.ts'

export interface ClientLoopDependencies extends Judge {
  readonly temporal: Client
  readonly sentWaiter: SentWaiter
  readonly outbox: OutboxReader
}

/** (b): our challenge, by the functions that the API is made of. */
export function createClientLoop(dependencies: ClientLoopDependencies): Loop {
  const { temporal, sentWaiter, outbox } = dependencies
  return {
    name: 'client',
    workflowId: (member) => challengeWorkflowId(benchMember(member).memberId),
    async run(member) {
      const { memberId, destination } = benchMember(member)
      const began = performance.now()
      const start = await startChallenge(dependencies, { memberId, purpose: 'view_membership', caller: 'bench' })
      if (!('challenge' in start)) throw new Error(`not admitted: ${start.kind}`)
      const { challengeId } = start.challenge
      const [challenge] = await Promise.all([
        sentWaiter.wait(start.challenge, { timeoutMs: GIVE_UP_MS }),
        start.started,
      ])
      if (challenge.sentAt === null) throw new Error(`not sent: ${challenge.outcome ?? 'too slow'}`)
      const handedOver = performance.now()
      const code = await outbox.code(destination)
      await pauseUntil(handedOver + ANSWER_AFTER_MS)
      const asked = performance.now()
      const verified = await verifyCode(dependencies, { challengeId, code, attemptId: randomUUID() })
      const answered = performance.now()
      if (verified?.answer.result !== 'verified') throw new Error(`not verified: ${verified?.answer.result}`)
      await Promise.all([verified.told, hasCompletedVerified(temporal, memberId)])
      return {
        startMs: handedOver - began,
        verdictMs: answered - asked,
        completedMs: performance.now() - asked,
      }
    },
  }
}
