/**
 * U4: events that were sent are sent again, asked for over HTTP and by the CLI.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { markSent, takeOutbox } from '../postgres/outbox.ts'
import { connect, type Sql } from '../postgres/connect.ts'
import { startApi, type Api } from './support/api.ts'

const PROGRAM = join(import.meta.dirname, '..', 'cli', 'otp.mjs')
const PATH = '/v1/event-replays'
const EVER = '2026-01-01T00:00:00Z'

let api: Api
/** What the relay does in Postgres, one batch at a time. */
let relay: Sql
beforeAll(async () => {
  api = await startApi()
  relay = connect(api.system.env['DATABASE_URL']!, { poolSize: 1, name: 'test' })
})
afterAll(async () => {
  await relay?.end()
  await api?.stop()
})

let memberId: string
beforeEach(async () => {
  const { challengeId, ...challenge } = await api.challenge()
  memberId = challenge.memberId
  await api.call('DELETE', `/v1/challenges/${challengeId}`)
  await relayBatch()
})
const relayBatch = async () => {
  const rows = await takeOutbox(relay, 1_000)
  await markSent(relay, rows!)
  return rows!.map(({ subject }) => subject)
}
const ask = (body: object, key: string = randomUUID()) => api.call('POST', PATH, { as: 'operator', body, key })

describe('a replay is refused', () => {
  it.each([
    ['without a time', {}],
    ['from a day without a time', { from: '2026-11-01' }],
    ['from a time without a zone', { from: '2026-11-01T00:00:00' }],
    ['that ends before it begins', { from: EVER, to: '2025-01-01T00:00:00Z' }],
    ['from a year before the calendar', { from: '0000-12-31T00:00:00Z' }],
    ['from a year before the calendar, by its zone', { from: '0001-01-01T00:00:00+23:59' }],
    ['to a year of five digits, by its zone', { from: EVER, to: '9999-12-31T23:59:59-23:59' }],
    ['of what is no member id', { from: EVER, memberId: "1' or '1'='1" }],
    ['with a field that is not known', { from: EVER, topic: 'member-events' }],
  ])('%s', async (_what, body) => {
    const answer = await ask(body)
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { code: 'invalid_request' }])
  })

  it('to whoever has not the scope, and to nobody known', async () => {
    const refused = await api.call('POST', PATH, { as: 'support', body: { from: EVER } })
    expect([refused.statusCode, refused.json()]).toMatchObject([403, { code: 'forbidden' }])
    const headers = { authorization: 'Bearer nobody' }
    expect((await api.call('POST', PATH, { body: { from: EVER }, headers })).statusCode).toBe(401)
    expect((await api.call('GET', `${PATH}/${randomUUID()}`, { as: 'watcher' })).statusCode).toBe(403)
  })

  it('where its key was used for another one', async () => {
    const key = randomUUID()
    const first = await ask({ from: EVER, memberId: 'nobody' }, key)
    expect((await ask({ from: EVER, memberId: 'nobody' }, key)).json()).toEqual(first.json())
    expect((await ask({ from: EVER }, key)).json()).toMatchObject({ code: 'idempotency_key_reused' })
    await relayBatch()
  })
})

it('is done by the relay, and says how many go out again', async () => {
  const asked = await ask({ from: EVER, memberId })
  expect(asked.statusCode).toBe(202)
  const { replayId, ...rest } = asked.json<{ replayId: string }>()
  expect(rest).toEqual({ from: '2026-01-01T00:00:00.000Z', memberId, askedAt: expect.any(String) as string })
  expect(await relayBatch()).toEqual([memberId])
  const done = await api.call('GET', asked.headers.location!, { as: 'operator' })
  expect(done.json()).toEqual({ replayId, ...rest, doneAt: expect.any(String) as string, events: 1 })
})

it('that nobody asked for is not known', async () => {
  for (const id of [randomUUID(), 'x', '%00']) {
    const answer = await api.call('GET', `${PATH}/${id}`, { as: 'operator' })
    expect([answer.statusCode, answer.json()]).toMatchObject([404, { code: 'unknown_replay' }])
  }
})

describe('otp outbox replay', () => {
  const otp = async (...args: string[]) => {
    const { port } = api.app.server.address() as { port: number }
    const child = spawn(process.execPath, [PROGRAM, 'outbox', 'replay', ...args], {
      env: { PATH: process.env['PATH'], OTP_API_URL: `http://127.0.0.1:${port}`, OTP_API_KEY: api.keys.operator },
    })
    const [out, err, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.once('exit', resolve)),
    ])
    return { code, out, err }
  }
  beforeAll(async () => void (await api.app.listen({ host: '127.0.0.1', port: 0 })))

  it.each([
    [[], "required option '--from <time>'"],
    [['--from', 'yesterday'], 'such as 6h'],
    [['--from', '2026-11-01T00:00:00'], 'such as 2026-11-01T00:00:00Z'],
    [['--from', '6'], 'such as 6h'],
  ])('%j cannot be used', async (args, words) => {
    const { code, err } = await otp(...args)
    expect(code).toBe(2)
    expect(err).toContain(words)
  })

  it('waits until it is done, and says how many', async () => {
    const replaying = otp('--from', '1h', '--member', memberId)
    const again = await api.system.until(async () => {
      const subjects = await relayBatch()
      return subjects.length > 0 && subjects
    })
    expect(again).toEqual([memberId])
    const { code, out } = await replaying
    expect([code, out]).toEqual([0, expect.stringContaining(`1 events go out again: of ${memberId}`)])
  })
})
