import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { AlreadyRunning } from './errors.ts'

/** Ends what it protects when this process ends, however it ends. See `local/guard.ts`. */
export interface Guard {
  /** `pid` leads a process group; `signal` ends it gently; `first` before those that are not, which it may need. */
  protect(pid: number, signal: NodeJS.Signals, first?: boolean): void
  release(pid: number): void
  /** Ends what is still protected, and the guard. */
  close(): Promise<void>
}

export interface GuardOptions {
  /** The socket by which one start of several is known; without it any number may run side by side. */
  readonly socket?: string
  /** A folder to remove at the end. */
  readonly remove?: string
  /** Another process asks this one to stop. */
  readonly onStop?: () => void
}

/**
 * Starts a guard; one that is killed is started again.
 *
 * @throws {AlreadyRunning} when another start holds the same socket; one that is just ending is waited for
 */
export async function openGuard(options: GuardOptions = {}): Promise<Guard> {
  const groups = new Map<number, object>()
  let closing = false
  let guard = await startGuard(options)

  const tell = (order: object) => guard.process.stdin.write(`${JSON.stringify(order)}\n`)
  const tellAll = () => groups.forEach(tell)
  const replaceWhenKilled = () =>
    void guard.gone.then(async () => {
      if (closing) return
      guard = await startGuard(options)
      tellAll()
      replaceWhenKilled()
    })
  replaceWhenKilled()

  return {
    protect(pid, signal, first = false) {
      // Too late to be told to the guard: a start that was under way while all else ended.
      if (closing) process.kill(-pid, 'SIGKILL')
      const order = { protect: pid, signal, first }
      groups.set(pid, order)
      tell(order)
    },
    release(pid) {
      if (groups.delete(pid)) tell({ release: pid })
    },
    async close() {
      closing = true
      guard.process.stdin.end()
      await guard.gone
    },
  }
}

/**
 * Asks the start that holds `socket` to stop, and resolves when all it had started is gone.
 *
 * @returns false where none holds it
 */
export async function askToStop(socket: string): Promise<boolean> {
  const client = createConnection(socket)
  try {
    await once(client, 'connect')
  } catch {
    return false
  }
  client.write('stop\n')
  client.resume()
  await once(client, 'close')
  return true
}

async function startGuard({ socket, remove, onStop }: GuardOptions) {
  const options = [...(socket ? ['--socket', socket] : []), ...(remove ? ['--remove', remove] : [])]
  const guard = spawn(process.execPath, [join(import.meta.dirname, '..', 'guard.ts'), ...options], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  guard.stdin.on('error', () => {})
  const gone = new Promise<void>((resolve) => guard.once('close', () => resolve()))
  const answer = await new Promise<string>((resolve) => {
    createInterface({ input: guard.stdout }).on('line', (line) => (line === 'stop' ? onStop?.() : resolve(line)))
    guard.once('close', () => resolve('ended'))
    guard.once('error', () => resolve('failed'))
  })
  if (answer === 'taken') throw new AlreadyRunning()
  if (answer !== 'held') throw new Error(`The guard process did not start (${answer})`)
  return { process: guard, gone }
}
