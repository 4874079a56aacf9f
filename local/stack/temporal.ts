import { Connection } from '@temporalio/client'
import { execFile } from 'node:child_process'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts'
import { PartUnavailable } from './errors.ts'
import type { Part, PartOptions } from './part.ts'
import { cacheFolder, runTool, startProgram, whenReady } from './program.ts'

const CLI_VERSION = '1.5.1'
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`
/** What that is built of, about. */
const GO_STEPS = 1_450
const REPORT_EVERY = 50
/** As its command line names types. */
const TYPES = { KEYWORD: 'Keyword', INT: 'Int' } as const

export interface TemporalOptions extends PartOptions {
  /** The Web UI's port; without it there is none. */
  readonly uiPort?: number
  /** The codec server that the Web UI asks to decrypt payloads. */
  readonly codecServer?: string
  /** Namespaces beside `default`. */
  readonly namespaces?: readonly string[]
}

/**
 * Starts Temporal's development server with its data in `folder`.
 *
 * @returns with `address`, `host:port` of its frontend
 */
export async function startTemporal(options: TemporalOptions): Promise<Part & { readonly address: string }> {
  const { folder, port, guard, env, namespaces = [] } = options
  const logFile = join(folder, 'temporal.log')
  await mkdir(folder, { recursive: true })
  const command = await findCli(options)
  const program = await startProgram({
    name: 'Temporal',
    command,
    args: serverArguments(options),
    env,
    logFile,
    pidFile: join(folder, 'pid'),
    guard,
  })
  const address = `127.0.0.1:${port}`
  await whenReady(program, 'Temporal', logFile, () => check(address, namespaces))
  return { ...program, address }
}

function serverArguments({ folder, port, uiPort, codecServer, namespaces = [] }: TemporalOptions) {
  return [
    'server',
    'start-dev',
    `--port=${port}`,
    '--ip=127.0.0.1',
    '--log-level=error',
    `--db-filename=${join(folder, 'temporal.db')}`,
    // Twice the work of the defaults, and it still survives kill -9 of every process.
    '--sqlite-pragma=journal_mode=wal',
    '--sqlite-pragma=synchronous=normal',
    // At the default of 20 a second, task starts of a busy server wait for each other in steps of 50 ms.
    '--dynamic-config-value=history.transferProcessorMaxPollRPS=2000',
    ...SEARCH_ATTRIBUTES.map(({ name, type }) => `--search-attribute=${name}=${TYPES[type]}`),
    ...namespaces.map((name) => `--namespace=${name}`),
    uiPort === undefined ? '--headless' : `--ui-port=${uiPort}`,
    ...(codecServer === undefined ? [] : [`--ui-codec-endpoint=${codecServer}`]),
  ]
}

async function check(address: string, namespaces: readonly string[]) {
  const connection = await Connection.connect({ address, connectTimeout: '2s' })
  try {
    for (const namespace of ['default', ...namespaces.slice(-1)]) {
      await connection.workflowService.describeNamespace({ namespace })
    }
  } finally {
    await connection.close()
  }
}

/** The program `temporal`, a path or a name on the PATH; fetched or built where there is none. */
export async function findCli(options: PartOptions): Promise<string> {
  const { env, report } = options
  const cache = join(cacheFolder(env), `temporal-${CLI_VERSION}`)
  const goPath = env['GOPATH']?.split(delimiter)[0] || join(homedir(), 'go')
  for (const candidate of ['temporal', join(cache, 'temporal'), join(goPath, 'bin', 'temporal')]) {
    if (await runs(candidate, env)) return candidate
  }
  await mkdir(cache, { recursive: true })
  report("fetching Temporal's program")
  const downloadProblem = await download(cache).then(() => undefined, inWords)
  if (downloadProblem === undefined) return join(cache, 'temporal')
  report("building Temporal's program with Go (some minutes, once)")
  const buildProblem = await build(cache, options).then(() => undefined, inWords)
  if (buildProblem === undefined) return join(cache, 'temporal')
  throw new PartUnavailable(
    [
      'Temporal cannot be had on this machine. What was tried:',
      '  a program named temporal on the PATH: there is none',
      `  its download, as Temporal's SDK does it: ${downloadProblem}`,
      `  go install ${GO_PACKAGE}: ${buildProblem}`,
      'Install the Temporal CLI (https://docs.temporal.io/cli) or Go 1.24 or newer (https://go.dev/dl), ' +
        'or set TEMPORAL_ADDRESS to a server that runs already.',
    ].join('\n'),
  )
}

const inWords = (error: unknown) => (error instanceof Error ? error.message : String(error))

async function runs(command: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    await promisify(execFile)(command, ['--version'], { env })
    return true
  } catch {
    return false
  }
}

/** The SDK knows where the program for this machine is; it downloads it by starting a server. */
async function download(cache: string) {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing')
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir: cache } },
  })
  await environment.teardown()
  const [file] = (await readdir(cache)).filter((name) => name.startsWith('temporal-'))
  if (file === undefined) throw new Error(`nothing was found in ${cache} after it`)
  await rename(join(cache, file), join(cache, 'temporal'))
}

async function build(cache: string, { env, guard, report }: PartOptions) {
  let last = ''
  let steps = 0
  const problem = await runTool('go', ['install', '-v', GO_PACKAGE], {
    env: { ...env, GOBIN: cache, CGO_ENABLED: '0' },
    guard,
    onLine(line) {
      last = line
      steps += 1
      if (steps % REPORT_EVERY === 0) report(`building Temporal's program with Go: step ${steps} of about ${GO_STEPS}`)
    },
  })
  if (problem !== undefined) throw new Error(last ? `${problem}, ${last}` : problem)
}
