import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Guard } from './guarded.ts'

/** A program that runs beside us, in a process group of its own: a terminal's Ctrl-C reaches us alone. */
export interface Program {
  readonly pid: number
  /** Resolves when it ended, with how: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>
  /** Ends it gently, then by force, and resolves when it is gone. */
  stop(): Promise<void>
}

export interface ProgramOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Where its output is appended. */
  readonly logFile: string
  /** Remembers the process, so that the next start can end one that was left behind. */
  readonly pidFile: string
  /** What its command line holds, and no other program's. Default: the folder of `pidFile`. */
  readonly mark?: string
  /** What ends it gently. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** How long that may take. Default 10 s. */
  readonly stopMs?: number
  /** Runs once nothing of an earlier start is left, right before the program starts. */
  readonly beforeStart?: () => Promise<void>
  /** It needs the other programs to end well. Default false. */
  readonly endsFirst?: boolean
  readonly guard: Guard
}

/** Starts a program; it counts as started as soon as it has a process. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { name, command, args, env, cwd, logFile, pidFile, stopSignal = 'SIGTERM', stopMs = 10_000, guard } = options
  const { mark = dirname(pidFile), endsFirst = false } = options
  for (const file of [logFile, pidFile]) await mkdir(dirname(file), { recursive: true })
  await endLeftover(pidFile)
  await options.beforeStart?.()
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} did not start: ${await ended}`)
  guard.protect(pid, stopSignal, endsFirst)
  void ended.then(() => guard.release(pid))
  await writeFile(pidFile, JSON.stringify({ pid, mark }))
  return {
    pid,
    ended,
    async stop() {
      child.kill(stopSignal)
      const force = setTimeout(() => signalGroup(pid, 'SIGKILL'), stopMs)
      await ended
      clearTimeout(force)
      await rm(pidFile, { force: true })
    },
  }
}

/**
 * Runs a program to its end, guarded like the others; `onLine` gets each line of its output.
 *
 * @returns undefined when it went well, else what went wrong in a few words
 */
export async function runTool(
  command: string,
  args: readonly string[],
  { env, guard, onLine }: { env: NodeJS.ProcessEnv; guard: Guard; onLine: (line: string) => void },
): Promise<string | undefined> {
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) guard.protect(child.pid, 'SIGTERM')
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', onLine)
  const problem = await new Promise<string | undefined>((resolve) => {
    child.once('error', () => resolve(`there is no program named ${command}`))
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)))
  })
  if (child.pid !== undefined) guard.release(child.pid)
  return problem
}

/** An attempt that is not answered by then never will be: a part that has just begun can lose a request. */
const ATTEMPT_MS = 10_000

/**
 * Resolves with what `attempt` gives, once it gives something without throwing; tries again every 100 ms, and leaves
 * an attempt that gives nothing within 10 s.
 *
 * @throws when the program ends first, or at the deadline, with the end of its output
 */
export async function whenReady<T>(
  program: Program,
  name: string,
  logFile: string,
  attempt: () => Promise<T>,
  deadlineMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + deadlineMs
  let ending: string | undefined
  void program.ended.then((how) => (ending = how))
  for (;;) {
    try {
      return await withinTime(attempt())
    } catch (error) {
      if (ending === undefined && Date.now() < deadline) await wait(100)
      else {
        const how =
          ending === undefined ? `was not ready after ${deadlineMs / 1000} s (${String(error)})` : `ended (${ending})`
        throw new Error(`${name} ${how}. The end of ${logFile}:\n${await tail(logFile)}`)
      }
    }
  }
}

function withinTime<T>(attempt: Promise<T>): Promise<T> {
  const late = wait(ATTEMPT_MS, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${ATTEMPT_MS / 1000} s`)
  })
  return Promise.race([attempt, late])
}

/** The last lines of a file, or nothing where there is none. */
export async function tail(file: string, lines = 15): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-lines).join('\n')
}

/**
 * Ends the program that `pidFile` tells of, if it lives: where a start and its guard were both killed, their programs
 * live on, and hold data folders and ports.
 */
export async function endLeftover(pidFile: string): Promise<void> {
  const content = await readFile(pidFile, 'utf8').catch(() => '')
  if (!content) return
  const { pid, mark } = JSON.parse(content) as { pid: number; mark: string }
  // The number may be somebody else's by now.
  if ((await ps('args=', pid)).includes(mark)) {
    signalGroup(pid, 'SIGKILL')
    while (await isAlive(pid)) await wait(20)
  }
  await rm(pidFile, { force: true })
}

/** False for a zombie too: what nobody waits for stands in the process table for ever. */
export async function isAlive(pid: number): Promise<boolean> {
  const state = await ps('stat=', pid)
  return state !== '' && !state.startsWith('Z')
}

/** A column that `ps` shows of a process, such as `args=`; empty where there is no such process. */
export const ps = (column: string, pid: number) =>
  promisify(execFile)('ps', ['-o', column, '-p', String(pid)]).then(
    ({ stdout }) => stdout.trim(),
    () => '',
  )

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}

/** The cache of what was fetched once, outside the repository. */
export const cacheFolder = (env: NodeJS.ProcessEnv): string =>
  join(env['XDG_CACHE_HOME'] || join(env['HOME'] ?? '/tmp', '.cache'), 'one-time-password')
