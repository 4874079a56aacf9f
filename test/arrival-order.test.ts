/**
 * Q1, Q5: "no order of arrival matters … `npm start` succeeds at the first try on a machine where nothing is cached, however
 * long one part takes". Parts are made late by launchers that sleep before they run the real program.
 */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readEndpoints, type Endpoints } from '../local/endpoints.ts'
import { latePrograms, TOLD, type LatePart, type Lateness } from './support/late-programs.ts'
import { begin, ready, type Start } from './support/npm-start.ts'
import { patience } from './support/speed.ts'
import { until } from './support/until.ts'

/** The last comes half a minute after the others: what depends on it waits longer than it usually takes to be there. */
const DELAYS_S = [60, 65, 97] as const
/** Three whole systems start side by side. */
const SIDE_BY_SIDE = 3
const UP_WITHIN_MS = 240_000

const FAILING = [
  { part: 'temporal', title: 'Temporal', without: ['Temporal', 'bank', 'campaign-worker', 'challenge-worker'] },
  { part: 'kafka', title: 'Kafka', without: ['Kafka', 'member-consumer', 'outbox-relay', 'sample members'] },
  {
    part: 'postgres',
    title: 'Postgres',
    without: [
      'Postgres',
      'api',
      'campaign-worker',
      'challenge-worker',
      'member-consumer',
      'outbox-relay',
      'sample members',
    ],
  },
] as const

const starts: Start[] = []
const folders: string[] = []

afterAll(async () => {
  for (const { process } of starts) if (process.exitCode === null) process.kill('SIGTERM')
  await Promise.all(starts.map(({ exited }) => exited))
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
}, patience(60))

async function startWith(lateness: Partial<Record<LatePart, Lateness>>, ...options: string[]) {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'one-time-password-late-')))
  folders.push(folder)
  const env = await latePrograms(folder, lateness)
  const local = join(folder, 'local')
  const start = begin('npm', ['start', '--', '--folder', local, ...options], env)
  starts.push(start)
  return { start, local, folder }
}

async function end({ process, exited }: Start) {
  process.kill('SIGTERM')
  await exited
}

/** What a newcomer does first: ask for a code, read it in the outbox, and type it. */
async function verifiedCode({ api, apiKey, outbox, sampleMembers }: Endpoints): Promise<string> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  const post = async <T>(path: string, body: object) => {
    const answer = await fetch(`${api}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return (await answer.json()) as T
  }
  const { challengeId } = await post<{ challengeId: string }>('/v1/challenges', {
    memberId: sampleMembers['sms'],
    purpose: 'redeem_benefit',
  })
  const code = await until(async () => {
    const messages = (await (await fetch(`${outbox}/messages`)).json()) as { text: string }[]
    return /\d{6}/.exec(messages[0]?.text ?? '')?.[0]
  }, 30_000)
  const { result } = await post<{ result: string }>(`/v1/challenges/${challengeId}/verify`, { code })
  return result
}

const orders = (['postgres', 'temporal', 'kafka'] as const).flatMap((first, _, parts) =>
  parts
    .filter((part) => part !== first)
    .map((second) => [first, second, parts.find((part) => part !== first && part !== second)!] as const),
)

describe('parts that come late', () => {
  test.each([orders.slice(0, SIDE_BY_SIDE), orders.slice(SIDE_BY_SIDE)])(
    'in the orders %j, %j and %j lead to a verified code at the first try',
    async (...some) => {
      await Promise.all(
        some.map(async (order) => {
          const lateness = Object.fromEntries(order.map((part, index) => [part, { seconds: DELAYS_S[index]! }]))
          const { start, local } = await startWith(lateness)
          const endpoints = await ready(start, local, UP_WITHIN_MS)
          expect(endpoints.without, start.output()).toBeUndefined()
          expect(await verifiedCode(endpoints)).toBe('verified')
          expect(start.output()).toMatch(/waiting for \w+, \d+ s/)
          await end(start)
        }),
      )
    },
    patience(UP_WITHIN_MS / 1_000 + 60),
  )
})

describe('a part that does not come', () => {
  test(
    'holds up nothing else; it is waited for further, and told of when it comes after all',
    async () => {
      const { start, local, folder } = await startWith({ temporal: 'until told' }, '--longest-silence', '20')
      await ready(start, local, UP_WITHIN_MS)
      // On a slow machine others, too, have been silent for so long before they come.
      const endpoints = await until(async () => {
        const now = await readEndpoints(local)
        return now.without?.toSorted().join() === 'Temporal,bank,campaign-worker,challenge-worker' && now
      }, UP_WITHIN_MS)
      expect(start.output()).toMatch(/Without: Temporal: .*no sign of life for 20 s: see \S+temporal\.log/)
      expect(endpoints.temporal).toBeUndefined()
      expect(Object.keys(endpoints.sampleMembers)).toContain('sms')
      expect((await fetch(`${endpoints.api}/healthz`)).status).toBe(200)

      await writeFile(join(folder, TOLD), '')
      await until(async () => (await readEndpoints(local)).without === undefined, UP_WITHIN_MS)
      expect(start.output()).toContain('Temporal: there now')
      expect(start.output()).toContain('challenge-worker: there now')
      expect(await verifiedCode(await readEndpoints(local))).toBe('verified')
      await end(start)
    },
    patience(400),
  )

  test(
    'because it fails: says so at once and names the log, and the others run',
    async () => {
      await Promise.all(
        FAILING.map(async ({ part, title, without }) => {
          const { start, local } = await startWith({ [part]: 'fails' })
          const endpoints = await ready(start, local, UP_WITHIN_MS)
          expect(endpoints.without!.toSorted()).toEqual(without)
          expect(start.output()).toMatch(
            new RegExp(`Without: ${title}: .*${title} ended \\(exit code 1\\).*${part}\\.log`),
          )
          expect((await fetch(`${endpoints.outbox}/messages`)).status).toBe(200)
          await end(start)
        }),
      )
    },
    patience(400),
  )
})
