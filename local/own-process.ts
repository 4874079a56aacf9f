import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PROCESSES } from './environment.ts'
import type { ProcessName } from './environment.ts'
import type { Report } from './progress.ts'
import type { Guard } from './stack/guarded.ts'
import type { Part } from './stack/part.ts'
import { sizeOf, startProgram, whenReady } from './stack/program.ts'

const ROOT = join(import.meta.dirname, '..')

interface OwnProcessOptions {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly guard: Guard
  readonly report?: Report
}

/**
 * Starts one of our processes; resolves when it says `ready` in its log, `logs/<name>.log` below `folder`, however long it
 * waits for what it needs.
 *
 * @throws when it ends first, with its last output
 */
export async function startOwnProcess(
  name: ProcessName,
  { folder, env, guard, report }: OwnProcessOptions,
): Promise<Part> {
  const entrance = join(ROOT, PROCESSES[name].entrance)
  const logFile = join(folder, 'logs', `${name}.log`)
  const before = await sizeOf(logFile)
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
  await whenReady(program, { name, logFile, attempt: () => saysReady(logFile, before), ...(report && { report }) })
  return program
}

async function saysReady(logFile: string, from: number) {
  for await (const line of createInterface({ input: createReadStream(logFile, { start: from }) })) {
    if (line.includes('"msg":"ready"')) return
  }
  throw new Error('it has not said that it is ready')
}
