/**
 * One of our processes, watched from the outside: its health, its log, and how it ends.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PROCESSES, type ProcessName } from '../../local/environment.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** As an orchestrator's probe has. */
const PROBE_MS = 5_000

export interface Readiness {
  /** 0 where nobody answers. */
  readonly code: number
  readonly status?: string
  readonly parts?: Readonly<Record<string, string>>
}

export interface WatchedProcess {
  readonly name: ProcessName
  readonly child: ChildProcess
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Lines of its log, parsed; what is none, as `{ text }`. */
  log(): readonly Record<string, unknown>[]
  healthz(): Promise<number>
  readyz(): Promise<Readiness>
}

/** Starts a process, and waits for nothing. @param port where its health is shown: its own, or OTP_METRICS_PORT */
export function watchProcess(name: ProcessName, port: number, env: Readonly<Record<string, string>>): WatchedProcess {
  const child = spawn(process.execPath, [join(ROOT, PROCESSES[name].entrance)], {
    env: { OTP_METRICS_PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: Record<string, unknown>[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => lines.push(parsed(text)))
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code!)),
  )
  const ask = (path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(PROBE_MS) }).catch(() => undefined)
  return {
    name,
    child,
    ended,
    log: () => lines,
    healthz: async () => (await ask('/healthz'))?.status ?? 0,
    async readyz() {
      const answer = await ask('/readyz')
      if (answer === undefined) return { code: 0 }
      const { status, parts } = (await answer.json()) as { status: string; parts: Record<string, string> }
      return { code: answer.status, status, parts }
    },
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return { text }
  }
}
