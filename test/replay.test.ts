/**
 * I11: every history replays. Each way that a challenge can go is run once, and its history is replayed by today's workflow
 * code; so are the recorded ones of released workflows, in `test/histories`. With tracing, which adds no command, they replay
 * alike; by a workflow with another order of commands they do not.
 *
 * A release records its own: `OTP_RECORD_HISTORIES=<version> npm test -- test/replay.test.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import proto from '@temporalio/proto'
import { DeterminismViolationError } from '@temporalio/workflow'
import { Worker } from '@temporalio/worker'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { workerDataConverter } from '../temporal/connect.ts'
import { verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { startByClient, startSystem, wrongCode, type System } from './support/system.ts'

const { History } = proto.temporal.api.history.v1
const HISTORIES = join(import.meta.dirname, 'histories')
const RECORDED_VERSION = process.env['OTP_RECORD_HISTORIES']
/** No secret: what is recorded with it holds made-up members, and codes that are long gone. */
const RECORDING_KEY = `histories:${Buffer.alloc(32, 'histories').toString('base64')}`

const TODAY = new URL('../workflows/challenge-queue.ts', import.meta.url).pathname
const CHANGED = new URL('./support/changed-workflows.ts', import.meta.url).pathname
const TRACING = new URL('../tracing/workflow-interceptors.ts', import.meta.url).pathname

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_CODEC_KEYS: RECORDING_KEY })
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

it.each(WAYS)('a challenge that was %s', async (challengeWay, way) => {
  const memberId = await system.addMember()
  const challengeId = uuidv7()
  const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
  const code = await system.until(async () => (await system.codes(memberId))[0])
  await way({ handle, challengeId, code })
  await handle.result().catch(() => {})
  expect((await handle.describe()).status.name).not.toBe('RUNNING')

  const history = await handle.fetchHistory()
  await replay(TODAY, history, handle.workflowId)
  if (RECORDED_VERSION !== undefined) {
    const name = `${RECORDED_VERSION}-${challengeWay.replaceAll(/[^a-z]+/gi, '-')}.json`
    const recorded = {
      workflowId: handle.workflowId,
      history: Buffer.from(History.encode(history).finish()).toString('base64'),
    }
    await writeFile(join(HISTORIES, name), `${JSON.stringify(recorded)}\n`)
  }
})

const replay = (
  workflowsPath: string,
  history: proto.temporal.api.history.v1.IHistory,
  workflowId: string,
  interceptors: string[] = [],
) =>
  Worker.runReplayHistory(
    {
      workflowsPath,
      dataConverter: workerDataConverter(
        loadConfig(['temporal'], { OTP_CODEC_KEYS: RECORDING_KEY }).temporal.codecKeys,
        () => {},
      ),
      interceptors: { workflowModules: interceptors },
    },
    history,
    workflowId,
  )

describe.each(readdirSync(HISTORIES))('the recorded %s', (file) => {
  const recorded = JSON.parse(readFileSync(join(HISTORIES, file), 'utf8')) as { workflowId: string; history: string }
  const { workflowId } = recorded
  const history = History.decode(Buffer.from(recorded.history, 'base64'))

  it('replays', async () => {
    await expect(replay(TODAY, history, workflowId)).resolves.toBeUndefined()
  })

  it('replays where tracing is on', async () => {
    await expect(replay(TODAY, history, workflowId, [TRACING])).resolves.toBeUndefined()
  })

  it('fails a workflow with another order of commands', async () => {
    await expect(replay(CHANGED, history, workflowId)).rejects.toThrow(DeterminismViolationError)
  })
})

it('histories are recorded', () => {
  expect(readdirSync(HISTORIES).length).toBeGreaterThanOrEqual(WAYS.length)
})
