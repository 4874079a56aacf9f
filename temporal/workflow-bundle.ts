/**
 * Workflow code as the one script that a worker loads. Bundling it costs seconds of CPU, and a worker that takes over from one
 * that died should be there at once: so the script is kept, under a name that says what it was made of.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleWorkflowCode, Runtime, type WorkflowBundle } from '@temporalio/worker'
import { WORKER_CONVERTERS } from './connect.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const KEPT = join(ROOT, 'node_modules/.cache/workflow-bundles')
/** What a bundle is made of beside the folder of its workflows: a test holds the bundles to it. */
export const BUNDLED_FOLDERS = ['domain', 'temporal', 'tracing', 'workflows'] as const

/**
 * The kept script where no source and no package has changed since; else a new one, kept where the folder can be written to.
 *
 * @param workflowsPath the module whose exports are the workflows
 * @param workflowInterceptorModules paths of modules
 * @throws where it cannot be bundled: a source does not compile, or imports what the sandbox does not have
 */
export async function bundleWorkflows(
  workflowsPath: string,
  workflowInterceptorModules: string[] = [],
): Promise<WorkflowBundle> {
  const sources = { workflowsPath, workflowInterceptorModules, ...WORKER_CONVERTERS }
  const file = join(KEPT, `${basename(workflowsPath, '.ts')}-${await fingerprint(sources)}.js`)
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept !== undefined) return { code: kept }
  const { code } = await bundleWorkflowCode({ ...sources, logger: Runtime.instance().logger })
  await keep(file, code).catch(() => {})
  return { code }
}

async function fingerprint(sources: { readonly workflowsPath: string }): Promise<string> {
  const folders = new Set([...BUNDLED_FOLDERS.map((folder) => join(ROOT, folder)), dirname(sources.workflowsPath)])
  const modules = await Promise.all(
    [...folders].map(async (folder) => {
      const names = await readdir(folder)
      return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name))
    }),
  )
  const hash = createHash('sha256').update(JSON.stringify(sources))
  for (const file of [join(ROOT, 'package-lock.json'), ...modules.flat().toSorted()]) {
    hash.update(`\0${file}\0`).update(await readFile(file))
  }
  return hash.digest('hex').slice(0, 32)
}

/** Whole or not at all: workers that start at the same time read it. */
async function keep(file: string, code: string): Promise<void> {
  await mkdir(KEPT, { recursive: true })
  const unfinished = `${file}.${process.pid}`
  await writeFile(unfinished, code)
  await rename(unfinished, file)
}
