/**
 * The work by which test/support/speed.ts measures a machine, on a thread of its own: a round for each place of the array
 * that it was given, in which it leaves how many milliseconds the round took. Whoever changes it measures the reference anew.
 */
import { workerData } from 'node:worker_threads'

const ROWS = 100_000

/** What a test run does most: small objects, sorted, written as JSON and read again. */
function work(): number {
  let seed = 7
  const rows = Array.from({ length: ROWS }, (_, index) => {
    seed = (seed * 48_271) % 2_147_483_647
    return { index, key: seed, text: `row ${seed}` }
  })
  rows.sort((a, b) => a.key - b.key)
  return (JSON.parse(JSON.stringify(rows)) as typeof rows).length
}

// The first round compiles it.
work()
const tookMs = workerData as Float64Array
for (let round = 0; round < tookMs.length; round++) {
  const began = performance.now()
  work()
  tookMs[round] = performance.now() - began
}
