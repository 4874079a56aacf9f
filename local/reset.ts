/**
 * `npm run reset`: ends a running `npm start` and removes its data, keys included.
 */
import { mkdir, realpath, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { LOCAL_FOLDER } from './endpoints.ts'
import { socketOf } from './plan.ts'
import { askToStop } from './stack/guarded.ts'

const { values } = parseArgs({ options: { folder: { type: 'string', default: LOCAL_FOLDER } } })
await mkdir(values.folder, { recursive: true })
const folder = await realpath(values.folder)
if (await askToStop(socketOf(folder))) console.log('What was running has ended.')
await rm(folder, { recursive: true, force: true, maxRetries: 3 })
console.log('The local data is gone; npm start begins anew.')
