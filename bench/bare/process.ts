import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Guard } from '../../local/stack/guarded.ts'
import { tail } from '../../local/stack/program.ts'

/** The bare loop's worker as a child of ours. */
export interface BareWorker {
  readonly pid: number
  /** Resolves when the message to that member was taken by the provider. Ask before the loop is started. */
  sent(member: number): Promise<void>
  stop(): Promise<void>
}

type Told = { readonly ready: true } | { readonly sent: number }

/** @throws when it ends before it is ready */
export async function startBareWorker(options: {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly guard: Guard
}): Promise<BareWorker> {
  const { folder, env, guard } = options
  const logFile = join(folder, 'bare-worker.log')
  const log = openSync(logFile, 'a')
  const child = fork(join(import.meta.dirname, 'worker.ts'), {
    env,
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  const ended = once(child, 'exit')
  const { pid } = child
  if (pid === undefined) throw new Error('the bare worker did not start')
  guard.protect(pid, 'SIGTERM')
  void ended.then(() => guard.release(pid))

  const ready = Promise.withResolvers<void>()
  const waiting = new Map<number, () => void>()
  child.on('message', (message) => {
    const told = message as Told
    if ('ready' in told) return ready.resolve()
    waiting.get(told.sent)?.()
    waiting.delete(told.sent)
  })
  void ended.then(async () => ready.reject(new Error(`the bare worker ended:\n${await tail(logFile)}`)))
  await ready.promise

  return {
    pid,
    sent: (member) => new Promise((resolve) => waiting.set(member, resolve)),
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
