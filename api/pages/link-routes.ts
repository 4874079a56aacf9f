/**
 * Opening a link (P1): GET shows a button and changes nothing, so that a scanner of links spends nothing; POST spends it.
 */
import type { FastifyInstance } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import { catalogFor } from '../../messages/catalog.ts'
import { renderLink } from '../../pages/members/link-page.ts'
import { openPageLink, type Visit } from '../../postgres/page-visits.ts'
import type { RouteDeps } from '../deps.ts'
import { createCodeEntry } from './code-entry.ts'
import { freshSession, hashOf } from './cookies.ts'
import { pageProblem } from './page-problems.ts'
import type { PageTools } from './page-tools.ts'

const HIDDEN = { schema: { hide: true } } as const
const TOKEN = /^[A-Za-z0-9_-]{43}$/

interface Opening {
  Params: { token: string }
}

export function linkRoutes(app: FastifyInstance, deps: RouteDeps, tools: PageTools): void {
  const { inPostgres } = deps
  const { cookies } = tools
  const steps = createCodeEntry(deps)

  app.get<Opening>('/open/:token', HIDDEN, async (request, reply) => {
    const { token } = request.params
    if (!TOKEN.test(token)) throw pageProblem('link_unknown')
    cookies.rememberBrowser(request, reply)
    return tools.sendPage(request, reply, renderLink(tools.languageOf(request), `/open/${token}`))
  })

  app.post<Opening>('/open/:token', HIDDEN, async (request, reply) => {
    const { token } = request.params
    const browser = cookies.browserOf(request)
    const shown = cookies.sessionOf(request)
    if (!TOKEN.test(token)) throw pageProblem('link_unknown')
    // Without cookies there would be no session: the link stays as it is.
    if (browser === undefined) throw pageProblem('cookies_needed')
    const fresh = freshSession(token, browser)
    const opened = await inPostgres((sql) =>
      openPageLink(sql, {
        tokenHash: hashOf(token),
        ...(shown !== undefined && { shown: hashOf(shown) }),
        fresh: hashOf(fresh),
        visitId: uuidv7(),
      }),
    )
    if (opened.kind !== 'opened') throw pageProblem(`link_${opened.kind}`)
    const { visit } = opened
    cookies.setSession(reply, opened.session === 'fresh' || shown === undefined ? fresh : shown)
    if (visit.locale !== null) cookies.setLocale(reply, catalogFor(visit.locale).language)
    return reply.redirect(await firstPageOf(visit, request.ip), 303)
  })

  async function firstPageOf(visit: Visit, ip: string): Promise<string> {
    const path = `/${visit.page}/${visit.visitId}`
    if (visit.page !== 'code-entry') return path
    return `${path}${await steps.begin(visit, { ip })}`
  }
}
