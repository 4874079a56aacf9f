/**
 * The bank's web server: pages, forms, and the way to the pages of the one-time password service and back.
 */
import { randomUUID } from 'node:crypto'
import formBody from '@fastify/formbody'
import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AWARDS, isAwardId } from './awards.ts'
import type { Ledger } from './ledger.ts'
import type { Redemption } from './messages.ts'
import { OtpRefusal, type OtpService, type PageLinkRequest } from './otp-service.ts'
import { renderFrame, STYLE, STYLE_PATH, type Page } from './pages/frame.ts'
import { accountPage, logInPage, problemPage, redemptionPage, type ProblemKind } from './pages/pages.ts'
import { PURPOSE } from './activities.ts'
import type { Proof } from './proof.ts'
import type { Redemptions } from './redemptions.ts'
import { isLanguage } from './texts.ts'
import {
  isBankMember,
  isFromElsewhere,
  languageOf,
  logIn,
  logOut,
  memberOf,
  readCookies,
  rememberLanguage,
  type Member,
} from './visitor.ts'

export interface BankDeps {
  readonly ledger: Ledger
  readonly redemptions: Redemptions
  readonly otp: OtpService
  readonly readProof: (proof: string) => Promise<Proof | undefined>
  /** Where browsers find the bank, and the service's pages. */
  readonly url: string
  readonly otpUrl: string
  readonly outbox: string | undefined
  readonly sessionKey: string
  readonly log: FastifyBaseLogger
}

const orderForm = z.object({ redemptionId: z.uuid(), awardId: z.string().refine(isAwardId) })
/** `state` is what we gave the page link: which redemption the member went to confirm. Who gave up brings no proof. */
const returned = z.object({ proof: z.string().max(4_096).optional(), state: z.uuid() })
const pathOf = (redemptionId: string) => `/redemptions/${redemptionId}`

/** The application, not yet listening. */
export function buildBank({ ledger, redemptions, otp, readProof, ...deps }: BankDeps): FastifyInstance {
  const app: FastifyInstance = fastify({
    loggerInstance: deps.log,
    // An address may hold a proof.
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  })
  readCookies(app, deps.sessionKey)
  app.register(formBody, { bodyLimit: 4_096 })

  const send = (request: FastifyRequest, reply: FastifyReply, page: Page) => {
    const frame = { language: languageOf(request), isLoggedIn: memberOf(request) !== undefined, outbox: deps.outbox }
    return reply.type('text/html; charset=utf-8').send(renderFrame(frame, page))
  }
  const sendProblem = (request: FastifyRequest, reply: FastifyReply, kind: ProblemKind, status: number) =>
    send(request, reply.code(status), problemPage(languageOf(request), kind))

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({
      'content-security-policy': policyFor(deps.otpUrl),
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
    if (isFromElsewhere(request)) void sendProblem(request, reply, 'notFound', 403)
    else done()
  })
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, 'notFound', 404))
  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    if ((error.statusCode ?? 500) < 500) return sendProblem(request, reply, 'notFound', error.statusCode ?? 400)
    request.log.error({ err: error }, 'a page could not be made')
    return sendProblem(request, reply, 'unavailable', 503)
  })

  app.get(STYLE_PATH, (_request, reply) => reply.type('text/css; charset=utf-8').send(STYLE))
  app.get('/', (request, reply) =>
    memberOf(request) ? reply.redirect('/account') : send(request, reply, logInPage(languageOf(request))),
  )
  app.post<{ Body: { member?: unknown } | undefined }>('/login', (request, reply) => {
    const name = request.body?.member
    return isBankMember(name) ? logIn(reply, name).redirect('/account', 303) : reply.redirect('/', 303)
  })
  app.post('/logout', (_request, reply) => logOut(reply).redirect('/', 303))
  app.post<{ Body: { language?: unknown } | undefined }>('/language', (request, reply) => {
    const language = request.body?.language
    if (isLanguage(language)) rememberLanguage(reply, language)
    return reply.redirect('/', 303)
  })

  /** A route for those who are logged in. */
  const forMembers =
    (answer: (member: Member, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>) =>
    (request: FastifyRequest, reply: FastifyReply) => {
      const member = memberOf(request)
      return member ? answer(member, request, reply) : reply.redirect('/', 303)
    }
  /** A route about a redemption of one's own; another member's is none. */
  const forRedemption = (
    answer: (redemption: Redemption, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
  ) =>
    forMembers(async ({ memberId }, request, reply) => {
      const id = z.uuid().safeParse((request.params as { redemptionId: string }).redemptionId)
      const redemption = id.success ? await redemptions.read(memberId, id.data) : undefined
      return redemption ? answer(redemption, request, reply) : sendProblem(request, reply, 'notFound', 404)
    })

  app.get(
    '/account',
    forMembers(async ({ name, memberId }, request, reply) => {
      const account = await ledger.read(memberId)
      return send(request, reply, accountPage(languageOf(request), name, account, randomUUID))
    }),
  )
  app.post(
    '/redemptions',
    forMembers(async ({ memberId }, request, reply) => {
      const form = orderForm.safeParse(request.body)
      if (!form.success) return sendProblem(request, reply, 'notFound', 400)
      const { redemptionId, awardId } = form.data
      const redemption = await redemptions.begin({ redemptionId, memberId, awardId, miles: AWARDS[awardId].miles })
      if (redemption?.status !== 'unproven') return reply.redirect(pathOf(redemptionId), 303)
      return enterCode(redemption, request, reply)
    }),
  )
  app.get(
    '/redemptions/:redemptionId',
    forRedemption(async (redemption, request, reply) =>
      send(request, reply, redemptionPage(languageOf(request), redemption)),
    ),
  )
  app.post('/redemptions/:redemptionId/code', forRedemption(enterCode))
  app.post(
    '/redemptions/:redemptionId/cancel',
    forRedemption(async ({ redemptionId }, _request, reply) => {
      await redemptions.cancel(redemptionId)
      return reply.redirect(pathOf(redemptionId), 303)
    }),
  )

  /** Each visit gets a link of its own: it opens once, and leads to the challenge as it stands. */
  async function enterCode(redemption: Redemption, request: FastifyRequest, reply: FastifyReply) {
    const { redemptionId, memberId, challengeId, status } = redemption
    if (status !== 'unproven' || challengeId === undefined) return reply.redirect(pathOf(redemptionId), 303)
    const back = { returnUrl: `${deps.url}/return`, state: redemptionId }
    return leadTo({ memberId, page: 'code-entry', challengeId, ...back }, request, reply)
  }
  app.post(
    '/notification-destination',
    forMembers(async ({ memberId }, request, reply) =>
      leadTo({ memberId, page: 'notification-destination', returnUrl: `${deps.url}/account` }, request, reply),
    ),
  )
  async function leadTo(link: Omit<PageLinkRequest, 'locale'>, request: FastifyRequest, reply: FastifyReply) {
    try {
      return reply.redirect(await otp.makePageLink({ ...link, locale: languageOf(request) }), 303)
    } catch (error) {
      const how = error instanceof OtpRefusal ? error.code : String(error)
      request.log.warn({ how, page: link.page }, 'no link to a page')
      return sendProblem(request, reply, 'unavailable', 503)
    }
  }

  /** The member is back. What the address says is the browser's word: the signature makes it the service's. */
  app.get(
    '/return',
    forMembers(async ({ memberId }, request, reply) => {
      const query = returned.safeParse(request.query)
      const redemption = query.success ? await redemptions.read(memberId, query.data.state) : undefined
      if (!query.success || !redemption) return sendProblem(request, reply, 'notFound', 404)
      if (query.data.proof === undefined) return reply.redirect(pathOf(redemption.redemptionId), 303)
      const proof = await readProof(query.data.proof)
      if (proof?.memberId !== memberId || proof.purpose !== PURPOSE) {
        return sendProblem(request, reply, 'notProven', 403)
      }
      // `state` is not signed: whether the proof is of this redemption's challenge, the workflow knows.
      await redemptions.presentProof(redemption.redemptionId, proof.challengeId)
      return reply.redirect(pathOf(redemption.redemptionId), 303)
    }),
  )
  return app
}

/** A form that we answer with a redirect to the service's page is, for a browser, a form that goes there. */
const policyFor = (otpUrl: string) =>
  [
    "default-src 'none'",
    "style-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "frame-ancestors 'none'",
    `form-action 'self' ${new URL(otpUrl).origin}`,
  ].join('; ')
