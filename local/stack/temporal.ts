import { Connection } from '@temporalio/client'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts'
import { PartUnavailable } from './errors.ts'
import type { Part, PartOptions } from './part.ts'
import { cacheFolder, runTool, startProgram, whenReady } from './program.ts'

const CLI_VERSION = '1.5.1'
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`
/** What that is built of, about. */
const GO_STEPS = 1_450
/** Where the SDK downloads from. */
const DOWNLOADS = 'https://temporal.download'
const DOWNLOADS_WITHIN_MS = 10_000
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
  const { folder, port, guard, env, report, namespaces = [] } = options
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
  await whenReady(program, {
    name: 'Temporal',
    logFile,
    report,
    attempt: (withinMs) => check(address, namespaces, withinMs),
  })
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

async function check(address: string, namespaces: readonly string[], withinMs: number) {
  const connection = await Connection.connect({ address, connectTimeout: withinMs })
  try {
    for (const namespace of ['default', ...namespaces.slice(-1)]) {
      await connection.withDeadline(Date.now() + withinMs, () =>
        connection.workflowService.describeNamespace({ namespace }),
      )
    }
  } finally {
    await connection.close()
  }
}

/** The program `temporal`, a path or a name on the PATH; fetched or built where there is none. */
export async function findCli(options: PartOptions): Promise<string> {
  const { env, report } = options
  const cached = join(cacheFolder(env), `temporal-${CLI_VERSION}`, 'temporal')
  const goPath = env['GOPATH']?.split(delimiter)[0] || join(homedir(), 'go')
  for (const candidate of ['temporal', cached, join(goPath, 'bin', 'temporal')]) {
    report(`looking for Temporal's program (${candidate})`)
    if (await runs(candidate, env)) return candidate
  }
  await mkdir(dirname(cached), { recursive: true })
  report("looking for Temporal's program on the network")
  const tried: string[] = []
  // Where the network is closed to it, the download may take minutes to notice.
  for (const fetch of (await downloadsAreNear()) ? [download, build] : [build, download]) {
    const problem = await inDraft(dirname(cached), (draft) => fetch(draft, options))
    if (problem === undefined) return cached
    tried.push(problem)
  }
  throw new PartUnavailable(
    [
      'Temporal cannot be had on this machine. What was tried:',
      '  a program named temporal on the PATH: there is none that runs',
      ...tried.map((problem) => `  ${problem}`),
      'Install the Temporal CLI (https://docs.temporal.io/cli) or Go 1.24 or newer (https://go.dev/dl), ' +
        'or set TEMPORAL_ADDRESS to a server that runs already.',
    ].join('\n'),
  )
}

async function runs(command: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    await promisify(execFile)(command, ['--version'], { env })
    return true
  } catch {
    return false
  }
}

/** Decides only which way is tried first. */
function downloadsAreNear(): Promise<boolean> {
  return fetch(DOWNLOADS, { signal: AbortSignal.timeout(DOWNLOADS_WITHIN_MS) }).then(
    () => true,
    () => false,
  )
}

/**
 * Has the program made in a folder of its own and moved to `folder`, whole: another start may be making it too.
 *
 * @returns undefined when it went well, else what was tried and what went wrong
 */
async function inDraft(folder: string, make: (draft: string) => Promise<void>): Promise<string | undefined> {
  const draft = await mkdtemp(join(folder, 'draft-'))
  try {
    await make(draft)
    const [file] = (await readdir(draft)).filter((name) => name.startsWith('temporal'))
    if (file === undefined) return 'went well, but left no program'
    await rename(join(draft, file), join(folder, 'temporal'))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** The SDK knows where the program for this machine is; it downloads it by starting a server. */
async function download(draft: string, { report }: PartOptions) {
  report("downloading Temporal's program (once)")
  const { TestWorkflowEnvironment } = await import('@temporalio/testing')
  try {
    const environment = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'cached-download', downloadDir: draft } },
    })
    await environment.teardown()
  } catch (error) {
    throw new Error(`its download, as Temporal's SDK does it: ${String(error)}`)
  }
}

/** What Go has compiled it keeps in a cache of its own: a build that was ended goes on there the next time. */
async function build(draft: string, { env, guard, report }: PartOptions) {
  const logFile = join(cacheFolder(env), `temporal-${CLI_VERSION}`, 'build.log')
  let last = ''
  let steps = 0
  const problem = await runTool('go', ['install', '-v', GO_PACKAGE], {
    env: { ...env, GOBIN: draft, CGO_ENABLED: '0' },
    guard,
    logFile,
    onLine(line) {
      last = line
      steps += 1
      report(`building with Go (some minutes, once), step ${steps} of about ${GO_STEPS}`, logFile)
    },
  })
  if (problem !== undefined) {
    throw new Error(`go install ${GO_PACKAGE}: ${[problem, last].filter(Boolean).join(', ')} (all of it: ${logFile})`)
  }
}
