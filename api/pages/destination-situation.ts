/**
 * Where a visit to the notification destination stands (P2): everything that its pages are drawn from and its steps are
 * decided by, read anew for each request.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Policy } from '../../config.ts'
import type { Channel } from '../../domain/challenge.ts'
import { chooseDestination, smsGuard } from '../../domain/destination.ts'
import { undeliverableCondition } from '../../domain/email-address.ts'
import type { DestinationModel, Destinations } from '../../pages/members/destination-page.ts'
import { readDestinationVisit, type DestinationVisit } from '../../postgres/destination-visits.ts'
import { readDestination, type MemberDestination } from '../../postgres/destinations.ts'
import type { Visit } from '../../postgres/page-visits.ts'
import type { RouteDeps } from '../deps.ts'
import { returnTo } from '../return-url.ts'
import { pageProblem } from './page-problems.ts'
import type { PageTools } from './page-tools.ts'

/** What the routes of a visit get. */
export interface DestinationVisiting {
  Params: { visitId: string }
  Querystring: Record<string, unknown>
  Body: Readonly<Record<string, string>> | undefined
}

/** A number that is being registered, and that is not the member's already. */
export interface Pending {
  readonly phone: string
  readonly country: string
  /** The challenge that was verified at it. */
  readonly registeredBy: string | null
}

export interface Situation {
  readonly visit: Visit
  readonly path: string
  readonly standing: MemberDestination
  readonly progress: DestinationVisit
  readonly destinations: Destinations
  /** Where a code goes now; undefined where none could. */
  readonly sendsTo: { readonly channel: Channel; readonly destination: string } | undefined
  readonly pending: Pending | undefined
  /** SMS is mandatory, or will be by the number that is being registered: there is nothing to choose. */
  readonly smsOnly: boolean
  /** Why the Center has to do it. */
  readonly center: 'abroad' | 'unreachable' | undefined
}

export type SituationOf = ReturnType<typeof createSituations>

/** @returns a function that reads the situation of a request's visit. @throws {PageProblem} `visit_over` */
export function createSituations({ inPostgres, policy, pages }: RouteDeps, tools: PageTools) {
  return async (request: FastifyRequest<DestinationVisiting>): Promise<Situation> => {
    const visit = await tools.requireVisit(request, request.params.visitId, 'notification-destination')
    const [standing, progress] = await inPostgres((sql) =>
      Promise.all([
        readDestination(sql, visit.memberId, policy),
        readDestinationVisit(sql, visit.visitId, pages.stepUpSeconds, policy),
      ]),
    )
    if (standing === undefined || progress === undefined) throw pageProblem('visit_over')
    return situationOf(visit, standing, progress, policy)
  }
}

function situationOf(visit: Visit, standing: MemberDestination, progress: DestinationVisit, policy: Policy): Situation {
  const { email, phone, phoneCountry, smsMandatory, country } = standing
  const member = { email, phone, phoneCountry, country, notificationPreference: standing.preference }
  const choice = chooseDestination({ member, smsMandatory, smsRules: policy })
  const sendsTo = 'channel' in choice ? choice : undefined
  const usable = {
    sms: phone !== null && smsGuard(phone, phoneCountry, policy) === undefined,
    email: email !== null && undeliverableCondition(email) === undefined,
  }
  const pending = pendingOf(progress, phone)
  return {
    visit,
    path: `/notification-destination/${visit.visitId}`,
    standing,
    progress,
    destinations: { email, phone, usable, channel: sendsTo?.channel, smsMandatory },
    sendsTo,
    pending,
    smsOnly: smsMandatory || (pending !== undefined && progress.smsMandatoryAfter),
    center: country !== 'JP' ? 'abroad' : sendsTo === undefined ? 'unreachable' : undefined,
  }
}

function pendingOf({ phone, phoneCountry, registeredBy }: DestinationVisit, standing: string | null) {
  if (phone === null || phoneCountry === null || phone === standing) return undefined
  return { phone, country: phoneCountry, registeredBy }
}

/** What STEP 4 offers: the number that was just proven or the one that stands, and the address where SMS is not mandatory. */
export function optionsOf({ destinations, pending, smsOnly }: Situation): { channel: Channel; destination: string }[] {
  const { phone, email, usable } = destinations
  const number = pending?.phone ?? (usable.sms ? phone : null)
  return [
    ...(number !== null ? [{ channel: 'sms', destination: number } as const] : []),
    ...(usable.email && email !== null && !smsOnly ? [{ channel: 'email', destination: email } as const] : []),
  ]
}

export type Step = '' | '/number' | '/identity' | '/code' | '/choice'

/** Where somebody who asks for a step is led: there, or to what comes before it. */
export function stepFor(situation: Situation, wanted: Step): Step {
  const { center, pending, progress } = situation
  if (wanted === '' || center !== undefined) return ''
  if (wanted === '/number') return wanted
  if (wanted === '/code' && pending === undefined) return '/number'
  if (pending === undefined && optionsOf(situation).length < 2) return ''
  if (progress.provenBy === null) return '/identity'
  return pending !== undefined && pending.registeredBy === null ? '/code' : '/choice'
}

/** @returns the answer where the visit is not at that step */
export function leadElsewhere(reply: FastifyReply, situation: Situation, wanted: Step): FastifyReply | undefined {
  const step = stepFor(situation, wanted)
  return step === wanted ? undefined : reply.redirect(`${situation.path}${step}`, 303)
}

export function modelOf(
  situation: Situation,
  tools: PageTools,
  request: FastifyRequest<DestinationVisiting>,
): DestinationModel {
  const { path, destinations, pending, visit } = situation
  const { returnUrl, state } = visit
  return {
    catalog: tools.languageOf(request),
    path,
    destinations,
    pending: pending?.phone ?? null,
    back: returnUrl === null ? undefined : returnTo(returnUrl, { state }),
  }
}
