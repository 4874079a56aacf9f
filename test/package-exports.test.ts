/**
 * U2: messages, names and the codec from one package, for an upstream in TypeScript that is not in this repository: it
 * compiles strictly against the package alone, runs with it, and gets no code that runs on our side.
 */
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { endedOnceAs, endingOf } from './support/endings.ts'
import { startSystem, wrongCode, type System } from './support/system.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..')
const NAME = 'one-time-password'

const tarballs = z.tuple([z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })])
/** Strict: it has no dependencies, and no scripts that an installation would run. */
const manifest = z.strictObject({
  name: z.literal(NAME),
  version: z.string(),
  description: z.string(),
  license: z.string(),
  type: z.literal('module'),
  exports: z.record(z.string(), z.unknown()),
  engines: z.record(z.string(), z.string()),
  peerDependencies: z.record(z.string(), z.string()),
})

/** What an upstream has beside us. */
const OWN_PACKAGES = ['@temporalio/client', '@types/node', 'undici-types']
const STRICT = {
  target: 'es2024',
  module: 'nodenext',
  types: ['node'],
  outDir: 'out',
  rootDir: '.',
  strict: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  // Our declarations are held to the same.
  skipLibCheck: false,
}

let folder: string
let packed: z.output<typeof tarballs>[0]
let installed: z.output<typeof manifest>

/** As `npm install <tarball>` leaves it: the package unpacked, and its peers, here by links to those of this repository. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'one-time-password-upstream-'))
  const dist = join(folder, 'dist')
  await run(process.execPath, [join(ROOT, 'upstream/build.ts'), '--out', dist])
  const { stdout } = await run('npm', ['pack', dist, '--json', '--pack-destination', folder], { cwd: folder })
  ;[packed] = tarballs.parse(JSON.parse(stdout))
  await rm(dist, { recursive: true })

  const target = join(folder, 'node_modules', NAME)
  mkdirSync(target, { recursive: true })
  await run('tar', ['-xzf', join(folder, packed.filename), '--strip-components=1', '-C', target])
  installed = manifest.parse(JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')))
  for (const name of [...Object.keys(installed.peerDependencies), ...OWN_PACKAGES]) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), link)
  }
  cpSync(join(ROOT, 'examples/typescript-upstream/upstream.ts'), join(folder, 'upstream.ts'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'upstream', type: 'module' }))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** @returns what the compiler complains of */
async function compile(...files: string[]): Promise<string> {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: STRICT, files }))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  return run(process.execPath, [tsc, '--project', folder, '--pretty', 'false']).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
}

describe('the package', () => {
  it('holds compiled messages, names and codec, their licence and their page, and nothing else of ours', () => {
    const files = packed.files.map(({ path }) => path).filter((path) => !path.endsWith('.d.ts'))
    expect(files.toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'domain/challenge.js',
      'nexus/service.js',
      'package.json',
      'temporal/key-ring.js',
      'temporal/payload-codec.js',
      'upstream/codec.js',
      'upstream/temporal.js',
      'workflows/ids.js',
      'workflows/messages.js',
    ])
    expect(readFileSync(join(folder, 'node_modules', NAME, 'README.md'), 'utf8')).toContain('AES-256-GCM')
  })

  it('exports two entries, depends on nothing, and wants the versions of the SDK that it was tested with', () => {
    expect(Object.keys(installed.exports)).toEqual(['./temporal', './codec'])
    for (const [peer, range] of Object.entries(installed.peerDependencies)) {
      const { version } = z
        .object({ version: z.string() })
        .parse(JSON.parse(readFileSync(join(ROOT, 'node_modules', peer, 'package.json'), 'utf8')))
      expect(range).toBe(`^${version}`)
    }
  })
})

describe('an upstream outside of this repository', () => {
  it('is told by its compiler of what would not work', async () => {
    const attempts = [
      `client.workflow.start<OtpChallenge>(OTP_CHALLENGE, challengeOptions({ memberId: '1', purpose: 'p' }))`,
      `handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId: 'c', code: 123456 }] })`,
      `handle.signal(verifyCodeSignal, '123456')`,
      `handle.result().then(({ outcome }) => outcome === 'varified')`,
      `import(\`${NAME}/config.ts\`)`,
    ]
    writeFileSync(
      join(folder, 'wrong.ts'),
      [
        `import type { Client, WorkflowHandle } from '@temporalio/client'`,
        `import { challengeOptions, OTP_CHALLENGE, verifyCodeSignal, verifyCodeUpdate, type OtpChallenge } from '${NAME}/temporal'`,
        'declare const client: Client',
        'declare const handle: WorkflowHandle<OtpChallenge>',
        ...attempts.map((attempt) => `void ${attempt}`),
      ].join('\n'),
    )
    const complaints = await compile('wrong.ts')
    const lines = [...complaints.matchAll(/wrong\.ts\((\d+),/g)].map(([, line]) => Number(line) - 4)
    expect([...new Set(lines)]).toEqual(attempts.map((_, index) => index + 1))
  })

  it('compiles strictly against the package', async () => {
    expect(await compile('upstream.ts')).toBe('')
  })

  describe('once it is compiled', () => {
    let system: System
    beforeAll(async () => {
      await compile('upstream.ts')
      system = await startSystem()
      await system.process('workers/challenge-worker.ts')
    })
    afterAll(() => system?.stop())

    it('asks, reads the status, has codes judged, and goes on with the outcome', async () => {
      const memberId = await system.addMember()
      const upstream = start(memberId)
      const { asked } = await upstream.told()
      const code = await system.until(async () => (await system.codes(memberId))[0])
      await system.until(async () => {
        upstream.type('status')
        const { status } = await upstream.told()
        return (status as { status: string }).status === 'open'
      })
      upstream.type('1')
      expect(await upstream.told()).toEqual({ refused: 'a code has 6 digits' })
      upstream.type(wrongCode(code))
      expect(await upstream.told()).toEqual({ verdict: { result: 'wrong_code', attemptsLeft: 4 } })
      upstream.type(code)
      expect(await upstream.told()).toEqual({ verdict: { result: 'verified', verifiedAt: expect.any(String) } })
      expect(await upstream.told()).toEqual({ outcome: 'verified' })
      expect(await upstream.ended).toBe(0)
      expect(await endingOf(system, String(asked))).toEqual(endedOnceAs('verified', 1))
    })

    function start(memberId: string) {
      const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, OTP_CODEC_KEYS } = system.env
      const child = spawn(process.execPath, ['out/upstream.js', memberId, 'redeem_benefit'], {
        cwd: folder,
        env: { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, OTP_CODEC_KEYS },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      return {
        type: (line: string) => child.stdin.write(`${line}\n`),
        told: async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>,
        ended: new Promise<number | null>((resolve) => child.once('exit', resolve)),
      }
    }
  })

  it('loads nothing that it would not load with the SDK alone, but the package', async () => {
    const sdk = await loadedBy(...Object.keys(installed.peerDependencies), '@temporalio/client')
    const all = await loadedBy(
      ...Object.keys(installed.peerDependencies),
      '@temporalio/client',
      `${NAME}/temporal`,
      `${NAME}/codec`,
    )
    const more = all.filter((file) => !sdk.includes(file))
    const scripts = packed.files.map(({ path }) => path).filter((path) => path.endsWith('.js'))
    expect(more.toSorted()).toEqual(scripts.map((path) => join('node_modules', NAME, path)).toSorted())
    expect(sdk.length).toBeGreaterThan(100)
  })

  /** Every file of a package that is loaded by these imports. */
  async function loadedBy(...specifiers: string[]): Promise<string[]> {
    const script = `
      import { registerHooks } from 'node:module'
      const files = new Set()
      registerHooks({ load: (url, context, next) => (files.add(url), next(url, context)) })
      for (const specifier of ${JSON.stringify(specifiers)}) await import(specifier)
      console.log(JSON.stringify([...files]))`
    writeFileSync(join(folder, 'loaded.mjs'), script)
    const { stdout } = await run(process.execPath, ['loaded.mjs'], { cwd: folder })
    const urls = z.array(z.string()).parse(JSON.parse(stdout))
    return urls.filter((url) => url.startsWith('file:')).map((url) => relative(folder, fileURLToPath(url)))
  }
})
