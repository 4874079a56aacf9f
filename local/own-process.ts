import { createReadStream, existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PROCESSES } from './environment.ts'
import type { ProcessName } from './environment.ts'
import type { Guard } from './stack/guarded.ts'
import type { Part } from './stack/part.ts'
import { startProgram, whenReady } from './stack/program.ts'

const ROOT = join(import.meta.dirname, '..')

/**
 * Starts one of our processes; resolves when it says `ready` in its log, `logs/<name>.log` below `folder`.
 *
 * @throws when it ends first, with its last output
 */
export async function startOwnProcess(
  name: ProcessName,
  { folder, env, guard }: { folder: string; env: NodeJS.ProcessEnv; guard: Guard },
): Promise<Part> {
  const entrance = join(ROOT, PROCESSES[name].entrance)
  const logFile = join(folder, 'logs', `${name}.log`)
  const before = existsSync(logFile) ? (await stat(logFile)).size : 0
  const program = await startProgram({
    name,
    command: process.execPath,
    args: [entrance],
    env,
    logFile,
    pidFile: join(folder, name, 'pid'),
    mark: entrance,
    endsFirst: true,
    guard,
  })
  await whenReady(program, name, logFile, () => saysReady(logFile, before))
  return program
}

async function saysReady(logFile: string, from: number) {
  for await (const line of createInterface({ input: createReadStream(logFile, { start: from }) })) {
    if (line.includes('"msg":"ready"')) return
  }
  throw new Error('it has not said that it is ready')
}
