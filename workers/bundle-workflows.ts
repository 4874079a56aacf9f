/**
 * Bundles ahead what the workers load, with tracing and without: for an image, where nothing can be kept later.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { bundleWorkflows } from '../temporal/workflow-bundle.ts'
import { WORKFLOW_INTERCEPTORS } from '../tracing/temporal-worker.ts'

const folder = new URL('../workflows/', import.meta.url).pathname
for (const name of await readdir(folder)) {
  if (!name.endsWith('-queue.ts')) continue
  await bundleWorkflows(join(folder, name))
  await bundleWorkflows(join(folder, name), [WORKFLOW_INTERCEPTORS])
}
