/**
 * The parts that the tests run on, started once for a run: real Postgres, Temporal and Kafka, on free ports and in a
 * folder of their own, so that several runs and `npm start` do not meet.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { findBrowser } from '../../local/stack/browser.ts'
import { PartUnavailable } from '../../local/stack/errors.ts'
import { openGuard, type Guard } from '../../local/stack/guarded.ts'
import { startKafka } from '../../local/stack/kafka.ts'
import type { PartOptions } from '../../local/stack/part.ts'
import { freePort } from '../../local/stack/ports.ts'
import { startPostgres } from '../../local/stack/postgres.ts'
import { startTemporal } from '../../local/stack/temporal.ts'
import { prepareTemplate } from './database.ts'
import { slowness } from './speed.ts'

/** As many as test files may claim in one run; each costs the server's start some milliseconds. */
const NAMESPACES = Array.from({ length: 90 }, (_, index) => `test-${index + 1}`)

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
    temporalAddress: string
    kafkaBroker: string
    namespaces: number
    /** A Chromium's command, or why there is none: only the tests that want one fail. */
    browser: { path?: string; problem?: string }
  }
}

export default async function setup(project: TestProject) {
  console.log(`This machine takes ${slowness()} times as long as the reference; the tests' limits follow.`)
  const folder = await mkdtemp(join(tmpdir(), 'one-time-password-test-'))
  const guard = await openGuard({ remove: folder })
  try {
    const started = startParts(project, (name, port) => ({
      folder: join(folder, name),
      port,
      guard,
      env: process.env,
      report: (line) => console.log(`${name}: ${line}`),
    }))
    await Promise.all([started, bringBrowser(guard).then((browser) => project.provide('browser', browser))])
  } catch (error) {
    await guard.close()
    throw error
  }
  // Nothing in the folder is needed again, so the guard may end all parts at once.
  return () => guard.close()
}

async function bringBrowser(guard: Guard) {
  try {
    return { path: await findBrowser({ guard, env: process.env, report: (line) => console.log(`browser: ${line}`) }) }
  } catch (error) {
    if (!(error instanceof PartUnavailable)) throw error
    console.error(error.message)
    return { problem: error.message }
  }
}

async function startParts(project: TestProject, options: (name: string, port: number) => PartOptions) {
  const began = performance.now()
  const [postgresPort, temporalPort, kafkaPort] = await Promise.all([freePort(), freePort(), freePort()])
  const [postgres, temporal, kafka] = await Promise.all([
    startPostgres({ ...options('postgres', postgresPort), disposable: true, metered: true }).then(async (part) => {
      await prepareTemplate(part.url)
      return part
    }),
    startTemporal({ ...options('temporal', temporalPort), namespaces: NAMESPACES }),
    startKafka(options('kafka', kafkaPort)),
  ])
  project.provide('postgresUrl', postgres.url)
  project.provide('temporalAddress', temporal.address)
  project.provide('kafkaBroker', kafka.broker)
  project.provide('namespaces', NAMESPACES.length)
  console.log(`Postgres, Temporal and Kafka are up (${((performance.now() - began) / 1000).toFixed(1)} s)`)
}
