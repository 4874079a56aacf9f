import type { FastifyBaseLogger } from 'fastify'
import { describeError } from '../logging/describe-error.ts'

/** Work that goes on after its request was answered. */
export interface Background {
  /** A failure is logged as `what`; whatever is left undone is done by the sweep, or by a repeated request. */
  add(what: string, work: Promise<unknown>): void
  /** All that was added until now, done or failed. */
  settled(): Promise<void>
}

export function createBackground(log: FastifyBaseLogger): Background {
  const running = new Set<Promise<unknown>>()
  return {
    add(what, work) {
      const done = work
        .catch((error: unknown) => log.warn({ err: describeError(error) }, `failed in the background: ${what}`))
        .finally(() => running.delete(done))
      running.add(done)
    },
    async settled() {
      await Promise.all(running)
    },
  }
}
