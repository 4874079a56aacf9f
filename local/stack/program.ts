import { execFile, spawn } from 'node:child_process'
import { closeSync, createWriteStream, openSync } from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Report } from '../progress.ts'
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

export interface ToolOptions {
  readonly env: NodeJS.ProcessEnv
  readonly guard: Guard
  /** Gets each line of its output. */
  readonly onLine: (line: string) => void
  /** Where its output is appended. */
  readonly logFile?: string
}

/**
 * Runs a program to its end, guarded like the others.
 *
 * @returns undefined when it went well, else what went wrong in a few words
 */
export async function runTool(
  command: string,
  args: readonly string[],
  { env, guard, onLine, logFile }: ToolOptions,
): Promise<string | undefined> {
  const log = logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' })
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) guard.protect(child.pid, 'SIGTERM')
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      log?.write(`${line}\n`)
      onLine(line)
    })
  }
  const problem = await new Promise<string | undefined>((resolve) => {
    child.once('error', () => resolve(`there is no program named ${command}`))
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)))
  })
  if (child.pid !== undefined) guard.release(child.pid)
  log?.end()
  return problem
}

/** A part that has just begun can lose a request: what is not answered by then is asked again, with twice the time. */
const FIRST_ATTEMPT_MS = 10_000

export interface Readiness<T> {
  readonly name: string
  /** Where the program's output stands. */
  readonly logFile: string
  /** Throws while it is not ready. It is left to itself when it has given nothing within `withinMs`. */
  readonly attempt: (withinMs: number) => Promise<T>
  /** Hears of a sign of life whenever the program has written something. */
  readonly report?: Report
}

/**
 * Resolves with what `attempt` gives, once it gives something without throwing; tries again every 100 ms, for as long as the
 * program lives.
 *
 * @throws when the program ends first, with the end of its output
 */
export async function whenReady<T>(program: Pick<Program, 'ended'>, readiness: Readiness<T>): Promise<T> {
  const { name, logFile, attempt, report } = readiness
  const ended = program.ended.then(async (how): Promise<never> => {
    throw new Error(`${name} ended (${how}). The end of ${logFile}:\n${await tail(logFile)}`)
  })
  const tryAgain = async (): Promise<T> => {
    let withinMs = FIRST_ATTEMPT_MS
    let written = -1
    for (;;) {
      const size = await sizeOf(logFile)
      if (size !== written) report?.('started, not ready yet', logFile)
      written = size
      const began = performance.now()
      try {
        return await withinTime(attempt(withinMs), withinMs)
      } catch {
        if (performance.now() - began > withinMs / 2) withinMs *= 2
        await Promise.race([wait(100), ended])
      }
    }
  }
  return Promise.race([tryAgain(), ended])
}

function withinTime<T>(attempt: Promise<T>, withinMs: number): Promise<T> {
  const late = wait(withinMs, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${withinMs} ms`)
  })
  return Promise.race([attempt, late])
}

/** In bytes; 0 where there is none. */
export const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  )

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
