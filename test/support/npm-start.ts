/**
 * `npm start` as somebody types it: a process whose output is read.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readEndpoints, type Endpoints } from '../../local/endpoints.ts'
import { patience } from './speed.ts'
import { until } from './until.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** A first start on a busy machine. */
export const STARTED_MS = patience(90)

export interface Start {
  readonly process: ChildProcess
  /** All that it has written so far. */
  output(): string
  readonly exited: Promise<number | null>
}

/** Begins a command in the repository. */
export function begin(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Start {
  const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { process: child, output: () => output, exited }
}

/** `npm start` with its data in `folder`. */
export const npmStart = (folder: string, env: NodeJS.ProcessEnv = {}): Start =>
  begin('npm', ['start', '--', '--folder', folder], env)

/**
 * Waits until it says that it is ready.
 *
 * @throws with its output, when it ends first or takes too long
 */
export async function ready(start: Start, folder: string, withinMs = 90_000): Promise<Endpoints> {
  const isOver = () => start.process.exitCode !== null
  const isReady = async () => (existsSync(join(folder, 'endpoints.json')) && /^Ready/m.test(start.output())) || isOver()
  await until(isReady, withinMs, 50).catch(() => {
    throw new Error(start.output())
  })
  if (isOver()) throw new Error(start.output())
  return readEndpoints(folder)
}
