/**
 * The health check of a container: `node operations/ready.mjs PORT` exits 0 where the process on that port of this machine answers
 * `/readyz` with 200. Else it exits 1 and prints what came instead, which `docker inspect` shows.
 *
 * Plain JavaScript that imports nothing: it runs every few seconds beside each process.
 */
const port = process.argv[2]
try {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
} catch (error) {
  console.error(`not ready: ${error.cause?.message ?? error.message}`)
  process.exitCode = 1
}
