#!/usr/bin/env node
/**
 * `otp`, by whatever Node the machine has: where that one is too old to read TypeScript, by the Node of our packages.
 * Plain JavaScript that imports nothing of ours.
 */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const READS_TYPESCRIPT = 24
const program = fileURLToPath(new URL('otp.ts', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= READS_TYPESCRIPT) {
  await import(program)
} else {
  const node = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node')
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal's Ctrl-C reaches the child by itself.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.once('error', (error) => {
    console.error(`Node ${READS_TYPESCRIPT} cannot be started (${error.message}): run npm ci first.`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
