/**
 * A Python with the packages of an example, in the cache beside the other programs.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../local/stack/program.ts'
import { patience } from './speed.ts'

const run = promisify(execFile)

export type Python = { readonly command: string } | { readonly missing: string }

/** Installs what the file names, at the first call for this content; it says in words why that cannot be. */
export async function bringPython(requirements: string): Promise<Python> {
  const wanted = await readFile(requirements, 'utf8')
  const digest = createHash('sha256').update(wanted).digest('hex').slice(0, 16)
  const folder = join(cacheFolder(process.env), `python-${digest}`)
  const command = join(folder, 'bin', 'python')
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return { command }
  try {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await run('python3', ['-m', 'venv', folder])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements]
    await run(command, pip, { timeout: patience(180) })
    await writeFile(complete, wanted)
    return { command }
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}
