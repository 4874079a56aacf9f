/**
 * Sending events again (U4): for an upstream that has lost what it had read of `otp-events`.
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { askReplay, readReplay, type Replay } from '../postgres/outbox.ts'
import type { RouteDeps } from './deps.ts'
import { isoTime } from './iso-time.ts'
import { problem } from './problems.ts'
import { COMMON_PROBLEMS, idempotencyHeaders, instant, jsonResponse, memberId, problemResponses } from './schemas.ts'

const PATH = '/v1/event-replays'
const TAGS = ['events']
/** Any UUID that is used for nothing else: the same key of the same caller is the same replay. */
const KEYS = '6f0d1f3a-6c0b-4b0e-9d7a-0d5c8f5a3b11'

const moment = instant('wants a time such as 2026-11-01T00:00:00Z')
const bodySchema = z
  .strictObject({
    from: moment.describe('Events that occurred then or later'),
    to: moment.optional().describe('and before that; all there are where absent'),
    memberId: memberId.optional().describe('Of this member; of all, and of campaigns, where absent'),
  })
  .refine(({ from, to }) => to === undefined || from < to, 'wants from before to')

const time = z.string().meta({ format: 'date-time' })
const replaySchema = z
  .object({
    replayId: z.string().meta({ format: 'uuid' }),
    from: time,
    to: time.optional(),
    memberId: z.string().optional(),
    askedAt: time,
    doneAt: time.optional().describe('Since then they wait in the outbox again, before all that came later'),
    events: z.int().min(0).optional().describe('How many go out again; with doneAt'),
  })
  .meta({ id: 'EventReplay' })
export type EventReplayAnswer = z.infer<typeof replaySchema>
export type EventReplayBody = z.input<typeof bodySchema>

export function eventReplayRoutes(instance: FastifyInstance, { inPostgres, log }: RouteDeps): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.post(
    PATH,
    {
      config: { scope: 'events:replay' },
      schema: {
        summary: 'Send events again',
        description:
          'Puts events that were sent, and are still kept, back into the outbox: they go out again under the same ids, ' +
          'in the order of each member. The relay does it between two of its batches; ask until it is done.',
        tags: TAGS,
        headers: idempotencyHeaders,
        body: bodySchema,
        response: {
          202: jsonResponse(replaySchema, 'It was asked for'),
          ...problemResponses(...COMMON_PROBLEMS, 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { from, to, memberId } = request.body
      const askedBy = request.caller.name
      const key = request.headers['idempotency-key']
      const replayId = key === undefined ? uuidv7() : uuidv5(`${askedBy}:${key}`, KEYS)
      const replay = await inPostgres((sql) => askReplay(sql, { replayId, from, to, memberId, askedBy }))
      if (replay === undefined) {
        throw problem('idempotency_key_reused', 'This key was used for another replay: choose a new one.')
      }
      log.info({ caller: askedBy }, 'events are to be sent again')
      reply.code(202).header('location', `${PATH}/${replayId}`)
      return viewOf(replay)
    },
  )

  app.get(
    `${PATH}/:replayId`,
    {
      config: { scope: 'events:replay' },
      schema: {
        summary: 'How far a replay is',
        tags: TAGS,
        params: z.object({ replayId: z.string().meta({ format: 'uuid' }) }),
        response: {
          200: jsonResponse(replaySchema, 'As it stands'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_replay'),
        },
      },
    },
    async (request) => {
      const { replayId } = request.params
      const isId = z.uuid().safeParse(replayId).success
      const replay = isId ? await inPostgres((sql) => readReplay(sql, replayId)) : undefined
      if (replay === undefined) throw problem('unknown_replay', 'There is no such replay.')
      return viewOf(replay)
    },
  )
}

const viewOf = ({ replayId, from, to, memberId, askedAt, doneAt, events }: Replay) => ({
  replayId,
  from: isoTime(from),
  ...(to !== null && { to: isoTime(to) }),
  ...(memberId !== null && { memberId }),
  askedAt: isoTime(askedAt),
  ...(doneAt !== null && { doneAt: isoTime(doneAt) }),
  ...(events !== null && { events }),
})
