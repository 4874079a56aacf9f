/**
 * C15: what cannot be decoded is counted and ignored; the next right code verifies.
 */
import { randomBytes } from 'node:crypto'
import { Client } from '@temporalio/client'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { VerifyCodeInput } from '../domain/challenge.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { createPayloadCodec } from '../temporal/payload-codec.ts'
import { attemptJudgedSignal, challengeStatusQuery, verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { startByClient, startSystem, wrongCode, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
  await system.process('workers/challenge-worker.ts')
})
afterAll(() => system?.stop())

async function open() {
  const memberId = await system.addMember()
  const challengeId = uuidv7()
  const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
  const code = await system.until(async () => (await system.codes(memberId))[0])
  return { memberId, challengeId, handle, code }
}

/** A client whose payloads are what a hand at the Web UI, another team's key or a broken tool would send. */
const clientSending = (payload: Payload) =>
  new Client({
    connection: system.temporal.connection,
    namespace: system.namespace,
    dataConverter: {
      payloadCodecs: [
        { encode: async (payloads) => payloads.map(() => payload), decode: async (payloads) => payloads },
      ],
    },
  })
const bytes = (text: string) => new TextEncoder().encode(text)
const plain = (json: string): Payload => ({ metadata: { encoding: bytes('json/plain') }, data: bytes(json) })
const foreign = createPayloadCodec({ current: 'theirs', keys: new Map([['theirs', randomBytes(32)]]) })

const PAYLOADS: [string, () => Promise<Payload>][] = [
  [
    'a payload under an unknown codec key',
    async () => (await foreign.encode([defaultPayloadConverter.toPayload(1)]))[0]!,
  ],
  [
    'a truncated ciphertext',
    async () => {
      const [payload] = await createPayloadCodec(system.config.temporal.codecKeys).encode([plain('{}')])
      return { ...payload!, data: payload!.data!.slice(0, 9) }
    },
  ],
  ['null', async () => plain('null')],
  ['broken JSON', async () => plain('{"challengeId":')],
  ['a number', async () => plain('7')],
  ['an array', async () => plain('[1,2]')],
  ['an object of another shape', async () => plain('{"code":true,"challengeId":["x"]}')],
  ['prototype keys', async () => plain('{"__proto__":{"challengeId":"x"},"constructor":1}')],
  ['an unknown encoding', async () => ({ metadata: { encoding: bytes('text/klingon') }, data: bytes('x') })],
  ['nothing at all', async () => ({ metadata: {}, data: null })],
]

it.each(PAYLOADS)('%s, sent as each signal, stops nothing', async (_, payload) => {
  const { challengeId, handle, code } = await open()
  const odd = clientSending(await payload()).workflow.getHandle(handle.workflowId)
  await odd.signal('verifyCode', {})
  await odd.signal('attemptJudged', {})
  await odd.signal('noSuchSignal', {})
  await handle.signal(verifyCodeSignal, { challengeId, code })
  expect(await handle.result()).toMatchObject({ outcome: 'verified' })
  expect((await readChallenge(system.sql, challengeId))?.attempts).toBe(0)
})

it('an Update whose id cannot be kept is refused, and stops nothing', async () => {
  const { challengeId, handle, code } = await open()
  const args: [VerifyCodeInput] = [{ challengeId, code }]
  await expect(handle.executeUpdate(verifyCodeUpdate, { args, updateId: 'a\0b' })).rejects.toMatchObject({
    cause: { type: 'invalid_request' },
  })
  await handle.signal(verifyCodeSignal, { challengeId, code })
  expect(await handle.result()).toMatchObject({ outcome: 'verified' })
})

it('a code in plain JSON, as the CLI sends it, verifies', async () => {
  const { challengeId, handle, code } = await open()
  const cli = clientSending(plain(JSON.stringify({ challengeId, code }))).workflow.getHandle(handle.workflowId)
  await cli.signal('verifyCode', {})
  expect(await handle.result()).toMatchObject({ outcome: 'verified' })
})

it('an outcome typed by hand, with or without a seal of somebody’s own, decides nothing', async () => {
  const { challengeId, handle, code } = await open()
  const result = { challengeId, outcome: 'verified' } as const
  await handle.signal(attemptJudgedSignal, { closed: true, attemptsLeft: 0 })
  await handle.signal(attemptJudgedSignal, { closed: true, attemptsLeft: 0, result })
  await handle.signal(attemptJudgedSignal, { closed: true, attemptsLeft: 0, result, seal: 'A'.repeat(43) })
  await handle.signal(verifyCodeSignal, { challengeId, code: wrongCode(code) })
  await system.until(async () => (await handle.query(challengeStatusQuery)).attemptsLeft === 4)
  expect((await handle.describe()).status.name).toBe('RUNNING')
  await handle.signal(verifyCodeSignal, { challengeId, code })
  expect(await handle.result()).toMatchObject({ outcome: 'verified' })
})

it('a code for the challenge of another member is for nobody here, and costs that member nothing', async () => {
  const [own, other] = await Promise.all([open(), open()])
  for (const code of [other.code, wrongCode(other.code)]) {
    const answer = own.handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId: other.challengeId, code }] })
    await expect(answer).rejects.toMatchObject({ cause: { type: 'unknown_challenge' } })
  }
  expect(await readChallenge(system.sql, other.challengeId)).toMatchObject({ attempts: 0, outcome: null })
  await Promise.all([own.handle.cancel(), other.handle.cancel()])
})

it('a code for another challenge of the member is judged for that one', async () => {
  const { memberId, challengeId, handle, code } = await open()
  await handle.signal(verifyCodeSignal, { challengeId: uuidv7(), code })
  await handle.signal(verifyCodeSignal, { challengeId, code })
  expect(await handle.result()).toMatchObject({ outcome: 'verified' })
  const again = await startByClient(system, { challengeId: uuidv7(), memberId, purpose: 'view_membership' })
  const late = await again.executeUpdate('verifyCode', { args: [{ challengeId, code }] })
  expect(late).toEqual({ result: 'already_used' })
  await again.cancel()
})
