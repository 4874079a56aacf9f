/**
 * Installs what package-lock.json names, where it is not installed yet. Runs before `npm start` and `npm test` by
 * whatever Node the machine has (20 or newer), so it is plain JavaScript and imports nothing.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where `npm start` finds how long this took, in milliseconds; absent where there was nothing to do. */
const timeFile = join(root, 'node_modules', '.install-ms')

/** The patches that the packages were last seen with: a release may change a patch, and no package. */
const patchedFile = join(root, 'node_modules', '.patched')

if (!isInstalled() || !isPatched()) await install()
else if (process.env.npm_lifecycle_event === 'prestart') rmSync(timeFile, { force: true })

/** Whether node_modules holds each package of the lock file, in its version. */
function isInstalled() {
  try {
    const wanted = packagesOf('package-lock.json')
    const present = packagesOf('node_modules/.package-lock.json')
    return Object.entries(wanted).every(
      // Optional packages are those of other platforms.
      ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
    )
  } catch {
    return false
  }
}

/** Whether the packages have this release's patches; applies what only has to be added. */
function isPatched() {
  const patches = readPatches()
  if (existsSync(patchedFile) && readFileSync(patchedFile, 'utf8') === patches) return true
  const patchPackage = join(root, 'node_modules', 'patch-package', 'index.js')
  // Fails where an older patch of the same package is applied: then the packages are installed anew.
  if (spawnSync(process.execPath, [patchPackage], { cwd: root, stdio: 'ignore' }).status !== 0) return false
  writeFileSync(patchedFile, patches)
  return true
}

function readPatches() {
  const folder = join(root, 'patches')
  const files = readdirSync(folder).toSorted()
  return files.map((file) => readFileSync(join(folder, file), 'utf8')).join('')
}

function packagesOf(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
}

async function install() {
  console.log('Installing the packages that package-lock.json names (npm ci) …')
  const began = Date.now()
  const seconds = () => Math.round((Date.now() - began) / 1000)
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    // The Node that npm ci removes and installs again is not the one to run it with.
    env: { ...process.env, PATH: pathOutside(join(root, 'node_modules')) },
  })
  const paths = Object.keys(packagesOf('package-lock.json')).filter((path) => path !== '')
  const count = () => paths.filter((path) => existsSync(join(root, path, 'package.json'))).length
  const progress = setInterval(
    () => console.log(`packages: npm ci, ${count()} of at most ${paths.length} are here, ${seconds()} s`),
    5_000,
  )
  const how = await new Promise((resolve) => {
    npm.once('error', (error) => resolve(error.message))
    npm.once('exit', (code, signal) => resolve(signal ?? code))
  })
  clearInterval(progress)
  if (how === 0) {
    writeFileSync(timeFile, String(Date.now() - began))
    writeFileSync(patchedFile, readPatches())
    return console.log(`Packages installed in ${seconds()} s.`)
  }
  console.error(
    `The packages could not be installed (npm ci ended with ${how}; its own words are above).\n` +
      'See that npm reaches its registry (npm ping) and that the disk has 1 GB free, then try again.',
  )
  process.exit(1)
}

function pathOutside(folder) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.startsWith(folder))
    .join(delimiter)
}
