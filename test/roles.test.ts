/**
 * Q4: the commands of the image, run as they stand in docker-compose.yml: each is ready, and gone without a complaint, in
 * less than 5 s; and SIGTERM in the middle of the work loses nothing that was accepted.
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { v7 as uuidv7 } from 'uuid'
import { parse } from 'yaml'
import { z } from 'zod'
import { SAMPLE_MEMBERS } from '../local/sample-members.ts'
import { patience } from './support/speed.ts'
import { kafkaBrokers } from './support/stack.ts'
import { startByClient, startSystem, type System, type WorkerProcess } from './support/system.ts'

const WITHIN_MS = patience(5)
const IN_FLIGHT = 30
const KEY = randomBytes(24).toString('base64url')

const { services } = z
  .object({ services: z.record(z.string(), z.object({ image: z.string(), command: z.array(z.string()).optional() })) })
  .parse(parse(readFileSync(join(import.meta.dirname, '../docker-compose.yml'), 'utf8'), { merge: true }))
const entrances = Object.fromEntries(
  Object.entries(services)
    .filter(([, { image }]) => image === 'one-time-password')
    .map(([role, { command }]) => [role, command!]),
)
/** Migrations and the sample members end by themselves; the simulators and the demo are for one machine. */
const ROLES = ['api', 'challenge-worker', 'campaign-worker', 'member-consumer', 'outbox-relay', 'codec-server']

let system: System
beforeAll(async () => {
  system = await startSystem({
    PORT: '0',
    OTP_CODEC_SERVER_PORT: '0',
    OTP_CODEC_SERVER_ORIGINS: 'http://127.0.0.1:8233',
    KAFKA_BROKERS: kafkaBrokers().join(','),
    OTP_API_KEYS: `web:${createHash('sha256').update(KEY).digest('hex')}:challenges:start+challenges:read+challenges:verify`,
    OTP_IP_HASH_KEY: randomBytes(32).toString('base64'),
    OTP_PROOF_KEYS: `test-proof:${randomBytes(32).toString('base64')}`,
  })
})
afterAll(() => system?.stop())

const run = (role: string) => {
  expect(entrances[role]![0]).toBe('node')
  return system.process(entrances[role]![1]!)
}

/** @returns its exit code, and how long it took to end */
async function terminate({ child }: WorkerProcess) {
  const began = performance.now()
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = (await exited) as [number | null]
  return { code, tookMs: performance.now() - began }
}

describe('a role', () => {
  it.each(ROLES)('%s is ready and ends in less than 5 s each', async (role) => {
    const began = performance.now()
    const started = await run(role)
    expect(performance.now() - began).toBeLessThan(WITHIN_MS)
    const { code, tookMs } = await terminate(started)
    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(WITHIN_MS)
    expect(started.output()).not.toMatch(/"level":[56]0/)
    // As Node warns on stderr: `(node:1) TimeoutNegativeWarning: …`.
    expect(started.output()).not.toMatch(/^\(node:\d+\)/m)
  })

  it('is on the list, but for those that are no role of a deployment', () => {
    const others = ['migrate', 'sample-members', 'simulators', 'bank', 'nexus-endpoint', 'temporal-setup']
    const roles = Object.keys(entrances).filter((name) => !others.includes(name))
    expect(roles.toSorted()).toEqual(ROLES.toSorted())
  })
})

it('the sample members are there once their service has ended, which may run again', async () => {
  const [program, ...args] = entrances['sample-members']!
  expect(program).toBe('node')
  const register = () => promisify(execFile)(process.execPath, args, { env: system.env })
  await register()
  await register()
  const consumer = await run('member-consumer')
  const ids = Object.values(SAMPLE_MEMBERS).map(({ memberId }) => memberId)
  await system.until(async () => {
    const rows = await system.sql`select from members where member_id = any(${ids})`
    return rows.length === ids.length
  }, 30_000)
  await terminate(consumer)
})

describe('SIGTERM in the middle of the work', () => {
  const slowly = () => system.simulators.faults({ latencyMs: 1_000 })
  const messagesTo = async (memberId: string) => (await system.codes(memberId)).length

  it('of the API: what it has accepted is answered, and every code goes out once', async () => {
    const [api, worker] = await Promise.all([run('api'), run('challenge-worker')])
    const url = /"url":"([^"]+)"/.exec(api.output())![1]!
    await slowly()
    const members = await Promise.all(Array.from({ length: IN_FLIGHT }, () => system.addMember()))
    const answers = members.map(async (memberId) => {
      const answer = await fetch(`${url}/v1/challenges`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${KEY}`,
          'content-type': 'application/json',
          'idempotency-key': randomUUID(),
        },
        body: JSON.stringify({ memberId, purpose: 'redeem_benefit' }),
      })
      return answer.status
    })
    await system.until(async () => {
      const [row] = await system.sql<[{ admitted: number }]>`select count(*)::int as admitted from challenges`
      return row.admitted === IN_FLIGHT
    })
    const { code, tookMs } = await terminate(api)
    expect({ code, inTime: tookMs < WITHIN_MS }).toEqual({ code: 0, inTime: true })
    for (const status of await Promise.all(answers)) expect([201, 202]).toContain(status)
    const isSentTo = async () => (await Promise.all(members.map(messagesTo))).every((count) => count > 0)
    await system.until(isSentTo, 30_000)
    expect(new Set(await Promise.all(members.map(messagesTo)))).toEqual(new Set([1]))
    await system.simulators.clear()
    expect((await terminate(worker)).code).toBe(0)
  })

  it('of the challenge worker: what it sends is sent once, and another takes over the rest', async () => {
    const first = await run('challenge-worker')
    await slowly()
    const challenges = await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        const memberId = await system.addMember()
        const challengeId = uuidv7()
        return {
          memberId,
          challengeId,
          handle: await startByClient(system, { challengeId, memberId, purpose: 'redeem_benefit' }),
        }
      }),
    )
    await system.until(async () => {
      const [row] = await system.sql<[{ began: number }]>`
        select count(*)::int as began from challenges
        where send_began_at is not null and challenge_id = any(${challenges.map(({ challengeId }) => challengeId)}::uuid[])`
      return row.began >= IN_FLIGHT / 2
    })
    const { code, tookMs } = await terminate(first)
    expect({ code, inTime: tookMs < WITHIN_MS }).toEqual({ code: 0, inTime: true })
    const second = await run('challenge-worker')
    for (const { memberId, challengeId, handle } of challenges) {
      const [code] = await system.until(async () => {
        const codes = await system.codes(memberId)
        return codes.length > 0 && codes
      }, 60_000)
      await handle.executeUpdate('verifyCode', { args: [{ challengeId, code: code! }] })
      expect(await handle.result()).toMatchObject({ outcome: 'verified' })
      expect(await messagesTo(memberId)).toBe(1)
    }
    expect((await terminate(second)).code).toBe(0)
  })
})
