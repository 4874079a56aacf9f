/**
 * The page of code entry (P1).
 */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { renderCodeEntryPage } from '../../pages/members/code-entry-page.ts'
import { liveStateOf, noticeOf, type Standing } from '../../pages/members/code-state.ts'
import type { Visit } from '../../postgres/page-visits.ts'
import type { RouteDeps } from '../deps.ts'
import { returnTo } from '../return-url.ts'
import { createCodeEntry, type Form } from './code-entry.ts'
import type { PageTools } from './page-tools.ts'

const HIDDEN = { schema: { hide: true } } as const

interface Visiting {
  Params: { visitId: string }
  Querystring: Record<string, unknown>
  Body: Form | undefined
}

export function codeEntryRoutes(app: FastifyInstance, deps: RouteDeps, tools: PageTools): void {
  const { codes, proofs } = deps
  const steps = createCodeEntry(deps)
  const visitOf = (request: Parameters<PageTools['requireVisit']>[0] & { params: Visiting['Params'] }) =>
    tools.requireVisit(request, request.params.visitId, 'code-entry')
  const look = async (visit: Visit, attempt?: unknown) =>
    visit.challengeId === null ? undefined : steps.look(visit, visit.challengeId, attempt)

  const browserOf = (request: FastifyRequest) => ({ ip: request.ip, locale: tools.cookies.languageOf(request) })

  app.get<Visiting>('/code-entry/:visitId', HIDDEN, async (request, reply) => {
    const visit = await visitOf(request)
    const standing = await look(visit, request.query['attempt'])
    const page = renderCodeEntryPage({
      catalog: tools.languageOf(request),
      path: pathOf(visit),
      standing,
      purpose: visit.purpose,
      notice: noticeOf(request.query, Date.now()),
      digits: codes.digits,
      attempt: randomUUID(),
      request: randomUUID(),
      back: await wayBack(visit, standing),
    })
    return tools.sendPage(request, reply, { ...page, returnUrl: visit.returnUrl })
  })

  app.get<Visiting>('/code-entry/:visitId/state', HIDDEN, async (request, reply) => {
    const standing = await look(await visitOf(request))
    return reply.header('cache-control', 'no-store').send(liveStateOf(standing))
  })

  app.post<Visiting>('/code-entry/:visitId', HIDDEN, async (request, reply) => {
    const visit = await visitOf(request)
    const standing = await look(visit)
    if (standing === undefined) return reply.redirect(pathOf(visit), 303)
    const shown = await steps.submit(visit, standing, request.body ?? {})
    if (shown !== 'verified') return reply.redirect(`${pathOf(visit)}${shown}`, 303)
    const back = await wayBack(visit, await look(visit))
    return reply.redirect(back ?? pathOf(visit), 303)
  })

  app.post<Visiting>('/code-entry/:visitId/send', HIDDEN, async (request, reply) => {
    const visit = await visitOf(request)
    const standing = await look(visit)
    const shown = await (standing === undefined
      ? steps.begin(visit, browserOf(request))
      : steps.resend(visit, standing, request.body ?? {}, browserOf(request)))
    return reply.redirect(`${pathOf(visit)}${shown}`, 303)
  })

  /** To the upstream, with a proof as long as one lives. */
  async function wayBack({ returnUrl, state, caller }: Visit, standing: Standing | undefined) {
    if (returnUrl === null) return undefined
    if (standing === undefined || standing.proofSeconds === 0) return returnTo(returnUrl, { state })
    const { challengeId, memberId, purpose, channel, closedAt } = standing.challenge
    const verified = { challengeId, memberId, purpose, channel: channel!, verifiedAt: closedAt! }
    return returnTo(returnUrl, { state, proof: await proofs.sign(verified, caller) })
  }
}

const pathOf = (visit: Visit): string => `/code-entry/${visit.visitId}`
