/**
 * Code entry (P1).
 */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { isChallengeId, normaliseCode } from '../../domain/challenge.ts'
import { renderCodeEntry } from '../../pages/members/code-entry-page.ts'
import type { Visit } from '../../postgres/page-visits.ts'
import type { RouteDeps } from '../deps.ts'
import { returnTo } from '../return-url.ts'
import { createCodeEntry } from './code-entry.ts'
import { pageProblem } from './page-problems.ts'
import type { PageTools } from './page-tools.ts'

const HIDDEN = { schema: { hide: true } } as const

interface Visiting {
  Params: { visitId: string }
  Body: Record<string, string> | undefined
}

export function codeEntryRoutes(app: FastifyInstance, deps: RouteDeps, tools: PageTools): void {
  const { codes, proofs } = deps
  const codeEntry = createCodeEntry(deps)

  app.get<Visiting>('/code-entry/:visitId', HIDDEN, async (request, reply) => {
    const visit = await tools.requireVisit(request, request.params.visitId, 'code-entry')
    const entry = visit.challengeId === null ? undefined : await codeEntry.look(visit.challengeId)
    const page = renderCodeEntry({
      catalog: tools.languageOf(request),
      path: pathOf(visit),
      entry,
      attempt: randomUUID(),
      digits: codes.digits,
    })
    return tools.sendPage(request, reply, { ...page, returnUrl: visit.returnUrl })
  })

  app.post<Visiting>('/code-entry/:visitId', HIDDEN, async (request, reply) => {
    const visit = await tools.requireVisit(request, request.params.visitId, 'code-entry')
    const { code: typed, attempt } = request.body ?? {}
    if (typed === undefined || !isChallengeId(attempt)) throw pageProblem('bad_request')
    const entry = visit.challengeId === null ? undefined : await codeEntry.look(visit.challengeId)
    if (entry === undefined) return reply.redirect(pathOf(visit), 303)
    const code = normaliseCode(typed, codes.digits)
    if (code === undefined) return reply.redirect(`${pathOf(visit)}?invalid`, 303)
    const { challengeId } = entry.challenge
    const answer = await codeEntry.verify({ challengeId, code, attemptId: `page:${visit.visitId}:${attempt}` })
    if (answer?.result === 'verified') return goBack(reply, visit, challengeId)
    return reply.redirect(`${pathOf(visit)}?attempt=${attempt}`, 303)
  })

  async function goBack(reply: FastifyReply, visit: Visit, challengeId: string) {
    const entry = await codeEntry.look(challengeId)
    const { channel, memberId, purpose, closedAt } = entry!.challenge
    if (visit.returnUrl === null || channel === null || closedAt === null) return reply.redirect(pathOf(visit), 303)
    const proof = await proofs.sign({ challengeId, memberId, purpose, channel, verifiedAt: closedAt }, visit.caller)
    return reply.redirect(returnTo(visit.returnUrl, { proof, state: visit.state }), 303)
  }
}

const pathOf = (visit: Visit): string => `/code-entry/${visit.visitId}`
