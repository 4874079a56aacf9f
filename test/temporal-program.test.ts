/**
 * Q1: where Temporal's program comes from on a machine that has none, and what two starts at once do there.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openGuard, type Guard } from '../local/stack/guarded.ts'
import { freePort } from '../local/stack/ports.ts'
import { startTemporal } from '../local/stack/temporal.ts'
import { realPrograms } from './support/late-programs.ts'

let folder: string
let guard: Guard

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'one-time-password-program-'))
  guard = await openGuard()
})
afterEach(async () => {
  await guard.close()
  await rm(folder, { recursive: true, force: true })
})

/** A machine whose only program is a `go` that takes its time to write the program. */
async function machine(go: string): Promise<NodeJS.ProcessEnv> {
  const programs = join(folder, 'programs')
  await mkdir(programs, { recursive: true })
  const tools = execFileSync('sh', ['-c', 'dirname $(command -v head tail sleep chmod)'], { encoding: 'utf8' })
  await writeFile(join(programs, 'go'), `#!/bin/sh\nPATH=${tools.trim().split('\n').join(':')}\n${go}\n`, {
    mode: 0o755,
  })
  return { PATH: programs, HOME: folder, XDG_CACHE_HOME: join(folder, 'cache'), GOPATH: join(folder, 'go') }
}

async function start(name: string, env: NodeJS.ProcessEnv) {
  return startTemporal({ folder: join(folder, name), port: await freePort(), guard, env, report: () => {} })
}

test('two starts at once that both make it do not break each other, and the next finds it', async () => {
  const { temporal } = await realPrograms()
  const env = await machine(`
head -c 1000000 '${temporal}' > "$GOBIN/temporal"
chmod 755 "$GOBIN/temporal"
sleep 1
tail -c +1000001 '${temporal}' >> "$GOBIN/temporal"`)
  const parts = await Promise.all([start('one', env), start('two', env)])
  expect(parts).toHaveLength(2)
  await writeFile(join(folder, 'programs', 'go'), '#!/bin/sh\nexit 1\n')
  await start('three', env)
  const [version] = await readdir(join(folder, 'cache', 'one-time-password'))
  expect(
    (await readdir(join(folder, 'cache', 'one-time-password', version!))).filter((file) => file !== 'build.log'),
  ).toEqual(['temporal'])
})

test('one that cannot be made says what was tried, and where all of its output stands', async () => {
  const env = await machine('echo "go: no such module" >&2\nexit 1')
  // Where the network is open, the download works.
  const outcome = await start('one', env).catch((error: Error) => error)
  if (!(outcome instanceof Error)) return
  expect(outcome.name).toBe('PartUnavailable')
  expect(outcome.message).toMatch(/go install \S+: exit code 1, go: no such module \(all of it: \S+build\.log\)/)
  expect(outcome.message).toContain('its download')
})
