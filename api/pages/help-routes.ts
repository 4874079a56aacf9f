/**
 * Help and the change of the e-mail address (P3): for everybody. The check of an address keeps to D3's rule; it says
 * nothing of members, keeps nothing, and is asked so often from one place alone.
 */
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { undeliverableCondition } from '../../domain/email-address.ts'
import { renderVerdict, type AddressCheck } from '../../pages/members/address-check.ts'
import { renderEmailChange } from '../../pages/members/email-change-page.ts'
import { renderHelp } from '../../pages/members/help-page.ts'
import { writeSender } from '../../phones/sender.ts'
import type { RouteDeps } from '../deps.ts'
import { hashIp } from '../ip-hash.ts'
import { ownPath } from './own-path.ts'
import { pageProblem } from './page-problems.ts'
import type { PageTools } from './page-tools.ts'

/** Somebody who types asks some ten times. */
const CHECKS_PER_MINUTE = 60
/** RFC 5321 §4.5.3.1, and room for what is to be refused in words. */
const MOST_CHARACTERS = 320

interface Helping {
  Querystring: Record<string, unknown>
  Body: Record<string, string> | undefined
}

export async function helpRoutes(app: FastifyInstance, { pages, http }: RouteDeps, tools: PageTools): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    max: CHECKS_PER_MINUTE,
    timeWindow: '1 minute',
    keyGenerator: (request) => hashIp(http.ipHashKey, request.ip),
    errorResponseBuilder: () => pageProblem('too_many'),
  })
  const hidden = { schema: { hide: true } } as const
  const checks = { ...hidden, config: { rateLimit: {} } }
  const senders = { ...pages.senders, sms: writeSender(pages.senders.sms) }

  const pageOf = (request: FastifyRequest, given: unknown, check?: AddressCheck) => {
    const back = ownPath(given)
    return {
      ...pages,
      senders,
      catalog: tools.languageOf(request),
      ...(back !== undefined && { back }),
      ...(check !== undefined && { check }),
    }
  }

  app.get<Helping>('/help', hidden, (request, reply) =>
    tools.sendPage(request, reply, renderHelp(pageOf(request, request.query['back']))),
  )
  app.get<Helping>('/help/email', hidden, (request, reply) =>
    tools.sendPage(request, reply, renderEmailChange(pageOf(request, request.query['back']))),
  )

  // By POST, so that no address stands in a URL.
  app.post<Helping>('/help', checks, (request, reply) =>
    tools.sendPage(request, reply, renderHelp(pageOf(request, request.body?.['back'], checkOf(request.body)))),
  )
  app.post<Helping>('/help/email', checks, (request, reply) =>
    tools.sendPage(request, reply, renderEmailChange(pageOf(request, request.body?.['back'], checkOf(request.body)))),
  )

  /** While one types: only what more typing does not mend. */
  app.post<Helping>('/help/verdict', checks, (request, reply) => {
    const { verdict } = checkOf(request.body)
    reply.header('cache-control', 'no-store')
    if (verdict === 'invalid') return reply.code(204).send()
    return reply.type('text/html; charset=utf-8').send(String(renderVerdict(tools.languageOf(request), verdict)))
  })
}

function checkOf(body: Record<string, string> | undefined): AddressCheck {
  const address = (body?.['address'] ?? '').trim()
  if (address.length > MOST_CHARACTERS) throw pageProblem('bad_request')
  return { address, verdict: undeliverableCondition(address) ?? 'deliverable' }
}
