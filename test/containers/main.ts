/**
 * `npm run test:containers` (Q7): the image and docker-compose.yml, run for real, on a machine with nothing but Debian and Node too.
 *
 * Brings a container engine where none runs, images where none can be pulled, builds our image, and walks docker-compose.yml. All that
 * is fetched stands below `one-time-password/containers` of the cache. Nothing is installed, and in the end nothing runs any more.
 */
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { openGuard, type Guard } from '../../local/stack/guarded.ts'
import { findEngine, type Engine } from './engine.ts'
import { bringImages } from './images.ts'
import { CACHE, interrupted, LOG, note, run, sameClock, step } from './steps.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Goes at the end, whatever that is. */
const FOLDER = join(CACHE, 'run')
const PROJECT = join(FOLDER, 'project')
const MEGABYTE = 1_000_000
const IMAGE_BELOW_MB = 650

await mkdir(CACHE, { recursive: true })
await writeFile(LOG, '')
try {
  await main()
  console.log(`The containers work. All that programs said: ${LOG}`)
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : String(error)}\n\nAll that programs said: ${LOG}`)
  process.exitCode = 1
}

async function main() {
  const guard = await openGuard({ socket: join(CACHE, 'lock'), remove: FOLDER })
  let engine: Engine | undefined
  try {
    await rm(FOLDER, { recursive: true, force: true })
    engine = await step('a container engine', () => findEngine({ folder: join(FOLDER, 'engine'), guard }))
    await walkWith(engine, guard)
  } finally {
    await engine?.stop()
    await guard.close()
  }
}

async function walkWith(engine: Engine, guard: Guard) {
  const { env } = engine
  await step('a clean copy of the project', copyProject)
  const standIns = await step('the images that it names', () =>
    bringImages({ project: PROJECT, scratch: FOLDER, env, guard }),
  )
  note(standIns.length === 0 ? 'all of them the real ones' : `stand-ins: ${standIns.join(', ')}`)
  try {
    await step('npm run docker-env, with no packages there', () => run('npm', ['run', 'docker-env'], { cwd: PROJECT }))
    await step('docker compose build', () => buildImage(env))
    await step('a network apart', () => engine.setApart())
    const flags = [...(engine.isApart() ? ['--apart'] : []), ...(standIns.length > 0 ? ['--stand-ins'] : [])]
    const [command, ...args] = engine.inside([
      process.execPath,
      join(import.meta.dirname, 'walk.ts'),
      PROJECT,
      ...flags,
    ])
    const walk = await execa(command, args, {
      env: { ...env, ...sameClock },
      stdio: ['ignore', 'inherit', 'inherit'],
      reject: false,
      cancelSignal: interrupted,
      forceKillAfterDelay: 60_000,
    })
    if (walk.failed) throw new Error(`The walk ended with ${walk.exitCode ?? walk.signal}: its words are above.`)
  } finally {
    // A stand-in is nothing that an engine should keep under that name.
    if (standIns.length > 0 && !engine.isBrought)
      await run('docker', ['image', 'rm', '--force', ...standIns], { env, always: true })
  }
}

/** As a clone would be: what git knows or would take, and no packages. */
async function copyProject() {
  const files = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of files.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(PROJECT, file)), { recursive: true })
    // What git knows may be gone from the tree.
    await cp(join(ROOT, file), join(PROJECT, file), { verbatimSymlinks: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      },
    )
  }
}

async function buildImage(env: Record<string, string>) {
  // An engine that was brought has no network for builds but the machine's own.
  const network = join(FOLDER, 'network.yml')
  await writeFile(network, 'services: { migrate: { build: { network: host } } }')
  await run('docker', ['compose', '-f', 'docker-compose.yml', '-f', network, 'build'], { cwd: PROJECT, env })
  const bytes = await run('docker', ['image', 'inspect', '--format', '{{.Size}}', 'one-time-password'], { env })
  const size = Math.ceil(Number(bytes) / MEGABYTE)
  note(`${size} MB`)
  if (size >= IMAGE_BELOW_MB) throw new Error(`The image has ${size} MB; it has to stay below ${IMAGE_BELOW_MB}.`)
}
