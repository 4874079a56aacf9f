/**
 * `npm start`: the whole system on one machine. Starts what the environment does not name (Q2), keeps it running, and
 * ends all of it when it ends itself, however that comes about.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, realpath, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, loadConfig, PROCESS_SECTIONS } from '../config.ts'
import { developmentKeys } from './development-keys.ts'
import { LOCAL_FOLDER, removeEndpoints } from './endpoints.ts'
import { composeWholeEnvironment } from './environment.ts'
import { makePlan, socketOf } from './plan.ts'
import { openGuard } from './stack/guarded.ts'
import type { Guard } from './stack/guarded.ts'
import { endLeftover } from './stack/program.ts'
import { createSystem } from './system.ts'
import type { System } from './system.ts'
import { welcome } from './welcome.ts'

/** Written by local/install.mjs. */
const INSTALL_TIME = join(import.meta.dirname, '..', 'node_modules', '.install-ms')

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: LOCAL_FOLDER },
    /** In seconds: who gives no sign of life for that long is no longer waited for. */
    'longest-silence': { type: 'string', default: '300' },
  },
})

try {
  await main(values.folder)
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`)
  process.exit(error instanceof ConfigError ? 2 : 1)
}

async function main(given: string) {
  await mkdir(given, { recursive: true })
  const folder = await realpath(given)
  const stopAsked = whenAskedToStop()
  const guard = await openGuard({ socket: socketOf(folder), onStop: stopAsked.ask })

  let system: System | undefined
  try {
    await removeEndpoints(folder)
    await keepLogsOfLastTime(folder)
    for (const name of await readdir(folder)) await endLeftover(join(folder, name, 'pid'))
    const keys = developmentKeys(join(folder, 'development-keys.json'))
    const plan = await makePlan(process.env)
    checkConfiguration(composeWholeEnvironment(plan.addresses, keys, process.env))
    for (const note of plan.notes) console.log(note)

    const longestSilenceMs = Number(values['longest-silence']) * 1000
    const created = createSystem({ folder, guard, keys, plan, env: process.env, longestSilenceMs })
    system = created
    void stopAsked.promise.then(() => stop(folder, created, guard))
    const { endpoints, standings } = await system.start()
    const tookMs = { packages: packagesMs(), start: performance.now() }
    if (!stopAsked.wasAsked()) console.log(welcome({ endpoints, standings, tookMs }))
  } catch (error) {
    // While it stops, what is still starting fails: that is no news.
    if (stopAsked.wasAsked()) return
    await system?.stop()
    await guard.close()
    throw error
  }
}

async function stop(folder: string, system: System, guard: Guard) {
  console.log('\nStopping …')
  await removeEndpoints(folder)
  await system.stop()
  await guard.close()
  // What was still starting may have finished meanwhile.
  await removeEndpoints(folder)
  console.log('Everything has ended; the data stays for the next start.')
  process.exit()
}

/** Refuses bad configuration before anything starts (Q3). */
function checkConfiguration(env: NodeJS.ProcessEnv) {
  loadConfig([...new Set(Object.values(PROCESS_SECTIONS).flat())], env)
}

/** Resolves at Ctrl-C, SIGTERM, a closed terminal, `npm run reset`, or the end of the npm that started this. */
function whenAskedToStop() {
  let asked = false
  const { promise, resolve } = Promise.withResolvers<void>()
  const ask = () => {
    asked = true
    resolve()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask)
  if (process.env['npm_lifecycle_event'] !== undefined) {
    const npm = process.ppid
    setInterval(() => process.ppid !== npm && ask(), 500).unref()
  }
  // A console that is gone must not end us before all else has ended.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  return { promise, ask, wasAsked: () => asked }
}

/** How long the packages took that npm's own step before this one has installed; 0 where there was nothing to install. */
function packagesMs(): number {
  if (process.env['npm_lifecycle_event'] !== 'start' || !existsSync(INSTALL_TIME)) return 0
  return Number(readFileSync(INSTALL_TIME, 'utf8'))
}

async function keepLogsOfLastTime(folder: string) {
  const logs = join(folder, 'logs')
  await rm(`${logs}.previous`, { recursive: true, force: true })
  await rename(logs, `${logs}.previous`).catch(() => {})
}
