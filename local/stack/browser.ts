/**
 * A Chromium, for the tests of the pages and their screenshots.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { PartUnavailable } from './errors.ts'
import type { PartOptions } from './part.ts'
import { runTool } from './program.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** Where macOS has them. */
const APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

type BringOptions = Pick<PartOptions, 'env' | 'guard' | 'report'>

/**
 * The path of a Chromium: the one that `CHROMIUM` names, one of this machine's, or one that is installed now, once.
 *
 * @throws {PartUnavailable} saying what was tried and what to do
 */
export async function findBrowser(options: BringOptions): Promise<string> {
  const { env, report } = options
  const found = await firstThatRuns(env)
  if (found !== undefined) return found
  report('installing Chromium for the tests of the pages (once)')
  const tried: string[] = []
  for (const [name, install] of [
    ['apt-get install chromium', installPackage],
    ['playwright-core install chromium', download],
  ] as const) {
    const problem = await install(options)
    const installed = await firstThatRuns(env)
    if (installed !== undefined) return installed
    tried.push(`  ${name}: ${problem ?? 'went well, but what it installed does not run'}`)
  }
  throw new PartUnavailable(
    [
      'There is no browser for the tests of the pages, and none can be had. What was tried:',
      `  programs named ${NAMES.join(', ')}: none runs`,
      ...tried,
      "Install Chromium or Chrome by your system's own means, or name one in CHROMIUM.",
    ].join('\n'),
  )
}

/** A stand-in, such as Ubuntu's for its snap, has a name and does not run. */
async function firstThatRuns(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute)
  const onPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))
  const candidates = [env['CHROMIUM'] ?? '', ...onPath, ...APPLICATIONS, await downloadedPath()]
  for (const candidate of candidates.filter(existsSync)) {
    const runs = await promisify(execFile)(candidate, ['--version'], { env }).then(
      () => true,
      () => false,
    )
    if (runs) return candidate
  }
  return undefined
}

/** Where playwright-core keeps the one that it downloads. */
async function downloadedPath(): Promise<string> {
  const { chromium } = await import('playwright-core')
  return chromium.executablePath()
}

/** @returns what went wrong, in a few words */
async function installPackage(options: BringOptions): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'wants root'
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  if (!/^ID=debian$/m.test(release)) return "only Debian's package is a browser"
  const env = { ...options.env, DEBIAN_FRONTEND: 'noninteractive' }
  const patience = ['-o', 'DPkg::Lock::Timeout=300']
  return (
    (await runReported('apt-get', [...patience, 'update'], { ...options, env })) ??
    (await runReported('apt-get', [...patience, 'install', '-y', '--no-install-recommends', 'chromium'], {
      ...options,
      env,
    }))
  )
}

async function download(options: BringOptions): Promise<string | undefined> {
  const cli = fileURLToPath(new URL('cli.js', import.meta.resolve('playwright-core/package.json')))
  return runReported(process.execPath, [cli, 'install', 'chromium'], options)
}

async function runReported(
  command: string,
  args: readonly string[],
  { env, guard, report }: BringOptions,
): Promise<string | undefined> {
  let last = ''
  const problem = await runTool(command, args, {
    env,
    guard,
    onLine(line) {
      if (line.trim() === '') return
      last = line.trim()
      report(last)
    },
  })
  return problem === undefined ? undefined : `${problem}${last && `, ${last}`}`
}

/** Starts it without a window, without anything that it would fetch on its own. */
export async function launchBrowser(executablePath: string): Promise<Browser> {
  const { chromium } = await import('playwright-core')
  return chromium.launch({
    executablePath,
    args: [
      // Its sandbox does not start for root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
