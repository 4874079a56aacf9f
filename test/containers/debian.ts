/**
 * Programs of Debian's packages, unpacked below the cache and not installed: nothing on the machine changes, and no package starts a
 * service. Which mirror serves them is asked of apt.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CACHE, run } from './steps.ts'

/** The release whose Docker is taken: 26.1 with Compose 2.26. Its programs run on the C library of Debian 12. */
const ENGINE_RELEASE = 'trixie'
const OF_ENGINE_RELEASE = ['docker.io', 'docker-cli', 'docker-buildx', 'docker-compose', 'containerd', 'prometheus']
/** runc of the newer release would need a newer C library; the rest has to fit the kernel's tools of this machine. */
const OF_THIS_RELEASE = [
  'runc',
  'iptables',
  'libip4tc2',
  'libip6tc2',
  'libxtables12',
  'libnftnl11',
  'libnfnetlink0',
  'libnetfilter-conntrack3',
  'libseccomp2',
  'tini',
  'busybox-static',
  'mmdebstrap',
]
/** Where the packages have what is run by a name. */
const PROGRAMS = {
  dockerd: 'sbin/dockerd',
  'docker-proxy': 'sbin/docker-proxy',
  'docker-init': 'bin/tini-static',
  docker: 'bin/docker',
  containerd: 'bin/containerd',
  'containerd-shim-runc-v2': 'bin/containerd-shim-runc-v2',
  runc: 'sbin/runc',
  iptables: 'sbin/xtables-nft-multi',
  ip6tables: 'sbin/xtables-nft-multi',
  busybox: 'bin/busybox',
  mmdebstrap: 'bin/mmdebstrap',
  mmtarfilter: 'bin/mmtarfilter',
  prometheus: 'bin/prometheus',
}

const CONTENT = createHash('sha256')
  .update(JSON.stringify([ENGINE_RELEASE, OF_ENGINE_RELEASE, OF_THIS_RELEASE, PROGRAMS]))
  .digest('hex')
  .slice(0, 16)

export interface Programs {
  /** The folder of the programs. */
  readonly bin: string
  /** What they need to find their libraries, modules and plugins. */
  readonly env: Record<string, string>
}

/** The programs, fetched at the first call. @throws where this machine is no Debian, or apt cannot get them */
export async function bringPrograms(): Promise<Programs> {
  const folder = join(CACHE, `programs-${CONTENT}`)
  if (!existsSync(folder)) {
    const draft = `${folder}.draft`
    await rm(draft, { recursive: true, force: true })
    await fetchPackages(join(draft, 'packages'))
    await unpack(draft)
    await rename(draft, folder)
  }
  const libraries = join(folder, 'root/usr/lib', `${await machine()}-linux-gnu`)
  const bin = join(folder, 'bin')
  return {
    bin,
    env: {
      PATH: `${bin}:${process.env['PATH']}`,
      LD_LIBRARY_PATH: libraries,
      XTABLES_LIBDIR: join(libraries, 'xtables'),
      DOCKER_CONFIG: join(folder, 'docker-config'),
    },
  }
}

const machine = () => run('uname', ['-m'])

async function fetchPackages(folder: string) {
  await mkdir(join(folder, 'lists/partial'), { recursive: true })
  // apt downloads as a user of its own, where that one can write.
  await chmod(folder, 0o777)
  await run('apt-get', ['update', '-qq'])
  await run('apt-get', ['download', '-qq', ...OF_THIS_RELEASE], { cwd: folder })
  const sites = await run('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'])
  const mirror = sites.split('\n').find((site) => site.endsWith('/debian'))
  if (mirror === undefined) throw new Error(`apt names no mirror of Debian among these: ${sites}`)
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
  await writeFile(join(folder, 'sources.list'), `deb [signed-by=${keys}] ${mirror} ${ENGINE_RELEASE} main\n`)
  await writeFile(
    join(folder, 'apt.conf'),
    `Dir::State::lists "${folder}/lists"; Dir::Cache "${folder}"; Dir::Etc::sourcelist "${folder}/sources.list";
Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null"; Acquire::Languages "none";\n`,
  )
  const newer = { cwd: folder, env: { APT_CONFIG: join(folder, 'apt.conf') } }
  await run('apt-get', ['update', '-qq'], newer)
  await run('apt-get', ['download', '-qq', ...OF_ENGINE_RELEASE], newer)
}

async function unpack(folder: string) {
  const packages = join(folder, 'packages')
  const [root, bin, plugins] = ['root', 'bin', 'docker-config/cli-plugins'].map((name) => join(folder, name))
  for (const made of [bin!, plugins!]) await mkdir(made, { recursive: true })
  for (const name of await readdir(packages)) {
    if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(packages, name), root!])
  }
  // Relative, so that the folder can be moved to where it stays.
  for (const [name, path] of Object.entries(PROGRAMS)) {
    const from = ['root/usr', 'root'].map((start) => join(start, path)).find((file) => existsSync(join(folder, file)))
    if (from === undefined) throw new Error(`Debian's packages have no ${path}`)
    await symlink(join('..', from), join(bin!, name))
  }
  for (const name of ['docker-compose', 'docker-buildx']) {
    await symlink(join('../../root/usr/libexec/docker/cli-plugins', name), join(plugins!, name))
  }
  await rm(packages, { recursive: true })
}

/** The name of this machine's Debian release. @throws where it is no Debian */
export async function debianRelease(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const release = /^ID=debian$/m.test(text) ? /^VERSION_CODENAME=(\w+)$/m.exec(text)?.[1] : undefined
  if (release === undefined) {
    throw new Error(
      'Only on Debian can this bring Docker, or make images where none can be pulled: install and start Docker.',
    )
  }
  return release
}
