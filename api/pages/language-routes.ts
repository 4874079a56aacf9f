/**
 * The choice of a language (P4). It is remembered, and leads back to the page on which it was made.
 */
import type { FastifyInstance } from 'fastify'
import { catalogs } from '../../messages/catalog.ts'
import { ownPath } from './own-path.ts'
import { pageProblem } from './page-problems.ts'
import type { PageTools } from './page-tools.ts'

export function languageRoutes(app: FastifyInstance, { cookies }: PageTools): void {
  app.post<{ Body: Record<string, string> | undefined }>('/language', { schema: { hide: true } }, (request, reply) => {
    const { language, back } = request.body ?? {}
    const chosen = catalogs.find((catalog) => catalog.language === language)
    if (chosen === undefined) throw pageProblem('bad_request')
    cookies.setLanguage(reply, chosen.language)
    return reply.header('cache-control', 'no-store').redirect(ownPath(back) ?? '/help', 303)
  })
}
