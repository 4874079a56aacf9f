/**
 * Workflow code is bundled once: the kept script is used while nothing that it was made of has changed. What it is made of
 * comes from the folders that its name accounts for, or from packages.
 */
import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BUNDLED_FOLDERS, bundleWorkflows } from '../temporal/workflow-bundle.ts'
import { WORKFLOW_INTERCEPTORS } from '../tracing/temporal-worker.ts'

const ROOT = join(import.meta.dirname, '..')
const WORKFLOWS = join(ROOT, 'workflows')
const QUEUES = readdirSync(WORKFLOWS).filter((name) => name.endsWith('-queue.ts'))
/** Within the project, whose packages a bundle is made of too. */
const OUR_OWN = join(ROOT, '.local')

let folder: string
beforeAll(async () => {
  await mkdir(OUR_OWN, { recursive: true })
  folder = await mkdtemp(join(OUR_OWN, 'workflow-bundle-'))
})
afterAll(() => rm(folder, { recursive: true }))

const sourcesOf = (code: string): string[] => {
  const [, map] = /sourceMappingURL=data:application\/json;[^,]*base64,(\S+)\s*$/.exec(code)!
  const { sources } = JSON.parse(Buffer.from(map!, 'base64').toString()) as { sources: string[] }
  return sources.filter((source) => source.startsWith(ROOT) && !source.includes('node_modules'))
}

it.each(QUEUES)('%s is made of the folders that are looked at, and of packages', async (queue) => {
  const { code } = await bundleWorkflows(join(WORKFLOWS, queue), [WORKFLOW_INTERCEPTORS])
  const own = sourcesOf(code).filter((source) => !source.endsWith('entrypoint.cjs'))
  expect(own).toContain(WORKFLOW_INTERCEPTORS)
  expect(own.length).toBeGreaterThan(5)
  for (const source of own) expect(BUNDLED_FOLDERS).toContain(relative(ROOT, dirname(source)).split(sep)[0])
})

it('a change of a source makes a new one, and without a change the kept one is used', async () => {
  const workflowsPath = join(folder, 'workflows.ts')
  const write = (version: string) => writeFile(workflowsPath, `export const version = '${version}'\n`)
  const bundle = async () => {
    const began = process.cpuUsage()
    const { code } = await bundleWorkflows(workflowsPath)
    const { user, system } = process.cpuUsage(began)
    return { code, cpu: user + system }
  }
  await write('the first')
  expect((await bundle()).code).toContain('the first')
  await write('the second')
  const second = await bundle()
  expect(second.code).toContain('the second')
  const again = await bundle()
  expect(again.code).toBe(second.code)
  expect(again.cpu).toBeLessThan(second.cpu / 5)
})
