/**
 * The container engine: the one that runs on this machine already, else Docker's, brought and run for the length of the walk.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { execa } from 'execa'
import type { Guard } from '../../local/stack/guarded.ts'
import { startProgram, tail, type Program } from '../../local/stack/program.ts'
import { bringPrograms, type Programs } from './debian.ts'

export interface Engine {
  /** It runs for the walk alone. */
  readonly isBrought: boolean
  /** What `docker` wants in its environment. */
  readonly env: Record<string, string>
  /** The same command, run where the ports are that containers publish. */
  inside(command: readonly [string, ...string[]]): readonly [string, ...string[]]
  /** Whether that is a network without a name server. */
  isApart(): boolean
  /** From here on containers run in a network of their own, and builds reach no registry any more. */
  setApart(): Promise<void>
  /** Ends the engine if it was brought, and everything in it. */
  stop(): Promise<void>
}

export interface EngineOptions {
  /** Where the engine keeps its data: nothing that is to stay. */
  readonly folder: string
  readonly guard: Guard
}

/** Whom containers that are apart ask for names: the address that Docker's first bridge has. */
export const NAME_SERVER = '172.17.0.1'
const STARTS_WITHIN_MS = 30_000
const STOPS_WITHIN_MS = 30_000
const CGROUP = 'one-time-password-containers'

/** @throws where none runs and none can be brought, with what to do */
export async function findEngine(options: EngineOptions): Promise<Engine> {
  if (await runs()) {
    return {
      isBrought: false,
      env: {},
      inside: (command) => command,
      isApart: () => false,
      setApart: async () => {},
      stop: async () => {},
    }
  }
  if (process.getuid?.() !== 0) {
    throw new Error('No container engine runs here, and only root can run one for the walk: start Docker, or be root.')
  }
  return bringEngine(options)
}

async function runs() {
  const info = await execa('docker', ['info', '--format', '{{.ServerVersion}}'], { reject: false })
  if (info.exitCode !== 0 || info.stdout === '') return false
  const compose = await execa('docker', ['compose', 'version'], { reject: false })
  if (compose.exitCode !== 0) throw new Error('Docker runs here, but `docker compose` is missing: install its plugin.')
  return true
}

async function bringEngine({ folder, guard }: EngineOptions): Promise<Engine> {
  const programs = await bringPrograms()
  await mkdir(folder, { recursive: true })
  const env = { ...programs.env, DOCKER_HOST: `unix://${folder}/docker.sock`, BUILDX_NO_DEFAULT_ATTESTATIONS: '1' }
  let engine = await startEngine('machine', { folder, guard, programs, env })
  return {
    isBrought: true,
    env,
    inside: (command) => (engine.network === undefined ? command : ['nsenter', `--net=${engine.network}`, ...command]),
    isApart: () => engine.network !== undefined,
    async setApart() {
      await engine.stop()
      engine = await startEngine('apart', { folder, guard, programs, env })
    },
    async stop() {
      await engine.stop()
      await removeCgroups()
    },
  }
}

interface Start {
  readonly folder: string
  readonly guard: Guard
  readonly programs: Programs
  readonly env: Record<string, string>
}

/**
 * Starts Docker in a process and a mount namespace of its own: when its first process ends, however that comes about, the kernel
 * ends every container and takes every mount away.
 *
 * `machine`: in the machine's network without bridges and rules, so that builds reach the registries. `apart`: in a network
 * namespace too, with bridges: published ports are those of its own loopback, and nothing of the machine's network is changed.
 */
async function startEngine(network: 'machine' | 'apart', { folder, guard, programs, env }: Start) {
  const logFile = join(folder, 'dockerd.log')
  const isApart = network === 'apart'
  const options = isApart
    ? ['--dns', NAME_SERVER]
    : ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']
  const namespaces = ['--pid', '--fork', '--kill-child', '--mount', '--mount-proc', ...(isApart ? ['--net'] : [])]
  await writeFile(join(folder, 'daemon.json'), '{"features": {"containerd-snapshotter": false}}')
  const up = isApart ? `${programs.bin}/busybox ip link set lo up && ` : ''
  const program = await startProgram({
    name: 'Docker',
    command: 'unshare',
    args: [
      ...namespaces,
      'sh',
      '-c',
      `${up}exec docker-init -- dockerd "$@"`,
      'sh',
      `--config-file=${folder}/daemon.json`,
      `--data-root=${folder}/data`,
      `--exec-root=${folder}/exec`,
      `--pidfile=${folder}/dockerd.pid`,
      `--host=${env['DOCKER_HOST']}`,
      `--init-path=${programs.bin}/docker-init`,
      `--cgroup-parent=/${CGROUP}`,
      ...options,
    ],
    env: { ...process.env, ...env },
    logFile,
    pidFile: join(folder, 'pid'),
    guard,
  })
  await whenItAnswers(program, env, logFile)
  const first = (await readFile(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8')).trim()
  return {
    network: isApart ? `/proc/${first}/ns/net` : undefined,
    stop: () => stopGroup(program),
  }
}

async function whenItAnswers({ ended }: Program, env: Record<string, string>, logFile: string) {
  const deadline = Date.now() + STARTS_WITHIN_MS
  let ending: string | undefined
  void ended.then((how) => (ending = how))
  while ((await execa('docker', ['version'], { env, reject: false })).exitCode !== 0) {
    if (ending !== undefined || Date.now() > deadline) {
      throw new Error(`Docker ${ending ?? 'does not answer'}. The end of ${logFile}:\n${await tail(logFile)}`)
    }
    await wait(100)
  }
}

/** `unshare` heeds no SIGTERM, Docker below it does: so the group is told. */
async function stopGroup({ pid, ended }: Program) {
  const tell = (signal: NodeJS.Signals) => {
    try {
      process.kill(-pid, signal)
    } catch {
      // It has ended.
    }
  }
  tell('SIGTERM')
  const force = setTimeout(() => tell('SIGKILL'), STOPS_WITHIN_MS)
  await ended
  clearTimeout(force)
}

/** What Docker leaves: a tree of empty control groups in each hierarchy. */
async function removeCgroups() {
  const top = '/sys/fs/cgroup'
  const hierarchies = [top, ...(await readdir(top)).map((name) => join(top, name))]
  for (const hierarchy of hierarchies) await removeFolders(join(hierarchy, CGROUP))
}

async function removeFolders(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) if (entry.isDirectory()) await removeFolders(join(folder, entry.name))
  await rmdir(folder).catch(() => {})
}
