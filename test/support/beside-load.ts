/**
 * Runs the tests as on a slower machine: a thread takes a share of one core away for as long as they run. By default half
 * of it; with `--busy 100` it never rests. What else is given goes to vitest, its own options behind `--`:
 *
 *   npm run test:slow -- --busy 100 test/ten-minutes.test.ts
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

if (isMainThread) await runBesideLoad()
else takeAway(workerData as number)

async function runBesideLoad(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { busy: { type: 'string', default: '50' } },
    allowPositionals: true,
  })
  const percent = Number(values.busy)
  if (!(percent >= 1 && percent <= 100)) throw new Error('--busy wants a number from 1 to 100, percent of one core')
  // A thread of this process, so that it ends with it, however it ends.
  const load = new Worker(new URL(import.meta.url), { workerData: percent / 100 })
  console.log(`${percent} % of one core is taken away.`)
  const tests = spawn('vitest', ['run', ...positionals], { stdio: 'inherit' })
  // The terminal interrupts both; the tests end what they started, and this one waits for them.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => tests.kill())
  process.exitCode = await new Promise<number>((resolve, reject) => {
    tests.once('error', reject)
    tests.once('exit', (code) => resolve(code ?? 1))
  })
  await load.terminate()
}

/** Computes for this share of all the time that passes, and rests in between; for ever. */
function takeAway(share: number): void {
  const REST_MS = 10
  const nobodyWakes = new Int32Array(new SharedArrayBuffer(4))
  const began = performance.now()
  const before = process.threadCpuUsage()
  for (;;) {
    const { user, system } = process.threadCpuUsage(before)
    const hasTaken = (user + system) / 1000 >= share * (performance.now() - began)
    if (hasTaken && share < 1) Atomics.wait(nobodyWakes, 0, 0, REST_MS)
  }
}
