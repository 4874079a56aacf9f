import type { Client } from '@temporalio/client'
import { challengeWorkflowId } from '../../workflows/ids.ts'
import { benchMember } from '../members.ts'
import type { OutboxReader } from '../outbox.ts'
import { hasCompletedVerified } from './completed.ts'
import { ANSWER_AFTER_MS, type Loop } from './loop.ts'
import { pauseUntil } from './pause.ts'

export interface HttpLoopDependencies {
  /** The API's base URL, and a key for it. */
  readonly api: string
  readonly apiKey: string
  readonly temporal: Client
  readonly outbox: OutboxReader
}

/** (c): our challenge, as an upstream system asks for it. `fetch` keeps its connections alive. */
export function createHttpLoop({ api, apiKey, temporal, outbox }: HttpLoopDependencies): Loop {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  const post = async (path: string, status: number, body: object) => {
    const response = await fetch(`${api}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const answer = (await response.json()) as Record<string, unknown>
    if (response.status !== status) throw new Error(`the API answered ${response.status} (${String(answer['code'])})`)
    return answer
  }
  return {
    name: 'http',
    workflowId: (member) => challengeWorkflowId(benchMember(member).memberId),
    async run(member) {
      const { memberId, destination } = benchMember(member)
      const began = performance.now()
      const { challengeId } = await post('/v1/challenges', 201, { memberId, purpose: 'view_membership' })
      const handedOver = performance.now()
      const code = await outbox.code(destination)
      await pauseUntil(handedOver + ANSWER_AFTER_MS)
      const asked = performance.now()
      const { result } = await post(`/v1/challenges/${String(challengeId)}/verify`, 200, { code })
      const answered = performance.now()
      if (result !== 'verified') throw new Error(`not verified: ${String(result)}`)
      await hasCompletedVerified(temporal, memberId)
      return { startMs: handedOver - began, verdictMs: answered - asked, completedMs: performance.now() - asked }
    },
  }
}
