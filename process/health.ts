/**
 * `/healthz`, `/readyz` and `/metrics` of a process (Q8), without a key: keep them inside.
 */
import fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { Parts, PartStates } from './parts.ts'

/** `starting` until the work has begun; `stopping` from SIGTERM on. */
export type Status = 'starting' | 'ready' | 'not_ready' | 'stopping'

export interface Readiness {
  readonly status: Status
  readonly parts: PartStates
}

/** What a process says of itself. */
export interface Health {
  /** The work has begun. */
  begun(): void
  /** Looks at the parts. The process is ready once it works, and while every part that it needs is there. */
  readiness(): Promise<Readiness>
}

export function createHealth(parts: Parts, stopping: AbortSignal): Health {
  let hasBegun = false
  const statusOf = (allThere: boolean): Status => {
    if (stopping.aborted) return 'stopping'
    if (!hasBegun) return 'starting'
    return allThere ? 'ready' : 'not_ready'
  }
  return {
    begun: () => void (hasBegun = true),
    async readiness() {
      const { states, allThere } = await parts.look()
      return { status: statusOf(allThere), parts: states }
    },
  }
}

/** What is shown of a process. */
export interface Shown {
  readonly health: Pick<Health, 'readiness'>
  readonly registry: Registry
}

const PATHS = ['/healthz', '/readyz', '/metrics'] as const
type Path = (typeof PATHS)[number]

async function answer(
  path: Path,
  { health, registry }: Shown,
): Promise<{ status: number; type: string; body: string }> {
  if (path === '/metrics') return { status: 200, type: registry.contentType, body: await registry.metrics() }
  if (path === '/healthz') return json(200, { status: 'ok' })
  const readiness = await health.readiness()
  return json(readiness.status === 'ready' ? 200 : 503, readiness)
}

const json = (status: number, body: object) => ({ status, type: 'application/json', body: JSON.stringify(body) })

/** Adds the three to an HTTP server of the process's own. */
export function healthRoutes(app: FastifyInstance, shown: Shown): void {
  for (const path of PATHS) {
    app.get(path, async (_request, reply) => {
      const { status, type, body } = await answer(path, shown)
      return reply.code(status).type(type).send(body)
    })
  }
}

/**
 * Serves the three, for a process that has no HTTP server of its own.
 *
 * @returns what ends it
 * @throws where the port is not to be had
 */
export async function serveHealth(
  { host, port }: { readonly host: string; readonly port: number },
  shown: Shown,
): Promise<() => Promise<void>> {
  const app = fastify({ logger: false, forceCloseConnections: true })
  healthRoutes(app, shown)
  await app.listen({ host, port, listenTextResolver: () => '' })
  return () => app.close()
}
