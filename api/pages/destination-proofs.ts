/**
 * STEP 3 of the notification destination (P2): first that it is the member, by a code to a destination of theirs, unless this
 * session has shown that just now; then that the number is theirs, by a code to it.
 */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { renderCodeEntry } from '../../pages/members/code-entry-page.ts'
import { acceptsCode, liveStateOf, noticeOf, stateOf, type Standing } from '../../pages/members/code-state.ts'
import { renderIdentity, renderNumberCode } from '../../pages/members/destination-steps.ts'
import { setVisitRegistration, setVisitStepUp } from '../../postgres/destination-visits.ts'
import type { RouteDeps } from '../deps.ts'
import { createCodeEntry, type Form, type Shown } from './code-entry.ts'
import {
  leadElsewhere,
  modelOf,
  stepFor,
  type DestinationVisiting,
  type Situation,
  type SituationOf,
} from './destination-situation.ts'
import type { PageTools } from './page-tools.ts'

const HIDDEN = { schema: { hide: true } } as const

const PROOFS = ['/identity', '/code'] as const
type Proof = (typeof PROOFS)[number]
type VisitRequest = FastifyRequest<DestinationVisiting>

export type DestinationProofs = ReturnType<typeof createDestinationProofs>

export function createDestinationProofs(deps: RouteDeps, tools: PageTools, situationOf: SituationOf) {
  const { inPostgres, codes } = deps
  const steps = createCodeEntry(deps)

  /** The code of a proof, as its page shows it; nothing where one has still to be begun. */
  async function look(proof: Proof, { visit, progress }: Situation, attempt?: unknown): Promise<Standing | undefined> {
    const chain = proof === '/identity' ? progress.stepUpId : progress.registerId
    const standing = chain === null ? undefined : await steps.look(visit, chain, attempt)
    // It has proven something once and does no longer, or was cancelled: another one has to begin.
    return ['verified', 'cancelled'].includes(stateOf(standing)) ? undefined : standing
  }

  /**
   * Where the visit stands at a proof, and its code; the answer where it is led elsewhere. Two requests may come at once: what
   * one of them proves after the other has read the visit is seen, for the visit is read again where no code stands any longer.
   */
  async function at(proof: Proof, request: VisitRequest, reply: FastifyReply, attempt?: unknown) {
    const seen = await situationOf(request)
    const standing = await look(proof, seen, attempt)
    const situation = standing === undefined ? await situationOf(request) : seen
    return { situation, standing, elsewhere: leadElsewhere(reply, situation, proof) }
  }

  async function begin(proof: Proof, request: VisitRequest, { visit, pending }: Situation, form: Form): Promise<Shown> {
    const about =
      proof === '/code' && pending
        ? { purpose: 'register_phone', registering: { e164: pending.phone, country: pending.country } }
        : { purpose: 'change_membership' }
    const { language } = tools.languageOf(request)
    const { shown, value } = await steps.start(visit, { ...about, locale: language }, form, request.ip)
    if (value === undefined) return shown
    await inPostgres((sql) =>
      proof === '/code' && pending
        ? setVisitRegistration(sql, visit.visitId, pending.phone, value.challengeId)
        : setVisitStepUp(sql, visit.visitId, value.challengeId),
    )
    return shown
  }

  /** Leads to the next step, and has the code sent that it asks for, unless one is on its way. */
  async function goOn(request: VisitRequest, reply: FastifyReply, formId: string | undefined): Promise<FastifyReply> {
    const situation = await situationOf(request)
    const step = stepFor(situation, '/choice')
    if (step !== '/identity' && step !== '/code') return reply.redirect(`${situation.path}${step}`, 303)
    const standing = await look(step, situation)
    const isAlive = standing !== undefined && acceptsCode(stateOf(standing))
    const shown = isAlive ? '' : await begin(step, request, situation, { request: formId ?? '' })
    return reply.redirect(`${situation.path}${step}${shown}`, 303)
  }

  return {
    goOn,

    async show(proof: Proof, request: VisitRequest, reply: FastifyReply): Promise<FastifyReply> {
      const { situation, standing, elsewhere } = await at(proof, request, reply, request.query['attempt'])
      if (elsewhere !== undefined) return elsewhere
      const model = modelOf(situation, tools, request)
      const entry = renderCodeEntry({
        catalog: model.catalog,
        path: `${situation.path}${proof}`,
        standing,
        notice: noticeOf(request.query, Date.now()),
        digits: codes.digits,
        attempt: randomUUID(),
        request: randomUUID(),
      })
      const { progress, pending, visit } = situation
      const page =
        proof === '/code' && pending
          ? renderNumberCode({ ...model, pending: pending.phone }, entry)
          : renderIdentity(model, entry, progress.stepUpId !== null && standing === undefined)
      return tools.sendPage(request, reply, { ...page, returnUrl: visit.returnUrl })
    },

    async liveState(proof: Proof, request: VisitRequest) {
      return liveStateOf(await look(proof, await situationOf(request)))
    },

    async submit(proof: Proof, request: VisitRequest, reply: FastifyReply): Promise<FastifyReply> {
      const { situation, standing, elsewhere } = await at(proof, request, reply)
      if (elsewhere !== undefined) return elsewhere
      const { visit, path } = situation
      const form = request.body ?? {}
      if (standing === undefined) return reply.redirect(`${path}${proof}`, 303)
      const shown = await steps.submit(visit, standing, form)
      return shown === 'verified'
        ? goOn(request, reply, form['attempt'])
        : reply.redirect(`${path}${proof}${shown}`, 303)
    },

    async send(proof: Proof, request: VisitRequest, reply: FastifyReply): Promise<FastifyReply> {
      const { situation, standing, elsewhere } = await at(proof, request, reply)
      if (elsewhere !== undefined) return elsewhere
      const { visit, path } = situation
      const form = request.body ?? {}
      const shown = await (standing === undefined
        ? begin(proof, request, situation, form)
        : steps.resend(visit, standing, form, { ip: request.ip, locale: tools.languageOf(request).language }))
      return reply.redirect(`${path}${proof}${shown}`, 303)
    },
  }
}

export function destinationProofRoutes(app: FastifyInstance, proofs: DestinationProofs): void {
  for (const proof of PROOFS) {
    const path = `/notification-destination/:visitId${proof}`
    app.get<DestinationVisiting>(path, HIDDEN, (request, reply) => proofs.show(proof, request, reply))
    app.post<DestinationVisiting>(path, HIDDEN, (request, reply) => proofs.submit(proof, request, reply))
    app.post<DestinationVisiting>(`${path}/send`, HIDDEN, (request, reply) => proofs.send(proof, request, reply))
    app.get<DestinationVisiting>(`${path}/state`, HIDDEN, async (request, reply) =>
      reply.header('cache-control', 'no-store').send(await proofs.liveState(proof, request)),
    )
  }
}
