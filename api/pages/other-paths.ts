/**
 * Where nobody posts a form: what a member who came there by the address bar or a reload sees.
 */
import type { FastifyInstance } from 'fastify'
import Negotiator from 'negotiator'
import { pageProblem } from './page-problems.ts'

const HIDDEN = { schema: { hide: true } } as const
/** Each below the page that its form stands on. */
const POSTED = [
  '/code-entry/:visitId/send',
  '/notification-destination/:visitId/number/forget',
  '/notification-destination/:visitId/identity/send',
  '/notification-destination/:visitId/code/send',
  '/help/verdict',
]

export function otherPaths(app: FastifyInstance): void {
  for (const path of POSTED) {
    app.get(path, HIDDEN, (request, reply) => {
      const [posted = ''] = request.url.split('?')
      return reply.redirect(posted.slice(0, posted.lastIndexOf('/')), 303)
    })
  }
  app.get('/language', HIDDEN, (_request, reply) => reply.redirect('/help', 303))

  /** Programs get a problem, as everywhere. */
  app.get('/*', HIDDEN, (request, reply) => {
    const wants = new Negotiator(request).mediaType(['application/json', 'text/html'])
    if (wants === 'text/html') throw pageProblem('not_found')
    reply.callNotFound()
    return reply
  })
}
