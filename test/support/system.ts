/**
 * A whole challenge system of one test file's own: database, namespace, simulators, and workers as real processes.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Client } from '@temporalio/client'
import { judgeCode, type Judge } from '../../codes/judge-code.ts'
import { loadConfig, type Config } from '../../config.ts'
import type { ChallengeInput, ChallengeResult } from '../../domain/challenge.ts'
import type { Channel } from '../../domain/challenge.ts'
import { connect, type Sql } from '../../postgres/connect.ts'
import { connectTemporal } from '../../temporal/connect.ts'
import { createDatabase } from './database.ts'
import { LIMITS_LIFTED } from './limits-lifted.ts'
import { checkOutbox } from './otp-events.ts'
import { codeOf, startSimulators, type Simulators } from './simulators.ts'
import { temporalAddress, useNamespace } from './stack.ts'
import { until } from './until.ts'

export interface WorkerProcess {
  readonly child: ChildProcess
  /** Everything it wrote. */
  output(): string
  kill(signal?: NodeJS.Signals): Promise<void>
}

export interface System {
  readonly env: Record<string, string>
  readonly config: Config<'policy' | 'codes' | 'temporal'>
  readonly sql: Sql
  readonly temporal: Client
  readonly namespace: string
  readonly simulators: Simulators
  readonly judge: Judge
  /** Starts a process of ours and waits until it is ready. */
  process(entrance: string, env?: Record<string, string>): Promise<WorkerProcess>
  /** A member of Japan with a phone and an address of their own. @returns the member's id */
  addMember(fields?: MemberFields): Promise<string>
  /** The codes that went out to a member, newest first. */
  codes(memberId: string): Promise<string[]>
  readonly until: typeof until
  /** Stops the judging clock of this file's database at a moment: some milliseconds after an instant (ISO 8601). */
  stopClock(instant: string, plusMs: number): Promise<void>
  /** Moves the judging clock; 0 sets it right. */
  shiftClock(milliseconds: number): Promise<void>
  stop(): Promise<void>
}

export interface MemberFields {
  readonly channel?: Channel
  readonly email?: string | null
  readonly phone?: string | null
  readonly country?: string
  readonly language?: string
  readonly mobileCarrier?: string
}

export async function startSystem(overrides: Record<string, string> = {}): Promise<System> {
  const [database, namespace, simulators] = await Promise.all([createDatabase(), useNamespace(), startSimulators()])
  const key = () => randomBytes(32).toString('base64')
  const env: Record<string, string> = {
    PATH: process.env['PATH']!,
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporalAddress(),
    TEMPORAL_NAMESPACE: namespace,
    OTP_CODEC_KEYS: `test-codec:${key()}`,
    OTP_MASTER_KEYS: `test-master:${key()}`,
    ...LIMITS_LIFTED,
    ...simulators.env,
    ...overrides,
  }
  const config = loadConfig(['policy', 'codes', 'temporal'], env)
  const sql = connect(database.url, { poolSize: 20, name: 'test' })
  const temporal = connectTemporal(config.temporal.codecKeys, {
    connectionOptions: { address: temporalAddress() },
    namespace,
  })
  const processes: WorkerProcess[] = []
  const destinations = new Map<string, string[]>()

  const setClock = async (now: string) => {
    await sql.unsafe(`create or replace function challenge_now() returns timestamptz language sql volatile
      as $$ select ${now} $$`)
  }
  return {
    env,
    config,
    sql,
    temporal,
    namespace,
    simulators,
    judge: { sql, policy: config.policy, codes: config.codes },
    until,
    async process(entrance, more = {}) {
      const started = await startProcess(entrance, { ...env, ...more })
      processes.push(started)
      return started
    },
    async addMember(fields = {}) {
      const memberId = String(randomInt(100_000_000, 999_999_999))
      const {
        channel = 'sms',
        email = `m${memberId}@example.jp`,
        phone = `+8190${String(randomInt(0, 99_999_999)).padStart(8, '0')}`,
        country = 'JP',
        language = 'en',
        mobileCarrier = 'docomo',
      } = fields
      await sql`
        insert into members (member_id, version, status, email, phone, phone_country, mobile_carrier, country, language,
          notification_preference, kafka_partition, kafka_offset)
        values (${memberId}, 1, 'active', ${email}, ${phone}, ${phone?.startsWith('+81') ? 'JP' : 'US'}, ${mobileCarrier},
          ${country}, ${language}, ${channel}, 0, 0)`
      destinations.set(
        memberId,
        [email, phone].filter((to) => to !== null),
      )
      return memberId
    },
    async codes(memberId) {
      const sent = await Promise.all((destinations.get(memberId) ?? []).map((to) => simulators.messages(to)))
      return sent.flat().map(codeOf)
    },
    stopClock: (instant, plusMs) => setClock(`timestamptz '${instant}' + interval '${plusMs} milliseconds'`),
    shiftClock: (milliseconds) => setClock(`clock_timestamp() + interval '${milliseconds} milliseconds'`),
    async stop() {
      await Promise.all(processes.map((started) => started.kill()))
      try {
        // U4: whatever a test does, what it made the system tell is as we publish it.
        await checkOutbox(sql)
      } finally {
        await sql.end({ timeout: 1 })
        await temporal.connection.close()
        await Promise.all([simulators.stop(), database.drop()])
      }
    },
  }
}

/** As an upstream starts one with a plain Temporal client (U2). */
export const startByClient = (system: System, input: ChallengeInput) =>
  system.temporal.workflow.start<(input: ChallengeInput) => Promise<ChallengeResult>>('otpChallenge', {
    workflowId: `otp-challenge/${input.memberId}`,
    taskQueue: 'otp-challenge',
    args: [input],
  })

export const judgeFor = (system: System, challengeId: string, code: string, attemptId: string = randomUUID()) =>
  judgeCode(system.judge, { challengeId, code, attemptId, fromWorkflow: false })

/** A code that none of these is. */
export const wrongCode = (...codes: string[]): string => {
  const code = String(randomInt(0, 999_999)).padStart(6, '0')
  return codes.includes(code) ? wrongCode(...codes) : code
}

/** A run starts some two hundred processes, all of the same sources: Node compiles each once. */
const COMPILED = join(import.meta.dirname, '../../node_modules/.cache/node')

async function startProcess(entrance: string, env: Record<string, string>): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [entrance], {
    env: { NODE_COMPILE_CACHE: COMPILED, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const ready = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        if (line.includes('"msg":"ready"')) resolve()
      })
    }
    child.once('exit', (code) => reject(new Error(`${entrance} ended (${code}):\n${lines.slice(-30).join('\n')}`)))
  })
  await ready
  return {
    child,
    output: () => lines.join('\n'),
    async kill(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
    },
  }
}
