/**
 * U3: Nexus service `otp`: its operation `challenge` starts a challenge and completes with its outcome, for workflows of
 * other namespaces.
 */
import { randomUUID } from 'node:crypto'
import { WorkflowFailedError, type Client, type WorkflowHandle } from '@temporalio/client'
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyCode } from '../client/verify-code.ts'
import { TEMPORAL_CALLER } from '../config/callers.ts'
import { changeMembership, challengeIdQuery, typedCodeUpdate } from '../examples/nexus-caller/workflows.ts'
import { refusalOf } from '../nexus/service.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { connectTemporal, workerDataConverter } from '../temporal/connect.ts'
import { keepNexusEndpoint } from '../temporal/nexus-endpoint.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'
import { CHALLENGE_TASK_QUEUE } from '../workflows/ids.ts'
import { begin, endedOnceAs, endingOf, executionOf } from './support/endings.ts'
import { holdHead } from './support/head-lock.ts'
import { askOtp, type Asking } from './support/nexus-asking.ts'
import { noCandidates, scan } from './support/secret-scan.ts'
import { patience } from './support/speed.ts'
import { temporalAddress, useNamespace } from './support/stack.ts'
import { codeOf } from './support/simulators.ts'
import { startSystem, wrongCode, type System, type WorkerProcess } from './support/system.ts'

const HANDLER = 'workers/challenge-worker.ts'
const CALLER = 'examples/nexus-caller/worker.ts'
/** A request to a handler that died is given up by the server after ten seconds, and made again. */
const HANDLER_LOST_MS = 40_000

let system: System
/** Of the other team, in their namespace. */
let their: { client: Client; namespace: string; worker: WorkerProcess }
let handler: WorkerProcess
let endpoint: string

beforeAll(async () => {
  // Codes of eight digits hardly occur by chance: the last test looks for them.
  system = await startSystem({ OTP_CODE_DIGITS: '8' })
  endpoint = `otp-${system.namespace}`
  await keepNexusEndpoint(system.temporal.connection, {
    name: endpoint,
    namespace: system.namespace,
    taskQueue: CHALLENGE_TASK_QUEUE,
  })
  const namespace = await useNamespace()
  const connectionOptions = { address: temporalAddress() }
  const client = connectTemporal(system.config.temporal.codecKeys, { connectionOptions, namespace })
  const [worker, challengeWorker] = await Promise.all([runCaller(namespace), system.process(HANDLER)])
  their = { client, namespace, worker }
  handler = challengeWorker
})
afterAll(async () => {
  await their?.client.connection.close()
  await system?.stop()
})

const runCaller = (namespace: string) => system.process(CALLER, { TEMPORAL_NAMESPACE: namespace })

const started: WorkflowHandle[] = []
async function changeOf(memberId: string) {
  const handle = await their.client.workflow.start(changeMembership, {
    taskQueue: 'memberships',
    workflowId: randomUUID(),
    args: [{ memberId, endpoint }],
  })
  started.push(handle)
  return handle
}
type Change = Awaited<ReturnType<typeof changeOf>>

const challengeOf = (change: Change) => system.until(() => change.query(challengeIdQuery))
const codeFor = (memberId: string) => system.until(async () => (await system.codes(memberId))[0])
const isSent = (challengeId: string) =>
  system.until(async () => (await readChallenge(system.sql, challengeId))?.sentAt ?? undefined)

async function openChange() {
  const memberId = await system.addMember()
  const change = await changeOf(memberId)
  const challengeId = await challengeOf(change)
  const code = await codeFor(memberId)
  await isSent(challengeId)
  return { memberId, change, challengeId, code }
}

describe('what cannot be asked for', () => {
  let asking: Worker
  let running: Promise<void>
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') })
    asking = await Worker.create({
      connection: await NativeConnection.connect({ address: temporalAddress() }),
      namespace: their.namespace,
      taskQueue: 'asking',
      workflowsPath: new URL('support/nexus-asking.ts', import.meta.url).pathname,
      dataConverter: workerDataConverter(system.config.temporal.codecKeys, () => {}),
    })
    running = asking.run()
  })
  afterAll(async () => {
    asking?.shutdown()
    await running
  })

  /** What the operation failed with. */
  async function failureOf(asked: Omit<Asking, 'endpoint'>): Promise<Error> {
    const ask = { taskQueue: 'asking', workflowId: randomUUID(), args: [{ ...asked, endpoint }] as [Asking] }
    const failure: unknown = await their.client.workflow.execute(askOtp, ask).catch((error: unknown) => error)
    if (!(failure instanceof WorkflowFailedError)) throw new Error('the operation did not fail')
    return failure.cause!
  }

  const SHAPES: [string, Omit<Asking, 'endpoint'>][] = [
    ['null', { operation: 'challenge', input: null }],
    ['a text', { operation: 'challenge', input: 'x' }],
    ['no member', { operation: 'challenge', input: { purpose: 'view_membership' } }],
    ['no id of a member', { operation: 'challenge', input: { memberId: '1/2', purpose: 'view_membership' } }],
    ['no purpose', { operation: 'challenge', input: { memberId: '12', purpose: 7 } }],
    [
      'no channel',
      { operation: 'challenge', input: { memberId: '12', purpose: 'view_membership', channel: 'pigeon' } },
    ],
    ['no language', { operation: 'challenge', input: { memberId: '12', purpose: 'view_membership', locale: '../ja' } }],
    ['no id of a challenge', { operation: 'verifyCode', input: { challengeId: 'x', code: '12345678' } }],
    ['an array', { operation: 'verifyCode', input: [] }],
    ['nothing', { operation: 'challengeStatus', input: undefined }],
  ]
  it.each(SHAPES)('%s is refused at once, and not asked again', async (_, shape) => {
    const began = Date.now()
    expect((await failureOf(shape)).cause).toMatchObject({ name: 'HandlerError', type: 'BAD_REQUEST' })
    expect(Date.now() - began).toBeLessThan(patience(5))
  })

  it('who is no member is refused, in the words of the HTTP API', async () => {
    const failure = await failureOf({ operation: 'challenge', input: { memberId: '1', purpose: 'view_membership' } })
    expect(refusalOf(failure)).toEqual({ refusal: 'unknown_member' })
  })

  it.each(['register_phone', 'sell_house'])('the purpose %s is refused: no payload holds a number', async (purpose) => {
    const memberId = await system.addMember()
    const failure = await failureOf({ operation: 'challenge', input: { memberId, purpose } })
    expect(refusalOf(failure)).toEqual({ refusal: 'unknown_purpose' })
  })

  it('a member who is locked is refused, with when to try again, and an open challenge is left as it is', async () => {
    const { memberId, change, challengeId, code } = await openChange()
    await system.sql`
      update challenge_heads set locked_until = challenge_now() + interval '1 minute' where member_id = ${memberId}`
    const failure = await failureOf({ operation: 'challenge', input: { memberId, purpose: 'view_membership' } })
    const refusal = refusalOf(failure)
    expect(refusal).toEqual({ refusal: 'locked', retryAfter: expect.any(Number) })
    expect(refusal!.retryAfter).toBeGreaterThan(50)
    await system.sql`update challenge_heads set locked_until = null where member_id = ${memberId}`
    expect(await change.executeUpdate(typedCodeUpdate, { args: [code] })).toMatchObject({ result: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
    expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
  })

  it('a member whom nothing reaches is refused, with what they should do', async () => {
    const memberId = await system.addMember({ email: null, phone: null })
    const failure = await failureOf({ operation: 'challenge', input: { memberId, purpose: 'view_membership' } })
    expect(refusalOf(failure)).toMatchObject({ refusal: 'undeliverable', advice: expect.any(String) })
  })

  it('a challenge that another caller started is neither shown nor verified', async () => {
    const memberId = await system.addMember()
    const challengeId = await begin(system, { memberId, caller: 'booking' })
    const code = await codeFor(memberId)
    for (const operation of ['verifyCode', 'challengeStatus'] as const) {
      const failure = await failureOf({ operation, input: { challengeId, code } })
      expect(refusalOf(failure)).toEqual({ refusal: 'unknown_challenge' })
    }
    expect((await readChallenge(system.sql, challengeId))?.outcome).toBeNull()
  })

  it('what cannot be a code is refused, and spends no attempt', async () => {
    const { challengeId } = await openChange()
    const failure = await failureOf({ operation: 'verifyCode', input: { challengeId, code: '123' } })
    expect(refusalOf(failure)).toEqual({ refusal: 'invalid_code' })
    expect((await readChallenge(system.sql, challengeId))?.attempts).toBe(0)
  })
})

describe('a workflow of another namespace', () => {
  it('asks, has wrong and right codes judged, and goes on with the outcome', async () => {
    const { change, challengeId, code } = await openChange()
    const wrong = await change.executeUpdate(typedCodeUpdate, { args: [wrongCode(code).padStart(8, '0')] })
    expect(wrong).toEqual({ result: 'wrong_code', attemptsLeft: 4 })
    expect(await change.executeUpdate(typedCodeUpdate, { args: [code] })).toMatchObject({ result: 'verified' })
    expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified', 1))
  })

  it('learns the outcome also where the member typed the code elsewhere', async () => {
    const { change, challengeId, code } = await openChange()
    expect(await verifyElsewhere(challengeId, code)).toBe('verified')
    expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
  })

  it('learns that too many wrong codes were typed', async () => {
    const { change, challengeId, code } = await openChange()
    for (let attempt = 1; attempt <= 5; attempt++) await verifyElsewhere(challengeId, wrongCode(code).padStart(8, '0'))
    expect(await change.result()).toEqual({ isChanged: false, because: 'attempts_exhausted' })
  })

  it('learns that no provider took the code, with what the member should do', async () => {
    const memberId = await system.addMember({ email: null })
    const [member] = await system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    await system.simulators.faults({ status: 422, to: member.phone })
    expect(await (await changeOf(memberId)).result()).toEqual({
      isChanged: false,
      because: { refusal: 'undeliverable', reason: 'rejected_by_provider', advice: 'contact_center' },
    })
  })

  it('takes the place of a challenge that is open, and gives way to a newer one', async () => {
    const memberId = await system.addMember()
    const older = await begin(system, { memberId })
    const olderRun = (await executionOf(system, memberId).describe()).runId
    const change = await changeOf(memberId)
    const own = await challengeOf(change)
    expect((await executionOf(system, memberId, olderRun).describe()).status.name).toBe('CANCELLED')
    const newer = await begin(system, { memberId })
    expect(await change.result()).toEqual({ isChanged: false, because: 'superseded' })
    expect(await endingOf(system, older)).toEqual(endedOnceAs('superseded'))
    expect(await endingOf(system, own)).toEqual(endedOnceAs('superseded'))
    expect((await readChallenge(system.sql, newer))?.outcome).toBeNull()
  })

  it('goes on with the outcome of the code that the member had sent again', async () => {
    const { memberId, change, challengeId, code } = await openChange()
    const again = await begin(system, { memberId, continues: challengeId, caller: TEMPORAL_CALLER })
    const newer = await system.until(async () => (await system.codes(memberId)).find((sent) => sent !== code))
    await system.until(async () => (await change.query(challengeIdQuery)) === again)
    expect(await change.executeUpdate(typedCodeUpdate, { args: [code] })).toMatchObject({ result: 'older_code' })
    expect(await change.executeUpdate(typedCodeUpdate, { args: [newer] })).toMatchObject({ result: 'verified' })
    expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
  })

  it('is cancelled, and so is its challenge', async () => {
    const { memberId, change, challengeId } = await openChange()
    await change.cancel()
    await expect(change.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('cancelled'))
    expect((await executionOf(system, memberId).describe()).status.name).toBe('CANCELLED')
  })

  it('asks through an endpoint that is set up once, and pointed anew where that is asked for', async () => {
    const name = `${endpoint}-again`
    const keep = (taskQueue: string) =>
      keepNexusEndpoint(system.temporal.connection, { name, namespace: system.namespace, taskQueue })
    expect(await keep('a')).toBe('created')
    expect(await keep('a')).toBe('unchanged')
    expect(await keep('b')).toBe('changed')
    expect(await keep('b')).toBe('unchanged')
  })
})

describe('killed', () => {
  it('the caller comes back and learns what became of its challenge meanwhile', async () => {
    const { change, challengeId, code } = await openChange()
    await their.worker.kill()
    expect(await verifyElsewhere(challengeId, code)).toBe('verified')
    their = { ...their, worker: await runCaller(their.namespace) }
    expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
    expect(await endingOf(system, challengeId)).toEqual(endedOnceAs('verified'))
  })

  it(
    'the handler, in the middle of a start: another makes it, and one code is sent',
    async () => {
      const memberId = await system.addMember()
      await system.sql`insert into challenge_heads (member_id) values (${memberId})`
      const lock = await holdHead(system.sql, memberId)
      const change = await changeOf(memberId)
      await system.until(async () => (await lock.waiting()) > 0)
      await handler.kill()
      await lock.release()
      handler = await system.process(HANDLER)
      const challengeId = await system.until(() => change.query(challengeIdQuery), HANDLER_LOST_MS)
      const code = await codeFor(memberId)
      expect(await change.executeUpdate(typedCodeUpdate, { args: [code] })).toMatchObject({ result: 'verified' })
      expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
      expect(await system.codes(memberId)).toEqual([code])
      expect(await challengesOf(memberId)).toEqual([challengeId])
    },
    patience(120),
  )

  it(
    'the handler, while many start: each member is asked once, whatever was answered by then',
    async () => {
      const members = await Promise.all(Array.from({ length: 12 }, () => system.addMember()))
      const changes = await Promise.all(members.map(changeOf))
      await system.until(async () => {
        const [row] = await system.sql<[{ count: number }]>`
          select count(*) from challenges where member_id in ${system.sql(members)} and run_id is not null`
        return row.count > 2
      })
      await handler.kill()
      handler = await system.process(HANDLER)
      for (const [index, change] of changes.entries()) {
        const memberId = members[index]!
        await system.until(() => change.query(challengeIdQuery), HANDLER_LOST_MS)
        const code = await codeFor(memberId)
        expect(await change.executeUpdate(typedCodeUpdate, { args: [code] })).toMatchObject({ result: 'verified' })
        expect(await change.result()).toEqual({ isChanged: true, because: 'verified' })
        // A repeated send carries the same code.
        expect(new Set(await system.codes(memberId)).size).toBe(1)
        expect(await challengesOf(memberId)).toHaveLength(1)
      }
    },
    patience(120),
  )
})

it('no history of any of them holds a code, and neither do the logs', async () => {
  const sent = (await system.simulators.messages()).map(codeOf)
  const handles = [...started, ...(await challengesHandles())]
  const found = noCandidates()
  for (const handle of handles) scan(Buffer.from(JSON.stringify(await handle.fetchHistory())), found)
  scan(Buffer.from(their.worker.output() + handler.output()), found)
  expect(sent.length).toBeGreaterThan(5)
  expect(handles.length).toBeGreaterThan(10)
  expect(sent.filter((code) => found.codes.has(code))).toEqual([])

  // It would be seen: the typed codes stand there, once the payloads are readable.
  const [change] = started
  const planted = noCandidates()
  const { events } = await change!.fetchHistory()
  const payloads = events!.flatMap(
    (event) => event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.args?.payloads ?? [],
  )
  const readable = await createPayloadCodec(system.config.temporal.codecKeys).decode(payloads)
  scan(Buffer.concat(readable.map(({ data }) => data!)), planted)
  expect(sent.filter((code) => planted.codes.has(code))).toHaveLength(1)
})

async function challengesHandles(): Promise<WorkflowHandle[]> {
  const rows = await system.sql<{ memberId: string; runId: string }[]>`
    select member_id as "memberId", run_id as "runId" from challenges where run_id is not null`
  return rows.map(({ memberId, runId }) => executionOf(system, memberId, runId))
}

async function challengesOf(memberId: string): Promise<string[]> {
  const rows = await system.sql<
    { id: string }[]
  >`select challenge_id as id from challenges where member_id = ${memberId}`
  return rows.map(({ id }) => id)
}

/** Over HTTP, or on our pages. */
async function verifyElsewhere(challengeId: string, code: string): Promise<string | undefined> {
  const submission = { challengeId, code, attemptId: randomUUID() }
  const verified = await verifyCode({ ...system.judge, temporal: system.temporal }, submission)
  await verified?.told
  return verified?.answer.result
}
