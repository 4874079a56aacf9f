/**
 * I11: every history replays. Each way that a challenge can go is run once, and its recorded history is replayed by
 * today's workflow code.
 */
import { Worker } from '@temporalio/worker'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { workerDataConverter } from '../temporal/connect.ts'
import { verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { startByClient, startSystem, wrongCode, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
  await system.process('workers/challenge-worker.ts')
})
afterAll(() => system?.stop())

type Handle = Awaited<ReturnType<typeof startByClient>>
interface Run {
  readonly handle: Handle
  readonly challengeId: string
  readonly code: string
}

const WAYS: [string, (run: Run) => Promise<unknown>][] = [
  ['verified by signal', ({ handle, challengeId, code }) => handle.signal(verifyCodeSignal, { challengeId, code })],
  [
    'verified by Update, after a wrong code and nonsense',
    async ({ handle, challengeId, code }) => {
      await handle.signal('verifyCode', 'nonsense')
      await handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code: wrongCode(code) }] })
      await handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code }] })
    },
  ],
  [
    'exhausted by ten signals at once',
    ({ handle, challengeId, code }) =>
      Promise.all(
        Array.from({ length: 10 }, () => handle.signal(verifyCodeSignal, { challengeId, code: wrongCode(code) })),
      ),
  ],
  ['cancelled', ({ handle }) => handle.cancel()],
  [
    'cancelled while a check runs',
    ({ handle, challengeId, code }) =>
      Promise.all([handle.signal(verifyCodeSignal, { challengeId, code: wrongCode(code) }), handle.cancel()]),
  ],
]

it.each(WAYS)('a challenge that was %s', async (_, way) => {
  const memberId = await system.addMember()
  const challengeId = uuidv7()
  const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
  const code = await system.until(async () => (await system.codes(memberId))[0])
  await way({ handle, challengeId, code })
  await handle.result().catch(() => {})
  expect((await handle.describe()).status.name).not.toBe('RUNNING')

  await Worker.runReplayHistory(
    {
      workflowsPath: new URL('../workflows/challenge-queue.ts', import.meta.url).pathname,
      dataConverter: workerDataConverter(system.config.temporal.codecKeys, () => {}),
    },
    await handle.fetchHistory(),
    handle.workflowId,
  )
})
