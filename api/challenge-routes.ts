/**
 * Challenges over HTTP: start, status, verify, resend, cancel (section I).
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { cancelChallenge } from '../client/verify-code.ts'
import type { ApiCaller } from '../config/callers.ts'
import { isChallengeId, normaliseCode } from '../domain/challenge.ts'
import { toMobileNumber } from '../phones/mobile-number.ts'
import { readChallenge, type Challenge } from '../postgres/challenges.ts'
import { readChallengeRecord } from '../postgres/timeline.ts'
import { maySee } from './callers.ts'
import { createChallengeActions } from './challenge-actions.ts'
import { viewOf } from './challenge-view.ts'
import type { RouteDeps } from './deps.ts'
import { attemptIdOf, idempotencyOf } from './idempotency.ts'
import { ipHashOf } from './ip-hash.ts'
import { problem } from './problems.ts'
import {
  challengeParams,
  challengeSchema,
  COMMON_PROBLEMS,
  idempotencyHeaders,
  jsonResponse,
  problemResponses,
  resendBody,
  startBodySchema,
  verdictSchema,
  verifyBodySchema,
} from './schemas.ts'
import { timelineOf, timelineSchema } from './timeline-view.ts'

const PATH = '/v1/challenges'
const TAGS = ['challenges']
const STARTED = {
  201: jsonResponse(challengeSchema, 'The code is handed over to a provider, or the challenge is closed already'),
  202: jsonResponse(challengeSchema, 'The code is still being sent: ask for the status'),
}

export function challengeRoutes(instance: FastifyInstance, deps: RouteDeps): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()
  const { temporal, policy, codes, http, background, inPostgres } = deps
  const actions = createChallengeActions(deps)

  app.post(
    PATH,
    {
      config: { scope: 'challenges:start' },
      schema: {
        summary: 'Start a challenge',
        tags: TAGS,
        headers: idempotencyHeaders,
        body: startBodySchema(policy.purposes),
        response: {
          ...STARTED,
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_member', ...REFUSALS),
        },
      },
    },
    async (request, reply) => {
      const caller = request.caller.name
      const { memberId, purpose, channel, locale, endUserIp } = request.body
      const registering = 'phone' in request.body ? toMobileNumber(request.body.phone, 'JP') : undefined
      const key = request.headers['idempotency-key']
      const started = await actions.start({
        memberId,
        purpose,
        caller,
        ...(channel && { channel }),
        ...(registering && { registering }),
        ...(locale !== undefined && { locale }),
        ...(endUserIp !== undefined && ipHashOf(http, endUserIp)),
        ...idempotencyOf({ caller, key, operation: 'start', path: PATH, body: request.body }),
      })
      return answerStarted(reply, started)
    },
  )

  app.get(
    `${PATH}/:challengeId`,
    {
      config: { scope: 'challenges:read' },
      schema: {
        summary: 'The status of a challenge',
        tags: TAGS,
        params: challengeParams,
        response: {
          200: jsonResponse(challengeSchema, 'As it stands'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_challenge'),
        },
      },
    },
    async (request) => viewOf(await visibleChallenge(request.caller, request.params.challengeId), policy),
  )

  app.get(
    `${PATH}/:challengeId/timeline`,
    {
      config: { scope: 'challenges:read' },
      schema: {
        summary: 'All that happened to a challenge',
        description:
          'For support: each step and attempt with its time, how the code came and went, and never the code.',
        tags: TAGS,
        params: challengeParams,
        response: {
          200: jsonResponse(timelineSchema, 'In the order of time'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_challenge'),
        },
      },
    },
    async ({ caller, params }) => {
      const challengeId = idOf(params.challengeId)
      const record = await inPostgres((sql) => readChallengeRecord(sql, challengeId))
      if (record === undefined || !maySee(caller, record.challenge.caller)) throw unknownChallenge()
      return timelineOf(record, policy)
    },
  )

  app.post(
    `${PATH}/:challengeId/verify`,
    {
      config: { scope: 'challenges:verify' },
      schema: {
        summary: 'Submit a code',
        description: 'The verdict stands when it is answered. What cannot be a code costs no attempt.',
        tags: TAGS,
        params: challengeParams,
        headers: idempotencyHeaders,
        body: verifyBodySchema(codes.digits),
        response: {
          200: jsonResponse(verdictSchema, 'The verdict'),
          ...problemResponses(...COMMON_PROBLEMS, 'invalid_code', 'unknown_challenge'),
        },
      },
    },
    async (request) => {
      const { caller } = request
      const code = normaliseCode(request.body.code, codes.digits)
      if (code === undefined) throw problem('invalid_code', `A code has ${codes.digits} digits.`)
      const challengeId = idOf(request.params.challengeId)
      const attemptId = attemptIdOf(caller.name, request.headers['idempotency-key'])
      const startedBy = caller.scopes.includes('challenges:any') ? {} : { startedBy: caller.name }
      const answer = await actions.verify({ challengeId, code, attemptId, ...startedBy })
      if (answer === undefined) throw unknownChallenge()
      return answer
    },
  )

  app.post(
    `${PATH}/:challengeId/resend`,
    {
      config: { scope: 'challenges:start' },
      // Nothing has to be said: no body is an empty one.
      preValidation: async (request) => {
        request.body ??= {}
      },
      schema: {
        summary: 'Send again, or by the other channel',
        description: 'Starts a newer challenge with a code of its own, which continues this one.',
        tags: TAGS,
        params: challengeParams,
        headers: idempotencyHeaders,
        body: resendBody,
        response: {
          ...STARTED,
          ...problemResponses(
            ...COMMON_PROBLEMS,
            'unknown_challenge',
            'unknown_member',
            'challenge_closed',
            ...REFUSALS,
          ),
        },
      },
    },
    async (request, reply) => {
      const older = await visibleChallenge(request.caller, request.params.challengeId)
      const path = `${PATH}/${older.challengeId}/resend`
      const key = request.headers['idempotency-key']
      const { body } = request
      const started = await actions.resend(older, {
        ...(body.channel && { channel: body.channel }),
        ...idempotencyOf({ caller: request.caller.name, key, operation: 'resend', path, body }),
      })
      return answerStarted(reply, started)
    },
  )

  app.delete(
    `${PATH}/:challengeId`,
    {
      config: { scope: 'challenges:cancel' },
      schema: {
        summary: 'Cancel a challenge',
        tags: TAGS,
        params: challengeParams,
        response: {
          204: z.null().describe('Its outcome is `cancelled`'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_challenge', 'challenge_closed'),
        },
      },
    },
    async (request, reply) => {
      const { challengeId } = await visibleChallenge(request.caller, request.params.challengeId)
      const cancelled = await inPostgres((sql) => cancelChallenge({ sql, temporal, policy }, challengeId))
      if (cancelled === undefined) throw unknownChallenge()
      background.add('tell of a cancel', cancelled.told)
      const { outcome } = cancelled.challenge
      if (outcome !== 'cancelled') {
        throw problem('challenge_closed', 'It has ended already: outcome says how.', { ...(outcome && { outcome }) })
      }
      return reply.code(204).send(null)
    },
  )

  function answerStarted(reply: FastifyReply, challenge: Challenge) {
    actions.requireDeliverable(challenge)
    const isSending = challenge.sentAt === null && challenge.outcome === null
    reply.code(isSending ? 202 : 201).header('location', `${PATH}/${challenge.challengeId}`)
    return viewOf(challenge, policy)
  }

  async function visibleChallenge(caller: ApiCaller, id: string): Promise<Challenge> {
    const challengeId = idOf(id)
    const challenge = await inPostgres((sql) => readChallenge(sql, challengeId))
    if (challenge === undefined || !maySee(caller, challenge.caller)) throw unknownChallenge()
    return challenge
  }
}

const REFUSALS = [
  'undeliverable',
  'idempotency_key_reused',
  'locked',
  'too_many_challenges',
  'delivery_unavailable',
] as const

const unknownChallenge = () => problem('unknown_challenge', 'There is no such challenge, or you did not start it.')

/** RFC 9562 §4: an id has no case. */
function idOf(id: string): string {
  const challengeId = id.toLowerCase()
  if (!isChallengeId(challengeId)) throw unknownChallenge()
  return challengeId
}
