/**
 * The guard: a small process that outlives the one that started it by just as long as it takes to end everything that
 * one had started, even when it was killed with SIGKILL.
 *
 * Told over its stdin, a JSON message a line: `{"protect": pid, "signal": "SIGTERM"}` (the leader of a process group,
 * how to end it gently, and with `"first": true` before those without) and `{"release": pid}`. At the end of its stdin it
 * ends what it protects, gently at first, removes the folder it was given and goes.
 *
 * It also holds the name of what runs, a socket: a second start finds it taken, and `npm run reset` asks for a stop
 * through it. It says `held` on stdout once it has the name, `taken` if it cannot have it, and `stop` when asked to.
 */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isAlive } from './stack/program.ts'

/** How long a protected process may take to end by itself. */
const GENTLE_MS = 5_000

interface Protected {
  readonly protect: number
  readonly signal: NodeJS.Signals
  readonly first: boolean
}

const { values } = parseArgs({ options: { socket: { type: 'string' }, remove: { type: 'string' } } })
const groups = new Map<number, Protected>()
let state = 'running'

// A terminal's Ctrl-C, or the end of its session, is for the process that is guarded.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.stdout.on('error', () => {})

if (values.socket === undefined || (await hold(values.socket))) {
  console.log('held')
  for await (const line of createInterface({ input: process.stdin })) heed(line)
  state = 'stopping'
  await endAll()
  if (values.remove !== undefined) await rm(values.remove, { recursive: true, force: true, maxRetries: 3 })
  if (values.socket !== undefined) await rm(values.socket, { force: true })
} else {
  console.log('taken')
}
process.exit()

function heed(line: string) {
  const order = JSON.parse(line) as Protected | { release: number }
  if ('protect' in order) groups.set(order.protect, order)
  else groups.delete(order.release)
}

/** False where another guard has the name and means to keep it; one that is about to go is waited for. */
async function hold(socket: string): Promise<boolean> {
  const server = createServer((client) => {
    client.on('error', () => {})
    client.on('data', () => console.log('stop'))
    client.write(`${state}\n`)
  })
  for (;;) {
    try {
      await once(server.listen(socket), 'listening')
      return true
    } catch {
      if ((await holderOf(socket)) === 'running') return false
      // Left behind by a guard that has gone.
      await rm(socket, { force: true })
    }
  }
}

/** What the guard that has the name says; when it is stopping, only after it has gone. */
async function holderOf(socket: string): Promise<string | undefined> {
  const client = createConnection(socket)
  try {
    const [said] = (await once(client, 'data')) as [Buffer]
    if (said.toString().startsWith('running')) return 'running'
    await once(client, 'close')
  } catch {
    // Nobody listens.
  } finally {
    client.destroy()
  }
  return undefined
}

async function endAll() {
  const all = [...groups.values()]
  await end(all.filter(({ first }) => first))
  await end(all.filter(({ first }) => !first))
}

async function end(some: readonly Protected[]) {
  for (const { protect, signal } of some) send(protect, signal)
  const deadline = Date.now() + GENTLE_MS
  while (Date.now() < deadline && (await areAlive(some))) await wait(50)
  for (const { protect } of some) send(protect, 'SIGKILL')
}

async function areAlive(some: readonly Protected[]): Promise<boolean> {
  return (await Promise.all(some.map(({ protect }) => isAlive(protect)))).includes(true)
}

/** Signals the whole group. */
function send(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(-pid, signal)
  } catch {
    // It is gone already.
  }
}
