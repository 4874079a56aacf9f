/**
 * `npm run build:package`: what other teams install, as JavaScript with declarations, in `dist/`, where `npm pack ./dist`
 * finds it. Node strips no types below node_modules; and they are to get neither our server nor what it depends on.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '..')
/** Peers: two copies of the SDK in one process do not know each other's errors, nor each other's workflows. */
const PEERS = ['@temporalio/common', '@temporalio/proto', '@temporalio/workflow', 'nexus-rpc']

const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'dist') } } })

const ours = z
  .object({
    name: z.string(),
    version: z.string(),
    license: z.string(),
    exports: z.record(z.string(), z.string()),
    engines: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))

rmSync(values.out, { recursive: true, force: true })
mkdirSync(values.out, { recursive: true })
const project = ['--project', join(ROOT, 'upstream/tsconfig.json'), '--outDir', values.out]
execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...project], { stdio: 'inherit' })
writeFileSync(join(values.out, 'package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`)
copyFileSync(join(ROOT, 'LICENSE'), join(values.out, 'LICENSE'))
copyFileSync(join(ROOT, 'docs/temporal-messages.md'), join(values.out, 'README.md'))

function manifest() {
  const { name, version, license, engines, dependencies } = ours
  const entries = Object.entries(ours.exports).map(([path, source]) => {
    const built = source.replace(/\.ts$/, '')
    return [path, { types: `${built}.d.ts`, default: `${built}.js` }]
  })
  return {
    name,
    version,
    description: 'One-time passwords for workflows of other teams: messages and codec',
    license,
    type: 'module',
    exports: Object.fromEntries(entries),
    engines,
    peerDependencies: Object.fromEntries(PEERS.map((peer) => [peer, `^${dependencies[peer]}`])),
  }
}
