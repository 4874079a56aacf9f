/**
 * O4: each request has an id, its caller's own where that is well formed, in the answer, in a problem and in the log; and what a
 * caller puts there is never a way to write something else into the log.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApi, type Api } from './support/api.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/
const ask = (headers: Record<string, string | string[]>) => api.app.inject({ url: '/v1/nothing', headers })
const TRACE_ID = 'abcdef0123456789abcdef0123456789'
const TRACEPARENT = `00-${TRACE_ID}-abcdef0123456789-01`

describe('the id of a request', () => {
  it.each([
    '123456',
    '042817',
    '09012345678',
    '+819012345678',
    '819012345678901234567890',
    '0081-90-1234-5678-90',
    'hanako.yamada@example.jp',
    'hanako.yamada.1990',
    'short',
    'x'.repeat(129),
    'a b c d e f g h i j',
    '{"level":60,"msg":"x"}',
    '山田花子山田花子山田花子山田花子',
    '<script>alert(1)</script>',
  ])('is never %j, which could be something else: we make one', async (given) => {
    const before = api.log().length
    const answer = await ask({ 'x-request-id': Buffer.from(given).toString('latin1') })
    expect(answer.headers['x-request-id']).toMatch(UUID)
    expect(answer.json()).toMatchObject({ requestId: answer.headers['x-request-id'] })
    expect(api.log().slice(before)).not.toContain(given)
  })

  it.each([
    `00-${'0'.repeat(32)}-abcdef0123456789-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
    `00-${TRACE_ID.toUpperCase()}-abcdef0123456789-01`,
    `00-${TRACE_ID}`,
    'nonsense',
  ])('is never of the trace %j', async (traceparent) => {
    expect((await ask({ traceparent })).headers['x-request-id']).toMatch(UUID)
  })

  it.each(['req-0123456789abcdef', randomUUID(), '01HZX3V0K7Q8W9E2R5T6Y1U4I0', 'a'.repeat(128)])(
    'is the caller’s %j, in the answer, in the problem and in the log',
    async (given) => {
      const before = api.log().length
      const answer = await ask({ 'x-request-id': given, traceparent: TRACEPARENT })
      expect(answer.headers['x-request-id']).toBe(given)
      expect(answer.json()).toMatchObject({ code: 'not_found', requestId: given })
      expect(api.log().slice(before)).toContain(`"reqId":"${given}"`)
    },
  )

  it('is that of the caller’s trace, where it sent no other', async () => {
    const answer = await ask({ traceparent: TRACEPARENT })
    expect(answer.headers['x-request-id']).toBe(TRACE_ID)
  })

  it('is another for each request that brings none', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask({})))
    expect(new Set(answers.map(({ headers }) => headers['x-request-id'])).size).toBe(20)
  })
})
