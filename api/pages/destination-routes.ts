/**
 * The notification destination (P2): the four steps of the page. Each request is answered from where the visit stands, so a
 * step that is asked for too early leads to the one before it, and a reload, a second tab and a way back show what is so.
 */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sendNotices } from '../../client/send-notices.ts'
import type { Channel } from '../../domain/challenge.ts'
import { smsGuard } from '../../domain/destination.ts'
import { maskDestination } from '../../domain/mask.ts'
import { renderCenter, renderChanged, renderOverview, type RenderedPage } from '../../pages/members/destination-page.ts'
import { renderChoice, renderNumber, type ShownMistake } from '../../pages/members/destination-steps.ts'
import { readJapaneseMobile } from '../../phones/japanese-mobile.ts'
import type { MobileNumber } from '../../phones/mobile-number.ts'
import { setVisitNumber, setVisitRegistration } from '../../postgres/destination-visits.ts'
import { setDestination, type DestinationChange, type DestinationRefusal } from '../../postgres/destinations.ts'
import type { RouteDeps } from '../deps.ts'
import { createDestinationProofs, destinationProofRoutes } from './destination-proofs.ts'
import {
  createSituations,
  leadElsewhere,
  modelOf,
  optionsOf,
  type DestinationVisiting,
  type Situation,
} from './destination-situation.ts'
import { pageProblem } from './page-problems.ts'
import type { PageTools } from './page-tools.ts'

const HIDDEN = { schema: { hide: true } } as const
const PATH = '/notification-destination/:visitId'

export function destinationRoutes(app: FastifyInstance, deps: RouteDeps, tools: PageTools): void {
  const { inPostgres, policy, pages, background, temporal } = deps
  const situationOf = createSituations(deps, tools)
  const proofs = createDestinationProofs(deps, tools, situationOf)
  destinationProofRoutes(app, proofs)

  const send = (
    request: FastifyRequest<DestinationVisiting>,
    reply: FastifyReply,
    { visit }: Situation,
    page: RenderedPage,
    status = 200,
  ) => tools.sendPage(request, reply, { ...page, status, returnUrl: visit.returnUrl })

  app.get<DestinationVisiting>(PATH, HIDDEN, async (request, reply) => {
    const situation = await situationOf(request)
    const model = modelOf(situation, tools, request)
    const page =
      situation.center === undefined ? renderOverview(model) : renderCenter(model, situation.center, pages.centerUrl)
    return send(request, reply, situation, page)
  })

  app.get<DestinationVisiting>(`${PATH}/number`, HIDDEN, async (request, reply) => {
    const situation = await situationOf(request)
    const elsewhere = leadElsewhere(reply, situation, '/number')
    return elsewhere ?? send(request, reply, situation, numberPage(request, situation, '', undefined))
  })

  app.post<DestinationVisiting>(`${PATH}/number`, HIDDEN, async (request, reply) => {
    const situation = await situationOf(request)
    const elsewhere = leadElsewhere(reply, situation, '/number')
    if (elsewhere !== undefined) return elsewhere
    const typed = request.body?.['number']
    if (typed === undefined) throw pageProblem('bad_request')
    const number = numberFor(situation, typed)
    // Not by a redirect: what was typed stands in no URL.
    if ('mistake' in number) {
      return send(request, reply, situation, numberPage(request, situation, typed, number.mistake), 422)
    }
    await inPostgres((sql) => setVisitNumber(sql, situation.visit.visitId, number))
    return proofs.goOn(request, reply, request.body?.['request'])
  })

  app.post<DestinationVisiting>(`${PATH}/number/forget`, HIDDEN, async (request, reply) => {
    const { visit, path } = await situationOf(request)
    await inPostgres((sql) => setVisitNumber(sql, visit.visitId, undefined))
    return reply.redirect(path, 303)
  })

  app.get<DestinationVisiting>(`${PATH}/choice`, HIDDEN, async (request, reply) => {
    const situation = await situationOf(request)
    const elsewhere = leadElsewhere(reply, situation, '/choice')
    if (elsewhere !== undefined) return elsewhere
    const { standing, destinations, pending, smsOnly } = situation
    const page = renderChoice(modelOf(situation, tools, request), {
      version: standing.version,
      registered: registeredOf(situation),
      options: optionsOf(situation),
      smsOnly,
      chosen: pending === undefined ? destinations.channel : 'sms',
      notice: noticeOf(request.query),
    })
    return send(request, reply, situation, page)
  })

  app.post<DestinationVisiting>(`${PATH}/choice`, HIDDEN, async (request, reply) => {
    const situation = await situationOf(request)
    const { choice, version, registered } = choiceOf(request.body)
    const { path } = situation
    if (registered !== undefined && registered !== registeredOf(situation)) {
      return reply.redirect(`${path}${await afterRefusal(request, choice, 'changed_meanwhile')}`, 303)
    }
    // The page does not offer it.
    if (choice === 'email' && !situation.smsOnly && !situation.destinations.usable.email) {
      return reply.redirect(`${path}/choice?notice=refused`, 303)
    }
    const change = changeOf(situation, choice, version)
    const answer = await inPostgres((sql) =>
      setDestination(sql, change, { ...policy, stepUpSeconds: pages.stepUpSeconds }),
    )
    if (answer.kind === 'changed') background.add('send notices', sendNotices(temporal, answer.notices))
    if (answer.kind !== 'refused') return reply.redirect(answer.kind === 'changed' ? `${path}/done` : path, 303)
    return reply.redirect(`${path}${await afterRefusal(request, choice, answer.reason)}`, 303)
  })

  app.get<DestinationVisiting>(`${PATH}/done`, HIDDEN, async (request, reply) => {
    const situation = await situationOf(request)
    const { progress, sendsTo, path } = situation
    if (progress.changedAt === null || sendsTo === undefined) return reply.redirect(path, 303)
    return send(request, reply, situation, renderChanged(modelOf(situation, tools, request)))
  })

  function numberPage(
    request: FastifyRequest<DestinationVisiting>,
    situation: Situation,
    typed: string,
    mistake: ShownMistake | undefined,
  ): RenderedPage {
    const { progress, sendsTo } = situation
    const first =
      progress.provenBy === null && sendsTo ? maskDestination(sendsTo.channel, sendsTo.destination) : undefined
    return renderNumber(modelOf(situation, tools, request), { typed, mistake, request: randomUUID(), first })
  }

  function numberFor({ standing, destinations }: Situation, typed: string): MobileNumber | { mistake: ShownMistake } {
    const number = readJapaneseMobile(typed)
    if ('mistake' in number) return number
    if (smsGuard(number.e164, number.country, policy) !== undefined) return { mistake: 'refused' }
    return number.e164 === standing.phone && destinations.usable.sms ? { mistake: 'registered' } : number
  }

  async function afterRefusal(
    request: FastifyRequest<DestinationVisiting>,
    choice: Channel,
    reason: DestinationRefusal,
  ): Promise<string> {
    const { visit, progress, pending, destinations } = await situationOf(request)
    if (reason === 'unknown_member') throw pageProblem('visit_over')
    if (reason === 'not_resident') return ''
    if (reason === 'step_up_required') return '/identity'
    if (reason === 'number_not_verified') {
      if (pending) await inPostgres((sql) => setVisitRegistration(sql, visit.visitId, pending.phone, null))
      return '/code'
    }
    // The page says that it is, and why.
    if (reason === 'sms_mandatory') return '/choice'
    if (reason !== 'changed_meanwhile') return '/choice?notice=refused'
    // What was asked for may stand all the same: the form was sent twice.
    const stands = progress.changedAt !== null && pending === undefined && destinations.channel === choice
    return stands ? '/done' : '/choice?notice=changed_meanwhile'
  }
}

/** The number that was proven, by its challenge: another tab may have brought another, or forgotten it. */
const registeredOf = ({ pending }: Situation): string => pending?.registeredBy ?? ''

function changeOf(situation: Situation, choice: Channel, version: number): DestinationChange {
  const { visit, progress, pending, smsOnly } = situation
  const registered = pending?.registeredBy ?? undefined
  // Where SMS is mandatory there was nothing to choose: the member's own preference stays for afterwards.
  const wasChosen = choice === 'email' || !smsOnly
  return {
    memberId: visit.memberId,
    visitId: visit.visitId,
    version,
    stepUpId: progress.provenBy,
    ...(pending &&
      registered !== undefined && {
        registration: { challengeId: registered, phone: pending.phone, country: pending.country },
      }),
    ...(wasChosen && { choice }),
  }
}

const VERSION = /^\d{1,9}$/

function choiceOf(form: DestinationVisiting['Body']): { choice: Channel; version: number; registered?: string } {
  const { choice, version, registered } = form ?? {}
  if ((choice !== 'sms' && choice !== 'email') || version === undefined || !VERSION.test(version)) {
    throw pageProblem('bad_request')
  }
  return { choice, version: Number(version), ...(registered !== undefined && { registered }) }
}

const NOTICES = ['changed_meanwhile', 'refused'] as const
const noticeOf = (query: Readonly<Record<string, unknown>>) => NOTICES.find((notice) => notice === query['notice'])
