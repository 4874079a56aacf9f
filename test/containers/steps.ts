/** How the walk goes: step by step, each with its time on the console, and all that programs said in one log. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { cacheFolder } from '../../local/stack/program.ts'

/** Where everything stands that the walk fetches and makes. */
export const CACHE = join(cacheFolder(process.env), 'containers')
export const LOG = join(CACHE, 'walk.log')

const began = Number(process.env['WALK_BEGAN'] ?? Date.now())
/** For a process that goes on with the same walk. */
export const sameClock = { WALK_BEGAN: String(began) }

/** Aborted at Ctrl-C and the like: what runs is ended, its step fails, and what cleans up is given its time. */
const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interruption.abort(new Error(`interrupted by ${signal}`)))
}
export const interrupted: AbortSignal = interruption.signal

export const secondsSince = (ms: number): string => ((Date.now() - ms) / 1_000).toFixed(1)

/** Prints a line below the step that is under way. */
export const note = (line: string): void => console.log(`           ${line}`)

/** Runs a step. One that throws is named. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const from = Date.now()
  console.log(`[${secondsSince(began).padStart(6)} s] ${name} …`)
  appendFileSync(LOG, `\n== ${name}\n`)
  try {
    const result = await work()
    interrupted.throwIfAborted()
    note(`done in ${secondsSince(from)} s`)
    return result
  } catch (error) {
    console.error(`FAILED after ${secondsSince(from)} s: ${name}`)
    throw error
  }
}

export interface RunOptions {
  readonly cwd?: string
  /** Beside this process's own. */
  readonly env?: Record<string, string>
  /** Also after an interruption. Default false. */
  readonly always?: boolean
}

/**
 * Runs a program to its end; all that it says is in the log.
 *
 * @returns its standard output
 * @throws where it fails, with what it said
 */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { always = false, ...others } = options
  const result = await execa(file, args, {
    ...others,
    stdin: 'ignore',
    reject: false,
    // In a group of its own, a terminal's Ctrl-C does not reach it.
    ...(always ? { detached: true } : { cancelSignal: interrupted }),
  })
  appendFileSync(LOG, `$ ${file} ${args.join(' ')}\n${result.stdout}\n${result.stderr}\n`)
  if (result.failed) throw new Error(`${result.shortMessage}\n${result.stderr || result.stdout}`)
  return result.stdout
}
