/**
 * Q1, Q2, Q4 for one machine: "`npm start` alone leads to a working system", "each that is set is used; each that is
 * not is started locally", and "nothing is left running when it ends, however it ends".
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, stat, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Connection } from '@temporalio/client'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { PROCESS_SECTIONS, type ConfiguredProcess } from '../config.ts'
import { readEndpoints } from '../local/endpoints.ts'
import type { Endpoints } from '../local/endpoints.ts'
import { runningEnvironment } from '../local/running-environment.ts'
import { freePort, isFree } from '../local/stack/ports.ts'
import { isAlive, ps } from '../local/stack/program.ts'
import { diagnose } from '../operations/doctor.ts'
import { PARTS } from '../operations/finding.ts'
import { connect } from '../postgres/connect.ts'
import { keepNexusEndpoint } from '../temporal/nexus-endpoint.ts'
import { createDatabase } from './support/database.ts'
import { begin, npmStart as startByNpm, ready, STARTED_MS, type Start } from './support/npm-start.ts'
import { patience, slowness } from './support/speed.ts'
import { useNamespace } from './support/stack.ts'

const ROOT = join(import.meta.dirname, '..')
/** For a test that starts more than once. */
const RESTARTED_MS = 3 * STARTED_MS

const starts: Start[] = []
const folders: string[] = []

afterAll(async () => {
  for (const { process } of starts) if (process.exitCode === null) process.kill('SIGTERM')
  await Promise.all(starts.map(({ exited }) => exited))
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
})

async function newFolder() {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'one-time-password-start-')))
  folders.push(folder)
  return folder
}

function remembered(start: Start): Start {
  starts.push(start)
  return start
}
const npmStart = (folder: string, env: NodeJS.ProcessEnv = {}) => remembered(startByNpm(folder, env))

async function until(condition: () => boolean | Promise<boolean>, withinMs: number, otherwise = () => 'too late') {
  const deadline = Date.now() + withinMs * slowness()
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(otherwise())
    await wait(50)
  }
}

/** Everything that the process has started, and what that has started; the guard among it. */
function descendantsOf(pid: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const children = rows.filter(([, parent]) => parent === pid).map(([child]) => child!)
  return [pid, ...children.flatMap(descendantsOf)]
}

async function guardOf({ pids }: Endpoints): Promise<number> {
  for (const pid of descendantsOf(pids['start']!)) {
    if ((await ps('args=', pid)).includes('guard.ts')) return pid
  }
  throw new Error('there is no guard')
}

async function gone(pids: readonly number[], endpoints: Endpoints) {
  await until(
    async () => !(await Promise.all(pids.map(isAlive))).includes(true),
    20_000,
    () => 'processes are left',
  )
  for (const port of portsOf(endpoints)) expect(await isFree(port), `port ${port}`).toBe(true)
}

const portsOf = ({ bank, api, temporal, temporalUi, codecServer, kafka, outbox, database, metrics }: Endpoints) =>
  [
    bank,
    api,
    `http://${temporal}`,
    temporalUi,
    codecServer,
    `http://${kafka}`,
    outbox,
    database,
    ...Object.values(metrics),
  ].map((url) => Number(new URL(url!).port))

async function rows(endpoints: Endpoints): Promise<number> {
  const sql = connect(endpoints.database!, { poolSize: 1, name: 'test' })
  const [row] = await sql<{ count: number }[]>`select count(*) as count from members`
  await sql.end()
  return row!.count
}

describe('a start on one machine', () => {
  let folder: string
  let start: Start
  let endpoints: Endpoints

  beforeAll(async () => {
    folder = await newFolder()
    start = npmStart(folder)
    endpoints = await ready(start, folder)
  }, STARTED_MS)

  test('leads to a system that answers everywhere it says', async () => {
    const { bank, api, outbox, temporalUi, metrics } = endpoints
    expect(Object.keys(metrics).toSorted()).toEqual([
      'api',
      'campaign-worker',
      'challenge-worker',
      'member-consumer',
      'outbox-relay',
      'temporal-sdk',
    ])
    const urls = [bank, `${api}/healthz`, outbox, `${outbox}/messages`, temporalUi, ...Object.values(metrics)]
    for (const url of urls) expect((await fetch(url!)).status, url).toBe(200)
    expect(Object.keys(endpoints.sampleMembers)).toEqual(
      expect.arrayContaining(['sms', 'email', 'softbank', 'abroad', 'familyCard', 'minor', 'noPhone']),
    )
    expect(await rows(endpoints)).toBeGreaterThanOrEqual(9)
    expect(start.output()).toContain(`${endpoints.api}/v1/challenges`)
  })

  test('has the Nexus endpoint by which workflows of other namespaces ask', async () => {
    const { temporal, temporalNamespace: namespace } = endpoints
    const connection = await Connection.connect({ address: temporal! })
    const endpoint = { name: 'otp', namespace, taskQueue: 'otp-challenge' }
    expect(await keepNexusEndpoint(connection, endpoint)).toBe('unchanged')
    await connection.close()
  })

  test('is what the doctor looks at where the environment names nothing else', async () => {
    const env = (await runningEnvironment(folder, {}))!
    expect(env).toMatchObject({ DATABASE_URL: endpoints.database, TEMPORAL_ADDRESS: endpoints.temporal })
    expect(await diagnose(env, Object.keys(PROCESS_SECTIONS) as ConfiguredProcess[])).toEqual({
      looked: PARTS,
      findings: [],
    })
    expect(await runningEnvironment(folder, { DATABASE_URL: 'postgres://elsewhere/otp' })).toBeUndefined()
    expect(await runningEnvironment(await newFolder(), {})).toBeUndefined()
  })

  test.each(['sms', 'email'])('hears from its simulated providers what became of a message by %s', async (name) => {
    const headers = { authorization: `Bearer ${endpoints.apiKey}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ memberId: endpoints.sampleMembers[name], purpose: 'view_membership' })
    const started = await fetch(`${endpoints.api}/v1/challenges`, { method: 'POST', headers, body })
    const { challengeId } = (await started.json()) as { challengeId: string }
    const isDelivered = async () => {
      const answer = await fetch(`${endpoints.api}/v1/challenges/${challengeId}`, { headers })
      return ((await answer.json()) as { delivery?: string }).delivery === 'delivered'
    }
    await until(isDelivered, 15_000)
    expect(await isDelivered()).toBe(true)
  })

  test('keeps its secrets for the eyes of its owner', async () => {
    for (const file of ['endpoints.json', 'development-keys.json', 'postgres/password']) {
      expect((await stat(join(folder, file))).mode & 0o077, file).toBe(0)
    }
  })

  test('is refused beside one that runs on the same data', async () => {
    const second = npmStart(folder)
    expect(await second.exited).not.toBe(0)
    expect(second.output()).toContain('running already')
    expect((await fetch(`${endpoints.api}/healthz`)).status).toBe(200)
  })

  test('starts a worker again that was killed', async () => {
    const killed = endpoints.pids['outbox-relay']!
    process.kill(killed, 'SIGKILL')
    await until(async () => (await readEndpoints(folder)).pids['outbox-relay'] !== killed, 20_000)
    expect(await isAlive((await readEndpoints(folder)).pids['outbox-relay']!)).toBe(true)
  })

  test(
    'leaves no process and no port behind when npm and the start are killed, and starts again with its data',
    async () => {
      const before = await rows(endpoints)
      const all = descendantsOf(start.process.pid!)
      expect(all.length).toBeGreaterThan(8)
      process.kill(endpoints.pids['start']!, 'SIGKILL')
      start.process.kill('SIGKILL')
      await gone(all, endpoints)

      const began = performance.now()
      await rm(join(folder, 'endpoints.json'))
      start = npmStart(folder)
      endpoints = await ready(start, folder)
      expect(performance.now() - began).toBeLessThan(patience(20))
      expect(await rows(endpoints)).toBe(before)
    },
    RESTARTED_MS,
  )

  test('ends when only the npm that began it is killed', async () => {
    const all = descendantsOf(start.process.pid!)
    start.process.kill('SIGKILL')
    await gone(all, endpoints)
    expect(existsSync(join(folder, 'endpoints.json'))).toBe(false)
  })

  test(
    'finds and ends what a start left behind whose guard was killed too',
    async () => {
      start = npmStart(folder)
      endpoints = await ready(start, folder)
      const all = descendantsOf(start.process.pid!)
      const guard = await guardOf(endpoints)
      process.kill(endpoints.pids['start']!, 'SIGSTOP')
      process.kill(guard, 'SIGKILL')
      process.kill(endpoints.pids['start']!, 'SIGKILL')
      await rm(join(folder, 'endpoints.json'))
      start = npmStart(folder)
      endpoints = await ready(start, folder)
      expect(await Promise.all(all.map(isAlive))).not.toContain(true)
    },
    RESTARTED_MS,
  )

  test('leaves no process and no port behind at Ctrl-C', async () => {
    const all = descendantsOf(start.process.pid!)
    // A terminal sends it to npm and to the start alike.
    for (const pid of [start.process.pid!, endpoints.pids['start']!]) process.kill(pid, 'SIGINT')
    await start.exited
    await gone(all, endpoints)
    expect(existsSync(join(folder, 'endpoints.json'))).toBe(false)
  })

  test(
    'is gone with its data after npm run reset',
    async () => {
      start = npmStart(folder)
      endpoints = await ready(start, folder)
      const all = descendantsOf(start.process.pid!)
      execFileSync(process.execPath, ['local/reset.ts', '--folder', folder], { cwd: ROOT, stdio: 'pipe' })
      await gone(all, endpoints)
      expect(existsSync(folder)).toBe(false)
    },
    RESTARTED_MS,
  )
})

describe('what the environment names', () => {
  test(
    'is used instead of a part of our own',
    async () => {
      const folder = await newFolder()
      const database = await createDatabase()
      const start = npmStart(folder, {
        DATABASE_URL: database.url,
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        TEMPORAL_NAMESPACE: await useNamespace(),
        KAFKA_BROKERS: inject('kafkaBroker'),
      })
      const endpoints = await ready(start, folder)
      expect(endpoints).toMatchObject({ database: database.url, temporal: inject('temporalAddress') })
      expect(Object.keys(endpoints.pids)).not.toEqual(expect.arrayContaining(['postgres']))
      start.process.kill('SIGTERM')
      await start.exited
      await database.drop()
    },
    RESTARTED_MS,
  )

  test('is refused before anything starts, all mistakes at once, when it cannot be used', async () => {
    const folder = await newFolder()
    const start = npmStart(folder, { OTP_MAX_ATTEMPTS: 'many', OTP_CODE_DIGITS: '2' })
    expect(await start.exited).toBe(2)
    expect(start.output()).toContain('OTP_MAX_ATTEMPTS')
    expect(start.output()).toContain('OTP_CODE_DIGITS')
    expect(existsSync(join(folder, 'postgres'))).toBe(false)
  })

  test('is refused with advice when it is a busy port', async () => {
    const folder = await newFolder()
    const port = await freePort()
    const squatter = createServer().listen(port, '127.0.0.1')
    const start = npmStart(folder, { PORT: String(port) })
    expect(await start.exited).toBe(1)
    expect(start.output()).toContain(`PORT=${port}: something listens there already`)
    squatter.close()
  })
})

describe('a machine without Java', () => {
  test(
    'gets everything but Kafka, and is told so; and a default port that is busy gives way',
    async () => {
      const folder = await newFolder()
      // Where it is somebody's already, it is as busy.
      const squatter = createServer().on('error', () => {})
      squatter.listen(5433, '127.0.0.1')
      const programs = join(folder, 'bin')
      await mkdir(programs)
      for (const name of ['ps', 'setpriv', 'temporal']) {
        const path = execFileSync('sh', ['-c', `command -v ${name} || true`], { encoding: 'utf8' }).trim()
        if (path) await symlink(path, join(programs, name))
      }
      const env = { PATH: programs, JAVA_HOME: '' }
      const start = remembered(begin(process.execPath, ['local/start.ts', '--folder', folder], env))
      const endpoints = await ready(start, folder)
      await until(() => start.output().includes('Without: Kafka'), 5_000)
      expect(start.output()).toContain('openjdk')
      expect(start.output()).toContain('Port 5433 is busy')
      squatter.close()
      expect(endpoints.kafka).toBeUndefined()
      expect((await fetch(`${endpoints.api}/healthz`)).status).toBe(200)
      const all = descendantsOf(start.process.pid!)
      start.process.kill('SIGTERM')
      await start.exited
      await until(async () => !(await Promise.all(all.map(isAlive))).includes(true), 10_000)
    },
    RESTARTED_MS,
  )
})
