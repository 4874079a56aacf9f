/**
 * Q4, Q5, Q8, and the table of docs/processes.md: each process with each part away at its start, and lost later. Real parts, killed
 * and started again. `OUTAGE_SECONDS=300` makes each loss as long as that.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PROCESSES, type ProcessName } from '../local/environment.ts'
import { freePort } from '../local/stack/ports.ts'
import { MEMBER_EVENTS } from '../kafka/topics.ts'
import { startOwnStack, type OwnStack, type PartName } from './support/own-stack.ts'
import { watchProcess, type WatchedProcess } from './support/own-process.ts'
import { codeOf } from './support/simulators.ts'
import { wrongCode } from './support/system.ts'
import { patience } from './support/speed.ts'
import { until } from './support/until.ts'

const OUTAGE_MS = Number(process.env['OUTAGE_SECONDS'] ?? 10) * 1_000
/** The promise of docs/processes.md. */
const BACK_WITHIN_MS = 10_000
const NAMES = Object.keys(PROCESSES) as ProcessName[]
/** What makes each unready. */
const NEEDS: Record<ProcessName, readonly PartName[]> = {
  api: ['postgres'],
  'challenge-worker': ['postgres', 'temporal'],
  'campaign-worker': ['postgres', 'temporal'],
  'member-consumer': ['postgres', 'kafka'],
  'outbox-relay': ['postgres', 'kafka'],
  bank: ['temporal'],
  'codec-server': [],
  simulators: [],
}
/** Those that show their health on a port of their own server. */
const OWN_PORT: Partial<Record<ProcessName, string>> = {
  api: 'PORT',
  bank: 'BANK_PORT',
  'codec-server': 'OTP_CODEC_SERVER_PORT',
  simulators: 'OTP_SIMULATOR_PORT',
}

let stack: OwnStack
const running = new Map<ProcessName, WatchedProcess>()
const begunAll: WatchedProcess[] = []
const needing = (part: PartName) => NAMES.filter((name) => NEEDS[name].includes(part))
const watched = (name: ProcessName) => running.get(name)!

async function begin(name: ProcessName, env: Record<string, string> = {}): Promise<WatchedProcess> {
  const variable = OWN_PORT[name]
  const port = Number((variable && env[variable]) ?? (await freePort()))
  const bank = { BANK_OTP_URL: api(), BANK_SESSION_KEY: 'x'.repeat(32), BANK_OTP_API_KEY: 'k', BANK_OTP_CALLER: 'web' }
  const begun = watchProcess(name, port, {
    ...stack.env,
    ...bank,
    ...(variable && { [variable]: String(port) }),
    ...env,
  })
  begunAll.push(begun)
  return begun
}
const api = () => `http://127.0.0.1:${stack.env['PORT']}`

beforeAll(async () => {
  stack = await startOwnStack()
})
afterAll(async () => {
  for (const { child } of begunAll) child.kill('SIGKILL')
  await stack?.stop()
})

/** How long it took until all of these were ready. */
async function readyWithin(names: readonly ProcessName[], withinMs: number): Promise<Record<string, number>> {
  const began = Date.now()
  const took: Record<string, number> = {}
  await Promise.all(
    names.map(async (name) => {
      await until(async () => (await watched(name).readyz()).code === 200, withinMs, 50).catch(async () => {
        throw new Error(`${name}: ${JSON.stringify([await watched(name).readyz(), watched(name).log().slice(-5)])}`)
      })
      took[name] = Date.now() - began
    }),
  )
  return took
}
const statesOf = async (names: readonly ProcessName[]) =>
  Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await watched(name).readyz()).code])))
const allLive = async () => {
  for (const name of NAMES) {
    expect([name, watched(name).child.exitCode, await watched(name).healthz()]).toEqual([name, null, 200])
  }
}

const headers = () => ({ authorization: `Bearer ${stack.apiKey}`, 'content-type': 'application/json' })
const post = async (path: string, body: object) => {
  const answer = await fetch(`${api()}${path}`, { method: 'POST', headers: headers(), body: JSON.stringify(body) })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

/** A member registered through Kafka, who verifies a code; and its outcome has left through Kafka. */
async function worksThroughout(withinMs: number) {
  const began = Date.now()
  const rest = () => withinMs - (Date.now() - began)
  const number = String(randomInt(10_000_000, 99_999_999))
  const memberId = `1${number}`
  await registered(memberId, number)
  await until(async () => (await stack.sql`select from members where member_id = ${memberId}`).length > 0, rest())
  const started = await until(async () => {
    const answer = await post('/v1/challenges', { memberId, purpose: 'view_membership' }).catch(() => undefined)
    return answer && answer.status < 300 && answer
  }, rest())
  const message = await until(async () => (await stack.simulators.messages(`+8190${number}`))[0], rest())
  const path = `/v1/challenges/${String(started.body['challengeId'])}/verify`
  const { result } = (await post(path, { code: codeOf(message) })).body
  await until(
    async () => (await stack.sql`select from outbox where subject = ${memberId}`).length === 0,
    Math.max(rest(), 1),
  )
  return result
}

async function registered(memberId: string, number: string) {
  const producer = stack.kafka.producer()
  await producer.connect()
  const data = {
    memberId,
    version: 1,
    mobilePhone: `090${number}`,
    email: null,
    birthDate: '1990-04-01',
    familyCard: false,
    country: 'JP',
    language: 'en',
    notificationPreference: 'sms',
  }
  const event = {
    specversion: '1.0',
    id: randomUUID(),
    source: '/membership',
    type: 'member.registered',
    subject: memberId,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data,
  }
  await producer.send({ topic: MEMBER_EVENTS, acks: -1, messages: [{ key: memberId, value: JSON.stringify(event) }] })
  await producer.disconnect()
}

describe('started before any part', () => {
  beforeAll(async () => {
    await Promise.all((['postgres', 'temporal', 'kafka'] as const).map((part) => stack.kill(part)))
    for (const name of NAMES) running.set(name, await begin(name, name === 'api' ? { PORT: stack.env['PORT']! } : {}))
  })

  it('each lives, and only those that need nothing are ready', { timeout: patience(150) }, async () => {
    for (const name of NAMES) await until(async () => (await watched(name).healthz()) === 200, 120_000)
    const expected = Object.fromEntries(NAMES.map((name) => [name, NEEDS[name].length === 0 ? 200 : 503]))
    await until(async () => (await watched('codec-server').readyz()).code === 200)
    expect(await statesOf(NAMES)).toEqual(expected)
    await allLive()
  })

  it.each(NAMES.filter((name) => NEEDS[name].length > 0))('%s says which part it waits for', async (name) => {
    const waits = () =>
      watched(name)
        .log()
        .filter(({ msg }) => msg === 'waiting')
        .map(({ part }) => part)
    await until(async () => NEEDS[name].every((part) => waits().includes(part)), 10_000)
    expect(watched(name).log()).not.toContainEqual(expect.objectContaining({ msg: 'ready' }))
  })

  it('a code is asked for and judged by an API without Postgres: 503 in less than 5 s', async () => {
    const began = performance.now()
    expect(await post('/v1/challenges', { memberId: '1', purpose: 'view_membership' })).toMatchObject({
      status: 503,
      body: { code: 'unavailable' },
    })
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  // Worked out from the table: who is ready after each arrival.
  it.each([
    ['temporal', ['bank']],
    ['postgres', ['api', 'challenge-worker', 'campaign-worker']],
    ['kafka', ['member-consumer', 'outbox-relay']],
  ] as const)('once %s has come, %s work within 10 s', async (part, names) => {
    await stack.revive(part)
    const took = await readyWithin(names, BACK_WITHIN_MS)
    console.log(`${part} came:`, took)
    expect(new Set(Object.keys(took))).toEqual(new Set(names))
    await allLive()
  })

  it('then everything works together', async () => {
    expect(await worksThroughout(30_000)).toBe('verified')
  })
})

describe.each(['postgres', 'temporal', 'kafka'] as const)('%s lost while they work', (part) => {
  it(
    `those that need it are unready, the others ready, and all are back within 10 s`,
    { timeout: OUTAGE_MS + patience(120) },
    async () => {
      const logged = new Map(NAMES.map((name) => [name, watched(name).log().length]))
      await stack.kill(part)
      const expected = Object.fromEntries(NAMES.map((name) => [name, NEEDS[name].includes(part) ? 503 : 200]))
      const lostAt = Date.now()
      await until(async () => JSON.stringify(await statesOf(NAMES)) === JSON.stringify(expected), BACK_WITHIN_MS)
      await until(async () => Date.now() - lostAt >= OUTAGE_MS, OUTAGE_MS + 10_000, 500)
      expect(await statesOf(NAMES)).toEqual(expected)
      await stack.revive(part)
      const back = Date.now()
      console.log(`${part} back after ${(back - lostAt) / 1_000} s:`, await readyWithin(needing(part), BACK_WITHIN_MS))
      expect(await worksThroughout(BACK_WITHIN_MS)).toBe('verified')
      console.log(`${part}: a code from start to verified ${Date.now() - back} ms after its return`)
      await allLive()
      for (const name of NAMES) {
        const fatal = watched(name)
          .log()
          .slice(logged.get(name))
          .filter(({ level }) => level === 60)
        expect(fatal, name).toEqual([])
      }
    },
  )
})

describe('Postgres read-only', () => {
  /** A challenge of a new member, open, with its code. */
  async function opened() {
    const number = String(randomInt(10_000_000, 99_999_999))
    await registered(`1${number}`, number)
    await until(async () => (await stack.sql`select from members where member_id = ${`1${number}`}`).length > 0)
    // As callers do: what a busy machine could not answer is asked again.
    const { body } = await until(async () => {
      const answer = await post('/v1/challenges', { memberId: `1${number}`, purpose: 'view_membership' })
      return answer.status < 300 && answer
    }, 30_000)
    const message = await until(async () => (await stack.simulators.messages(`+8190${number}`))[0])
    return { challengeId: String(body['challengeId']), code: codeOf(message) }
  }

  it(
    'under load: no 500, not ready, no verdict that is not stored; then on as before',
    { timeout: OUTAGE_MS + patience(120) },
    async () => {
      // `alter system` is for a read-only session too; ours are refused one.
      const administrator = postgres(stack.env['DATABASE_URL']!, { max: 1, onnotice: () => {} })
      const setReadOnly = async (state: 'on' | 'off') => {
        await administrator.unsafe(`alter system set default_transaction_read_only = ${state}`)
        await administrator`select pg_reload_conf()`
      }
      const challenges = await Promise.all(Array.from({ length: 20 }, opened))
      const answers: { status: number; body: Record<string, unknown> }[] = []
      const over = new AbortController()
      const load = challenges.map(async ({ challengeId, code }, index) => {
        // Half of them guess, so that attempts are counted too; the other half have the right code.
        const submitted = index % 2 === 0 ? code : wrongCode(code)
        while (!over.signal.aborted)
          answers.push(await post(`/v1/challenges/${challengeId}/verify`, { code: submitted }))
      })
      try {
        await setReadOnly('on')
        const since = Date.now()
        await until(async () => (await watched('api').readyz()).code === 503, BACK_WITHIN_MS)
        await until(async () => (await statesOf(NAMES))['outbox-relay'] === 503, BACK_WITHIN_MS)
        await until(async () => Date.now() - since >= OUTAGE_MS, OUTAGE_MS + 10_000, 500)
        expect(await statesOf(NAMES)).toMatchObject(Object.fromEntries(needing('postgres').map((name) => [name, 503])))
        expect((await watched('api').readyz()).parts).toMatchObject({ temporal: 'ok' })
      } finally {
        await setReadOnly('off')
        over.abort()
        await Promise.all(load)
        await administrator.end()
      }
      await readyWithin(NAMES, BACK_WITHIN_MS)
      const statuses = new Set(answers.map(({ status }) => status))
      expect([...statuses].filter((status) => ![200, 429, 503].includes(status))).toEqual([])
      expect(statuses).toContain(503)
      const rows = await stack.sql<{ id: string; attempts: number; outcome: string | null }[]>`
        select challenge_id as id, attempts, outcome from challenges
        where challenge_id = any(${challenges.map(({ challengeId }) => challengeId)}::uuid[])`
      const told = (result: string) => answers.filter(({ body }) => body['result'] === result).length
      expect(told('verified')).toBeGreaterThan(0)
      expect(rows.filter(({ outcome }) => outcome === 'verified').length).toBeGreaterThanOrEqual(told('verified'))
      expect(rows.reduce((sum, { attempts }) => sum + attempts, 0)).toBeGreaterThanOrEqual(told('wrong_code'))
      const next = await opened()
      expect((await post(`/v1/challenges/${next.challengeId}/verify`, { code: next.code })).body['result']).toBe(
        'verified',
      )
      await allLive()
    },
  )
})

describe('Kafka exchanged for another cluster', () => {
  it('is read from its beginning, and a tombstone on it erases whom the old one registered', async () => {
    const number = String(randomInt(10_000_000, 99_999_999))
    await registered(`1${number}`, number)
    const statusOf = async () => {
      const [row] = await stack.sql<{ status: string }[]>`select status from members where member_id = ${`1${number}`}`
      return row?.status
    }
    await until(async () => (await statusOf()) === 'active')
    await stack.kill('kafka')
    await rm(join(stack.folder, 'kafka', 'data'), { recursive: true })
    await stack.revive('kafka')
    const producer = stack.kafka.producer()
    await producer.connect()
    await producer.send({ topic: MEMBER_EVENTS, acks: -1, messages: [{ key: `1${number}`, value: null }] })
    await producer.disconnect()
    await until(async () => (await statusOf()) === 'erased', 30_000)
    await readyWithin(NAMES, BACK_WITHIN_MS)
    expect(await worksThroughout(30_000)).toBe('verified')
    await allLive()
  })
})

describe('a database without our schema', () => {
  it('is waited for, until it is migrated', async () => {
    await stack.sql`create database fresh`
    const url = new URL(stack.env['DATABASE_URL']!)
    url.pathname = '/fresh'
    const waiting = await begin('outbox-relay', { DATABASE_URL: url.href })
    await until(async () => waiting.log().some(({ msg, part }) => msg === 'waiting' && part === 'schema'), 20_000)
    expect(await waiting.readyz()).toMatchObject({ code: 503, status: 'starting' })
    const { migrate } = await import('../postgres/migrate.ts')
    await migrate(url.href)
    await until(async () => (await waiting.readyz()).code === 200, BACK_WITHIN_MS)
    waiting.child.kill('SIGTERM')
    expect(await waiting.ended).toBe(0)
  })
})

describe('how a process ends', () => {
  const NOBODY = {
    DATABASE_URL: 'postgres://otp@127.0.0.1:1/otp',
    KAFKA_BROKERS: '127.0.0.1:1',
    TEMPORAL_ADDRESS: '127.0.0.1:1',
  }

  it.each(NAMES)('%s, told to stop while it waits for its parts: 0, in less than 5 s', async (name) => {
    const begun = await begin(name, NOBODY)
    await until(async () => (await begun.healthz()) === 200, 20_000)
    const began = performance.now()
    begun.child.kill('SIGTERM')
    expect(await begun.ended).toBe(0)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it.each(NAMES)('%s, whose port is taken: 1, and the log says which', async (name) => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await once(squatter, 'listening')
    const { port } = squatter.address() as { port: number }
    const begun = await begin(name, { ...NOBODY, [OWN_PORT[name] ?? 'OTP_METRICS_PORT']: String(port) })
    expect(await begun.ended).toBe(1)
    expect(begun.log()).toContainEqual(expect.objectContaining({ msg: 'ended', url: `127.0.0.1:${port}` }))
    squatter.close()
  })

  it.each(NAMES)('%s, killed by SIGTERM while it works: 0, in less than 5 s', async (name) => {
    const began = performance.now()
    watched(name).child.kill('SIGTERM')
    expect(await watched(name).ended).toBe(0)
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
