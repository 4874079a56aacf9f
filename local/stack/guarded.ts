import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { AlreadyRunning } from './errors.ts'

/** Ends what it protects when this process ends, however it ends. See `local/guard.ts`. */
export interface Guard {
  /** `pid` leads a process group; `signal` ends it gently. */
  protect(pid: number, signal: NodeJS.Signals): void
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
  /** The guard was killed: what runs is unprotected. */
  readonly onLost?: () => void
}

/**
 * @throws {AlreadyRunning} when another start holds the same socket
 */
export async function openGuard({ socket, remove, onStop, onLost }: GuardOptions = {}): Promise<Guard> {
  const options = [...(socket ? ['--socket', socket] : []), ...(remove ? ['--remove', remove] : [])]
  const guard = spawn(process.execPath, [join(import.meta.dirname, '..', 'guard.ts'), ...options], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  guard.stdin.on('error', () => {})
  let closing = false
  const gone = new Promise<void>((resolve) => guard.once('close', () => resolve()))
  const held = await new Promise<string>((resolve) => {
    createInterface({ input: guard.stdout }).on('line', (line) => (line === 'stop' ? onStop?.() : resolve(line)))
    guard.once('close', () => resolve('ended'))
    guard.once('error', () => resolve('failed'))
  })
  if (held === 'taken') throw new AlreadyRunning()
  if (held !== 'held') throw new Error(`The guard process did not start (${held})`)
  void gone.then(() => closing || onLost?.())
  const tell = (order: object) => guard.stdin.write(`${JSON.stringify(order)}\n`)
  return {
    protect: (pid, signal) => void tell({ protect: pid, signal }),
    release: (pid) => void tell({ release: pid }),
    async close() {
      closing = true
      guard.stdin.end()
      await gone
    },
  }
}
