/**
 * Links to the members' pages (section I, P1), and the keys that the proofs of these pages are verified with.
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isChallengeId } from '../domain/challenge.ts'
import { makePageLink } from '../postgres/page-visits.ts'
import type { RouteDeps } from './deps.ts'
import { requestKeyOf } from './idempotency.ts'
import { isoTime } from './iso-time.ts'
import { createLinkTokens, hashOfToken } from './link-token.ts'
import { problem } from './problems.ts'
import { allowedReturnUrl } from './return-url.ts'
import {
  COMMON_PROBLEMS,
  idempotencyHeaders,
  jsonResponse,
  pageLinkBodySchema,
  pageLinkSchema,
  problemResponses,
} from './schemas.ts'

const PATH = '/v1/page-links'
/** An upstream that caches the keys learns of a new one by then; a key is published before it signs. */
const JWKS_SECONDS = 300

export function pageLinkRoutes(instance: FastifyInstance, { policy, pages, proofs, inPostgres }: RouteDeps): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()
  const tokens = createLinkTokens(pages.proofKeys)

  app.post(
    PATH,
    {
      config: { scope: 'page-links:create' },
      schema: {
        summary: 'Make a link to a page for a member',
        description: 'The link lives 2 minutes and can be spent once: send the member there at once.',
        tags: ['pages'],
        headers: idempotencyHeaders,
        body: pageLinkBodySchema(policy.purposes),
        response: {
          201: jsonResponse(pageLinkSchema, 'The link'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_member', 'unknown_challenge', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { caller, body } = request
      const { memberId, page, state, locale } = body
      const { challengeId, purpose } = 'challengeId' in body || 'purpose' in body ? aboutOf(body) : {}
      const returnUrl =
        body.returnUrl === undefined ? undefined : allowedReturnUrl(pages.returnRules, caller.name, body.returnUrl)
      if (body.returnUrl !== undefined && returnUrl === undefined) {
        throw problem('invalid_request', 'returnUrl: is not one that is allowed to you.')
      }
      const key = requestKeyOf({
        caller: caller.name,
        key: request.headers['idempotency-key'],
        operation: 'page-link',
        path: PATH,
        body,
      })
      const made = tokens.make(key)
      const link = await inPostgres((sql) =>
        makePageLink(sql, {
          ...key,
          tokenHash: hashOfToken(made),
          memberId,
          page,
          caller: caller.name,
          anyCaller: caller.scopes.includes('challenges:any'),
          ...(challengeId !== undefined && { challengeId }),
          ...(purpose !== undefined && { purpose }),
          ...(returnUrl !== undefined && { returnUrl }),
          ...(state !== undefined && { state }),
          ...(locale !== undefined && { locale }),
        }),
      )
      if (link.kind === 'unknown_challenge') throw unknownChallenge()
      if (link.kind === 'idempotency_key_reused') throw keyReused()
      if (link.kind !== 'made') throw problem(link.kind, 'There is no such member, or they have withdrawn.')
      const madeBefore = Buffer.from(link.tokenHash, 'hex')
      const token = hashOfToken(made).equals(madeBefore) ? made : tokens.again(key, madeBefore)
      if (token === undefined) throw keyReused()
      reply.code(201)
      return { url: `${pages.publicUrl}/open/${token}`, expiresAt: isoTime(link.expiresAt) }
    },
  )

  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        summary: 'The keys that proofs are verified with (RFC 7517)',
        tags: ['pages'],
        security: [],
        response: { 200: jsonResponse(z.object({ keys: z.array(z.looseObject({ kid: z.string() })) }), 'All of them') },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', `public, max-age=${JWKS_SECONDS}`)
      return proofs.jwks as { keys: { kid: string }[] }
    },
  )
}

/** RFC 9562 §4: an id has no case. */
function aboutOf({ challengeId, purpose }: { challengeId?: string | undefined; purpose?: string | undefined }) {
  if (challengeId === undefined) return { purpose }
  const id = challengeId.toLowerCase()
  if (!isChallengeId(id)) throw unknownChallenge()
  return { challengeId: id }
}

const keyReused = () => problem('idempotency_key_reused', 'Use a new key for another link.')

const unknownChallenge = () =>
  problem('unknown_challenge', 'That member has no such challenge, or you did not start it.')
