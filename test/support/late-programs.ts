/**
 * Launchers: programs that stand in the way of Temporal's, Kafka's and Postgres', and run the real ones late, or never.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { findPostgres } from '../../local/stack/postgres.ts'

export type LatePart = 'postgres' | 'temporal' | 'kafka'

/** What a launcher does when it is to run a part's server; whatever else the program is asked for is done at once. */
export type Lateness = { readonly seconds: number } | 'until told' | 'fails'

/** The file in the folder of the launchers whose being there tells those to go on that wait `until told`. */
export const TOLD = 'told'

/**
 * Makes launchers in `folder`.
 *
 * @returns the environment in which `npm start` finds them in place of the programs
 */
export async function latePrograms(
  folder: string,
  lateness: Partial<Record<LatePart, Lateness>>,
): Promise<Record<string, string>> {
  const programs = join(folder, 'programs')
  const postgres = join(folder, 'postgres-programs')
  for (const path of [programs, postgres]) await mkdir(path, { recursive: true })
  const real = await realPrograms()
  const env: Record<string, string> = { PATH: `${programs}${delimiter}${process.env['PATH']}`, JAVA_HOME: '' }
  if (lateness.temporal) await launcher(join(programs, 'temporal'), real.temporal, 'start-dev', lateness.temporal)
  if (lateness.kafka) await launcher(join(programs, 'java'), real.java, 'kafka.Kafka', lateness.kafka)
  if (lateness.postgres) {
    await writeScript(join(postgres, 'initdb'), `exec '${join(real.postgres, 'initdb')}' "$@"`)
    await launcher(join(postgres, 'postgres'), join(real.postgres, 'postgres'), '--listen_addresses', lateness.postgres)
    env['POSTGRES_PROGRAMS'] = postgres
  }
  return env
}

async function launcher(path: string, program: string, server: string, lateness: Lateness) {
  const first =
    lateness === 'until told'
      ? `until [ -e '${join(dirname(path), '..', TOLD)}' ]; do sleep 1; done`
      : lateness === 'fails'
        ? 'exit 1'
        : `sleep ${lateness.seconds}`
  await writeScript(path, `case "$*" in *${server}*) ${first} ;; esac\nexec '${program}' "$@"`)
}

const writeScript = (path: string, script: string) => writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })

/** Paths of the programs that this run uses itself; of Postgres' the folder. */
export async function realPrograms() {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'one-time-password')
  // Where the run's own start has put Temporal's, if it is not the machine's.
  const temporal = `command -v temporal || ls ${cache}/temporal-*/temporal "$(go env GOPATH)"/bin/temporal`
  const shell = (command: string) => execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim().split('\n')[0]!
  const javaHome = process.env['JAVA_HOME']
  return {
    java: javaHome ? join(javaHome, 'bin', 'java') : shell('command -v java'),
    temporal: shell(`${temporal} 2>/dev/null | head -n 1`),
    postgres: await findPostgres(process.env),
  }
}
