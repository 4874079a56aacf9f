/**
 * How much slower this machine is than the one on which the tests' limits were written down. It is measured once, as a
 * run begins, and every limit that only says "something hangs" follows it, through {@link patience}.
 */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** Hands the figure on to the processes in which test files run. Set by hand, it is believed and nothing is measured. */
const VARIABLE = 'TEST_SLOWNESS'

/** A round of the fixed work on the reference, two cores of an AMD EPYC that are both at it: 105 to 120 ms of CPU time. */
const REFERENCE_MS = 120
const ROUNDS = 7
const FIXED_WORK = new URL('./fixed-work.ts', import.meta.url)
/** A machine that seems slower than this is stuck, and no limit would help. */
const MOST = 10

/** Measures the machine, unless that was done or {@link slowness} was set by hand. Takes a second on the reference. */
export async function measureSpeed(): Promise<void> {
  process.env[VARIABLE] ??= Math.min(Math.max((await roundMs()) / REFERENCE_MS, 1), MOST).toFixed(2)
}

/**
 * How many times as long as the reference this machine takes: 1 on what is faster too, and where nothing was measured, as
 * beside a benchmark.
 *
 * @throws where the variable was set by hand, to something else
 */
export function slowness(): number {
  const slow = Number(process.env[VARIABLE] ?? 1)
  if (!(slow >= 1 && slow <= MOST)) throw new Error(`${VARIABLE} wants a number from 1 to ${MOST}`)
  return slow
}

/**
 * A limit for what hangs, or the machine's share of a limit. A time that is itself the rule under test does not follow.
 *
 * @param seconds what is enough on the reference
 * @returns milliseconds that are enough here
 */
export const patience = (seconds: number): number => Math.ceil(seconds * 1000 * slowness())

/**
 * A short life or delay that a test gives to a setting: what the test does within it takes longer here.
 *
 * @param seconds what is enough on the reference
 * @returns whole seconds that are enough here, as the environment holds them
 */
export const lengthened = (seconds: number): string => String(Math.ceil(seconds * slowness()))

/**
 * How long a round takes on the slowest core. All of them work at once, as they do in a run: one alone would not see what
 * keeps another one busy.
 */
async function roundMs(): Promise<number> {
  const cores = Array.from({ length: availableParallelism() }, () => {
    const bytes = new SharedArrayBuffer(ROUNDS * Float64Array.BYTES_PER_ELEMENT)
    return new Float64Array(bytes)
  })
  await Promise.all(cores.map((tookMs) => once(new Worker(FIXED_WORK, { workerData: tookMs }), 'exit')))
  return Math.max(...cores.map((tookMs) => tookMs.toSorted()[Math.floor(ROUNDS / 2)]!))
}
