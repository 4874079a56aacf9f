/**
 * The parts that the tests run on, started once for a run: real Postgres, Temporal and Kafka, on free ports and in a
 * folder of their own, so that several runs and `npm start` do not meet.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { createProgress, duration, type Report } from '../../local/progress.ts'
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

const progress = createProgress()

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
    await all([startParts(project, { folder, guard }), bringBrowser(project, guard)])
  } catch (error) {
    await guard.close()
    throw error
  }
  // Nothing in the folder is needed again, so the guard may end all parts at once.
  return () => guard.close()
}

/** What one of them has begun, such as a build of some minutes, goes on to its end when another fails. */
async function all(parts: readonly Promise<void>[]) {
  for (const part of await Promise.allSettled(parts)) if (part.status === 'rejected') throw part.reason
}

/** With progress on the console. A failure is said at once, though the others are waited for. */
async function shown<T>(title: string, bring: (report: Report) => Promise<T>): Promise<T> {
  const step = progress.begin(title)
  try {
    return await bring(step.report)
  } catch (error) {
    console.error(`${title}: ${error instanceof Error ? error.message : String(error)}`)
    throw error
  } finally {
    step.end()
  }
}

async function bringBrowser(project: TestProject, guard: Guard) {
  try {
    const path = await shown('browser', (report) => findBrowser({ guard, env: process.env, report }))
    project.provide('browser', { path })
  } catch (error) {
    if (!(error instanceof PartUnavailable)) throw error
    project.provide('browser', { problem: error.message })
  }
}

async function startParts(project: TestProject, { folder, guard }: { folder: string; guard: Guard }) {
  const began = performance.now()
  const bring = <P>(name: string, start: (options: PartOptions) => Promise<P>) =>
    shown(name, async (report) =>
      start({ folder: join(folder, name), port: await freePort(), guard, env: process.env, report }),
    )
  await all([
    bring('postgres', async (options) => {
      const { url } = await startPostgres({ ...options, disposable: true, metered: true })
      await prepareTemplate(url)
      project.provide('postgresUrl', url)
    }),
    bring('temporal', async (options) => {
      const { address } = await startTemporal({ ...options, namespaces: NAMESPACES })
      project.provide('temporalAddress', address)
    }),
    bring('kafka', async (options) => project.provide('kafkaBroker', (await startKafka(options)).broker)),
  ])
  project.provide('namespaces', NAMESPACES.length)
  console.log(`Postgres, Temporal and Kafka are up (${duration(performance.now() - began)})`)
}
