/**
 * U1: each caller has a number of requests a second, over all instances of the API together, after it is known who calls. It
 * costs a request no statement of its own, and is no reason to refuse anybody while Postgres is away.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCallerLimit } from '../api/caller-limits.ts'
import { ProblemError } from '../api/problems.ts'
import { takeRequests } from '../postgres/caller-pace.ts'
import { connect } from '../postgres/connect.ts'
import { startApi, type Api, type CallerName } from './support/api.ts'
import { patience } from './support/speed.ts'
import type { WorkerProcess } from './support/system.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const LIMIT = 20
const limited = (perSecond = LIMIT) => api.server({}, { OTP_CALLER_REQUESTS_PER_SECOND: String(perSecond) })
const silent = { warn: () => {} }
const check = (server: ReturnType<typeof limited>, as: CallerName = 'web') =>
  server.inject({
    method: 'POST',
    url: '/v1/deliverability',
    headers: { authorization: `Bearer ${api.keys[as]}` },
    payload: { email: 'a@example.jp' },
  })
const times = <T>(n: number, make: () => Promise<T>) => Promise.all(Array.from({ length: n }, make))
const tally = (answers: readonly { statusCode: number }[]) => {
  const counts: Record<number, number> = {}
  for (const { statusCode } of answers) counts[statusCode] = (counts[statusCode] ?? 0) + 1
  return counts
}
const forget = () => api.system.sql`truncate caller_pace`

/** Many limits of one process stand for as many instances: they share nothing but Postgres. */
const instance = (perSecond: number, statements: { count: number } = { count: 0 }) =>
  createCallerLimit({
    perSecond,
    log: silent,
    take: (caller, wanted) => {
      statements.count++
      return takeRequests(api.system.sql, caller, perSecond, wanted)
    },
  })!
const countFor = async (limit: ReturnType<typeof instance>, caller: string) =>
  limit.count(caller).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ProblemError && error.code === 'too_many_requests') return false
      throw error
    },
  )

/** All of a caller's requests of the next seconds are taken, wherever. */
const exhaust = (caller: CallerName, seconds: number) => api.system.sql`
  insert into caller_pace (caller, next_slot_at) values (${caller}, clock_timestamp() + make_interval(secs => ${seconds + 1}))
  on conflict (caller) do update set next_slot_at = excluded.next_slot_at`

describe('a caller that asks too often', () => {
  it('gets 429 with when to come again, and what the limit is', async () => {
    await exhaust('web', 30)
    const refused = await check(limited())
    expect([refused.statusCode, refused.json()]).toMatchObject([429, { code: 'too_many_requests', status: 429 }])
    const { retryAfter } = refused.json<{ retryAfter: number }>()
    expect(retryAfter).toBeGreaterThan(15)
    expect(retryAfter).toBeLessThanOrEqual(31)
    expect(refused.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'retry-after': String(retryAfter),
      'ratelimit-policy': `"caller";q=${LIMIT};w=1`,
      ratelimit: '"caller";r=0;t=1',
    })
  })

  it('gets what the limit is and 429 beyond it, when it asks all at once', async () => {
    await forget()
    const server = limited(1)
    const counts = tally(await times(50, () => check(server)))
    expect(counts[200]).toBeGreaterThanOrEqual(1)
    expect(counts[429]).toBeGreaterThanOrEqual(1)
    expect(Object.keys(counts)).toHaveLength(2)
  })

  it('changes nothing by what is refused', async () => {
    await exhaust('web', 30)
    const memberId = await api.system.addMember()
    const answer = await limited().inject({
      method: 'POST',
      url: '/v1/challenges',
      headers: { authorization: `Bearer ${api.keys.web}` },
      payload: { memberId, purpose: 'view_membership' },
    })
    expect(answer.statusCode).toBe(429)
    expect(await api.system.sql`select from challenges where member_id = ${memberId}`).toHaveLength(0)
  })

  it('does not take from another caller', async () => {
    await exhaust('web', 30)
    const server = limited()
    expect((await check(server)).statusCode).toBe(429)
    const other = await check(server, 'support')
    expect([other.statusCode, other.headers['ratelimit']]).toEqual([200, `"caller";r=${LIMIT - 1};t=1`])
  })

  it('gets 429 for what is refused for another reason too: it counts all the same', async () => {
    await exhaust('nobody', 30)
    expect((await check(limited(), 'nobody')).statusCode).toBe(429)
    await forget()
    expect((await check(limited(), 'nobody')).statusCode).toBe(403)
    expect(await api.system.sql`select caller from caller_pace`).toEqual([{ caller: 'nobody' }])
  })

  it('is let in again as time goes on', async () => {
    await exhaust('web', 1)
    const server = limited()
    expect((await check(server)).statusCode).toBe(429)
    await api.system.until(async () => (await check(server)).statusCode === 200)
  })
})

describe('what is not a known caller’s request', () => {
  it('is not counted: no key, webhooks, health, metrics, pages', async () => {
    await forget()
    const server = limited(1)
    const asked = [
      { url: '/v1/deliverability', method: 'POST' },
      { url: '/v1/webhooks/sendgrid', method: 'POST' },
      { url: '/healthz', method: 'GET' },
      { url: '/readyz', method: 'GET' },
      { url: '/metrics', method: 'GET' },
      { url: '/openapi.json', method: 'GET' },
      { url: '/.well-known/jwks.json', method: 'GET' },
    ] as const
    const page = {
      url: '/campaigns',
      method: 'GET',
      headers: { authorization: `Basic ${Buffer.from(`x:${api.keys.operator}`).toString('base64')}` },
    } as const
    const answers: LightMyRequestResponse[] = []
    for (let n = 0; n < 5; n++) for (const each of [...asked, page]) answers.push(await server.inject(each))
    expect(tally(answers)).toEqual({ 200: 30, 401: 10 })
    for (const answer of answers) expect(answer.headers).not.toHaveProperty('ratelimit')
    expect(await api.system.sql`select caller from caller_pace`).toHaveLength(0)
  })

  it('and nobody’s is where the limit is 0', async () => {
    await forget()
    const server = limited(0)
    const answers = await times(100, () => check(server))
    expect(tally(answers)).toEqual({ 200: 100 })
    expect(answers[0]!.headers).not.toHaveProperty('ratelimit')
    expect(await api.system.sql`select caller from caller_pace`).toHaveLength(0)
  })
})

describe('the limit over several instances', () => {
  it('is one for two processes: together they let through what one may', async () => {
    await forget()
    const perSecond = 5
    const env = { PORT: '0', OTP_CALLER_REQUESTS_PER_SECOND: String(perSecond) }
    const processes = await Promise.all([
      api.system.process('api/main.ts', env),
      api.system.process('api/main.ts', env),
    ])
    const began = performance.now()
    const passed = { count: 0 }
    const refused = { count: 0 }
    const hammer = async (url: string) => {
      while (performance.now() < began + 3_000) {
        const answer = await fetch(`${url}/v1/deliverability`, {
          method: 'POST',
          headers: { authorization: `Bearer ${api.keys.web}`, 'content-type': 'application/json' },
          body: '{"email":"a@example.jp"}',
        })
        await answer.text()
        ;(answer.status === 200 ? passed : refused).count++
      }
    }
    await Promise.all(processes.flatMap((each) => times(4, () => hammer(urlOf(each)))))
    const seconds = (performance.now() - began) / 1_000
    await Promise.all(processes.map((each) => each.kill()))
    expect(refused.count).toBeGreaterThan(0)
    // A burst of one second's number at the beginning.
    expect(passed.count).toBeLessThanOrEqual(perSecond * (seconds + 1))
    expect(passed.count).toBeGreaterThanOrEqual(perSecond)
  })

  it('holds for ten at once, and none of them starves another for good', async () => {
    const caller = randomUUID()
    const perSecond = 100
    const instances = Array.from({ length: 10 }, () => instance(perSecond))
    const began = performance.now()
    const passed = instances.map(() => 0)
    await Promise.all(
      instances.map(async (limit, index) => {
        while (performance.now() < began + 2_000) {
          if (await countFor(limit, caller)) passed[index]!++
          else await wait(5)
        }
      }),
    )
    const all = passed.reduce((sum, each) => sum + each, 0)
    expect(all).toBeLessThanOrEqual(perSecond * ((performance.now() - began) / 1_000 + 1))
    for (const each of passed) expect(each).toBeGreaterThan(0)
  })

  it('is not used up by instances that a caller hardly asks', async () => {
    const caller = randomUUID()
    const idle = Array.from({ length: 10 }, () => instance(100))
    await Promise.all(idle.map((limit) => countFor(limit, caller)))
    const busy = instance(100)
    const answers = await times(90, () => countFor(busy, caller))
    expect(answers.filter(Boolean)).toHaveLength(90)
  })
})

describe('what the limit costs', () => {
  it('is a statement for a batch of requests, not one for each', async () => {
    const statements = { count: 0 }
    const perSecond = 10_000
    const limit = instance(perSecond, statements)
    const caller = randomUUID()
    for (let n = 0; n < 5_000; n++) expect(await countFor(limit, caller)).toBe(true)
    // One, two, four … and no more than a tenth of a second's number.
    expect(statements.count).toBeLessThanOrEqual(10 + 5_000 / (perSecond / 10) + 5)
  })

  it('is one statement for requests that come at once', async () => {
    const statements = { count: 0 }
    const limit = instance(1_000, statements)
    const answers = await times(200, () => countFor(limit, 'at-once'))
    expect(answers.every(Boolean)).toBe(true)
    expect(statements.count).toBeLessThanOrEqual(3)
  })

  it('is nothing while it is known that there is none left', async () => {
    const statements = { count: 0 }
    const limit = instance(1, statements)
    const caller = randomUUID()
    await countFor(limit, caller)
    await countFor(limit, caller)
    const before = statements.count
    const answers = await times(1_000, () => countFor(limit, caller))
    expect(answers.filter(Boolean).length).toBeLessThanOrEqual(1)
    expect(statements.count - before).toBeLessThanOrEqual(2)
  })
})

describe('while Postgres is away', () => {
  it('each instance keeps the limit by itself', async () => {
    const nowhere = connect('postgres://nobody:nothing@127.0.0.1:1/none', { poolSize: 1, name: 'test' })
    try {
      const server = api.server({ sql: nowhere }, { OTP_CALLER_REQUESTS_PER_SECOND: '20' })
      const answers = await times(21, () => check(server))
      expect(tally(answers)).toEqual({ 200: 20, 429: 1 })
    } finally {
      await nowhere.end({ timeout: 1 })
    }
  })

  it('that hangs, a request waits for it a second, once', async () => {
    const limit = createCallerLimit({ perSecond: 100, log: silent, take: () => new Promise(() => {}) })!
    const began = performance.now()
    await times(100, () => limit.count('web'))
    expect(performance.now() - began).toBeGreaterThan(950)
    // The second, and the machine's share.
    expect(performance.now() - began).toBeLessThan(1_000 + patience(3))
  })
})

/** Where a process of the API listens, as it says itself. */
function urlOf(api: WorkerProcess): string {
  const ready = api
    .output()
    .split('\n')
    .find((line) => line.includes('"ready"'))!
  return (JSON.parse(ready) as { url: string }).url
}
