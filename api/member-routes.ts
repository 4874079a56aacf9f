/**
 * Members over HTTP (U1), for support: what stands, and unlocking.
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { activeMember } from '../postgres/admission.ts'
import { readSupportView, unlockMember } from '../postgres/support.ts'
import type { RouteDeps } from './deps.ts'
import { requestKeyOf } from './idempotency.ts'
import { isoTime } from './iso-time.ts'
import { memberParams, memberSchema, unlockBody, unlockedSchema } from './member-schemas.ts'
import { memberView } from './member-view.ts'
import { problem } from './problems.ts'
import { COMMON_PROBLEMS, idempotencyHeaders, isMemberId, jsonResponse, problemResponses } from './schemas.ts'

const PATH = '/v1/members/:memberId'
const TAGS = ['members']
const MOST_CHALLENGES = 10

export function memberRoutes(instance: FastifyInstance, { policy, inPostgres }: RouteDeps): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.get(
    PATH,
    {
      config: { scope: 'members:read' },
      schema: {
        summary: 'A member, for support',
        description: `Where a code would go and why, whether the member is locked, and the newest ${MOST_CHALLENGES} challenges.`,
        tags: TAGS,
        params: memberParams,
        response: {
          200: jsonResponse(memberSchema, 'As it stands'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_member'),
        },
      },
    },
    async ({ params }) => {
      const memberId = idOf(params.memberId)
      const [view, member] = await inPostgres((sql) =>
        Promise.all([
          readSupportView(sql, memberId, MOST_CHALLENGES),
          activeMember(sql, policy, memberId, { heedsReceipts: true }),
        ]),
      )
      if (view === undefined) throw unknownMember()
      return memberView(memberId, view, member, policy)
    },
  )

  app.post(
    `${PATH}/unlock`,
    {
      config: { scope: 'members:write' },
      schema: {
        summary: 'Unlock a member',
        description: 'Forgives the wrong codes, also of a member who is not locked yet. Recorded with who and why.',
        tags: TAGS,
        params: memberParams,
        headers: idempotencyHeaders,
        body: unlockBody,
        response: {
          200: jsonResponse(unlockedSchema, 'The member is not locked'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_member', 'idempotency_key_reused'),
        },
      },
    },
    async ({ params, body, headers, caller }) => {
      const memberId = idOf(params.memberId)
      const key = requestKeyOf({
        caller: caller.name,
        key: headers['idempotency-key'],
        operation: 'unlock',
        path: `/v1/members/${memberId}/unlock`,
        body,
      })
      const unlocked = await inPostgres((sql) =>
        unlockMember(sql, { memberId, by: caller.name, why: body.why, ...key }),
      )
      if (unlocked.kind === 'unknown_member') throw unknownMember()
      if (unlocked.kind !== 'done') throw problem(unlocked.kind, 'The Idempotency-Key was used for another request.')
      return { memberId, isUnlocked: unlocked.isUnlocked, at: isoTime(unlocked.at) }
    },
  )
}

const unknownMember = () => problem('unknown_member', 'There is no such member.')

function idOf(id: string): string {
  if (!isMemberId(id)) throw unknownMember()
  return id
}
