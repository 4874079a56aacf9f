/**
 * I11: every history replays. Each way that a challenge, a campaign and a notice can go is run once, and its history is replayed
 * by today's workflow code; so are the recorded ones of released workflows, in `test/histories`. With tracing, which adds no
 * command, they replay alike; by a workflow with another order of commands they do not.
 *
 * A release records its own: `OTP_RECORD_HISTORIES=<version> npm test -- test/replay.test.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { WorkflowHandle } from '@temporalio/client'
import proto from '@temporalio/proto'
import { DeterminismViolationError } from '@temporalio/workflow'
import { Worker } from '@temporalio/worker'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tellOfFailedDeliveries } from '../client/fail-over.ts'
import { sendNotices } from '../client/send-notices.ts'
import { verifyCode } from '../client/verify-code.ts'
import { loadConfig } from '../config.ts'
import { workerDataConverter } from '../temporal/connect.ts'
import { bundleWorkflows } from '../temporal/workflow-bundle.ts'
import { memberNoticeWorkflowId } from '../workflows/ids.ts'
import { attemptJudgedSignal, challengeStatusQuery, verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { planOf, startCampaign } from './support/campaigns.ts'
import { begin, executionOf } from './support/endings.ts'
import { setOwn } from './support/own-destinations.ts'
import { judgeFor, startByClient, startSystem, wrongCode, type System } from './support/system.ts'

const { History } = proto.temporal.api.history.v1
const HISTORIES = join(import.meta.dirname, 'histories')
const RECORDED_VERSION = process.env['OTP_RECORD_HISTORIES']
/** No secret: what is recorded with it holds made-up members, and codes that are long gone. */
const RECORDING_KEY = `histories:${Buffer.alloc(32, 'histories').toString('base64')}`

/** What runs on the queue of a workflow, by what stands before the slash in its id. */
const TODAY: Readonly<Record<string, string>> = {
  'otp-challenge': new URL('../workflows/challenge-queue.ts', import.meta.url).pathname,
  'sms-campaign': new URL('../workflows/campaign-queue.ts', import.meta.url).pathname,
  'member-notice': new URL('../workflows/notice-queue.ts', import.meta.url).pathname,
}
const today = (workflowId: string) => TODAY[workflowId.split('/')[0]!]!
const CHANGED = new URL('./support/changed-workflows.ts', import.meta.url).pathname
const TRACING = new URL('../tracing/workflow-interceptors.ts', import.meta.url).pathname

let system: System
/** Where codes live for 3 s. */
let brief: System
beforeAll(async () => {
  const OTP_CODEC_KEYS = RECORDING_KEY
  ;[system, brief] = await Promise.all([
    startSystem({ OTP_CODEC_KEYS, OTP_ENFORCE_AFTER_SECONDS: '1' }),
    startSystem({ OTP_CODEC_KEYS, OTP_CODE_TTL_SECONDS: '3', OTP_CODE_MIN_LIFE_SECONDS: '0' }),
  ])
  await Promise.all([
    system.process('workers/challenge-worker.ts'),
    system.process('workers/campaign-worker.ts'),
    brief.process('workers/challenge-worker.ts'),
  ])
})
afterAll(() => Promise.all([system?.stop(), brief?.stop()]))

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
  await expect(replaysToday(handle, challengeWay)).resolves.toBeUndefined()
})

/** One whose code a provider has taken, which its workflow knows. */
async function open() {
  const memberId = await system.addMember()
  const challengeId = await begin(system, { memberId })
  const { runId } = await executionOf(system, memberId).describe()
  const handle = executionOf(system, memberId, runId)
  await system.until(async () => (await handle.query(challengeStatusQuery)).status === 'open')
  const [code] = await system.codes(memberId)
  return { memberId, challengeId, code: code!, handle }
}

async function campaign(
  percents: readonly number[],
  ending: (campaign: Awaited<ReturnType<typeof startCampaign>>) => Promise<unknown>,
) {
  await system.addMember({ channel: 'email' })
  const started = await startCampaign(system, planOf(percents))
  await system.until(started.status)
  await started.command({ command: 'pause' })
  await started.command({ command: 'resume' })
  await system.until(started.isSettled, 30_000)
  await ending(started)
  return started.handle
}

const OTHER_WAYS: [string, () => Promise<WorkflowHandle>][] = [
  [
    'challenge verified over HTTP',
    async () => {
      const { handle, challengeId, code } = await open()
      const ground = { ...system.judge, temporal: system.temporal }
      await (
        await verifyCode(ground, { challengeId, code, attemptId: 'http' })
      )?.told
      return handle
    },
  ],
  [
    'challenge verified elsewhere, which a hint told',
    async () => {
      const { handle, challengeId, code } = await open()
      await judgeFor(system, challengeId, code)
      await handle.signal(attemptJudgedSignal, { attemptsLeft: 5, closed: true })
      return handle
    },
  ],
  [
    'challenge expired',
    async () => {
      const memberId = await brief.addMember()
      await begin(brief, { memberId })
      return executionOf(brief, memberId)
    },
  ],
  [
    'challenge superseded',
    async () => {
      const { handle, memberId } = await open()
      await begin(system, { memberId })
      await executionOf(system, memberId).cancel()
      return handle
    },
  ],
  [
    'challenge undeliverable',
    async () => {
      const memberId = await system.addMember({ email: null, phone: null })
      return startByClient(system, { challengeId: uuidv7(), memberId, purpose: 'view_membership' })
    },
  ],
  [
    'challenge that failed over',
    async () => {
      const { handle, challengeId, memberId, code } = await open()
      await system.sql`
        select apply_receipts(provider, array['replay'], array[challenge_id]::text[], array[provider_message_id],
          array['failed'], array['x'], array[now()::text])
        from challenges where challenge_id = ${challengeId}`
      await tellOfFailedDeliveries(system, [challengeId])
      await system.until(async () => (await system.codes(memberId)).length === 2)
      await handle.signal(verifyCodeSignal, { challengeId, code })
      return handle
    },
  ],
  [
    'notice',
    async () => {
      const memberId = await system.addMember({ channel: 'email' })
      const answer = await setOwn(system.sql, memberId, { phone: '+818012345678' })
      if (answer.kind !== 'changed') throw new Error(answer.kind)
      const [noticeId] = answer.notices
      await sendNotices(system.temporal, [noticeId!])
      return system.temporal.workflow.getHandle(memberNoticeWorkflowId(noticeId!))
    },
  ],
  ['campaign completed', () => campaign([50, 100], ({ command }) => command({ command: 'complete' }))],
  ['campaign rolled back', () => campaign([100], ({ command }) => command({ command: 'abort', rollback: true }))],
  ['campaign cancelled', () => campaign([100], ({ handle }) => handle.cancel())],
]

it.each(OTHER_WAYS)('a %s', async (way, go) => {
  await expect(replaysToday(await go(), way)).resolves.toBeUndefined()
})

/** Once it has ended; and is recorded, where that is asked for. */
async function replaysToday(
  handle: Pick<WorkflowHandle, 'workflowId' | 'result' | 'describe' | 'fetchHistory'>,
  way: string,
) {
  await handle.result().catch(() => {})
  expect((await handle.describe()).status.name).not.toBe('RUNNING')

  const history = await handle.fetchHistory()
  await replay(today(handle.workflowId), history, handle.workflowId)
  if (RECORDED_VERSION !== undefined) {
    const name = `${RECORDED_VERSION}-${way.replaceAll(/[^a-z]+/gi, '-')}.json`
    const recorded = {
      workflowId: handle.workflowId,
      history: Buffer.from(History.encode(history).finish()).toString('base64'),
    }
    await writeFile(join(HISTORIES, name), `${JSON.stringify(recorded)}\n`)
  }
}

const CONVERTER = workerDataConverter(
  loadConfig(['temporal'], { OTP_CODEC_KEYS: RECORDING_KEY }).temporal.codecKeys,
  () => {},
)
async function replay(
  workflowsPath: string,
  history: proto.temporal.api.history.v1.IHistory,
  workflowId: string,
  interceptors: string[] = [],
) {
  const workflowBundle = await bundleWorkflows(workflowsPath, interceptors)
  await Worker.runReplayHistory({ workflowBundle, dataConverter: CONVERTER }, history, workflowId)
}

describe.each(readdirSync(HISTORIES))('the recorded %s', (file) => {
  const recorded = JSON.parse(readFileSync(join(HISTORIES, file), 'utf8')) as { workflowId: string; history: string }
  const { workflowId } = recorded
  const history = History.decode(Buffer.from(recorded.history, 'base64'))

  it('replays', async () => {
    await expect(replay(today(workflowId), history, workflowId)).resolves.toBeUndefined()
  })

  it('replays where tracing is on', async () => {
    await expect(replay(today(workflowId), history, workflowId, [TRACING])).resolves.toBeUndefined()
  })

  it('fails a workflow with another order of commands', async () => {
    await expect(replay(CHANGED, history, workflowId)).rejects.toThrow(DeterminismViolationError)
  })
})

it('histories are recorded', () => {
  expect(readdirSync(HISTORIES).length).toBeGreaterThanOrEqual(WAYS.length + OTHER_WAYS.length)
})
