/**
 * Campaigns over HTTP (R6): dry run, start, status, commands.
 */
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { runCampaign, wakeCampaign } from '../client/run-campaign.ts'
import { isCampaignId } from '../domain/campaign.ts'
import { listCampaigns, memberInCampaign, reportCampaign, type CampaignReport } from '../postgres/campaign-reports.ts'
import {
  commandCampaign,
  commandCampaignOnce,
  planCampaign,
  startCampaign,
  startCampaignOnce,
  type CommandRefusal,
} from '../postgres/campaigns.ts'
import {
  campaignListSchema,
  campaignParams,
  campaignReportSchema,
  campaignSchema,
  commandBody,
  memberParams,
  memberStandingSchema,
  planBody,
  plannedSchema,
} from './campaign-schemas.ts'
import { memberView, reportView, statusView, summaryView } from './campaign-view.ts'
import type { RouteDeps } from './deps.ts'
import { commandIdOf, requestKeyOf } from './idempotency.ts'
import { problem } from './problems.ts'
import { COMMON_PROBLEMS, idempotencyHeaders, isMemberId, jsonResponse, problemResponses } from './schemas.ts'

const PATH = '/v1/campaigns'
const TAGS = ['campaigns']
/** How much of the log comes with a campaign. */
export const MOST_LOG_ENTRIES = 200

export function campaignRoutes(instance: FastifyInstance, deps: RouteDeps): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()
  const { temporal, policy, campaign, background, inPostgres, inReports } = deps
  const { adultAge, smsCountries, smsRefusedPrefixes } = policy
  const rules = { adultAge, smsCountries, smsRefusedPrefixes, enforceAfterSeconds: campaign.enforceAfterSeconds }

  const report = async (id: string): Promise<CampaignReport> => {
    const found = isCampaignId(id) ? await inReports((sql) => reportCampaign(sql, id, MOST_LOG_ENTRIES)) : undefined
    if (found === undefined) throw refusalOf('unknown_campaign')
    return found
  }

  app.post(
    `${PATH}/plan`,
    {
      config: { scope: 'campaigns:read' },
      schema: {
        summary: 'The dry run of a plan',
        description: 'How many members each wave would take now, and whom it would exclude. Changes nothing.',
        tags: TAGS,
        body: planBody,
        response: { 200: jsonResponse(plannedSchema, 'The counts'), ...problemResponses(...COMMON_PROBLEMS) },
      },
    },
    async ({ body: { campaignId, plan } }) => {
      const groups = await inReports((sql) => planCampaign(sql, campaignId, withoutGaps(plan), rules))
      return { campaignId, plan, groups, members: groups.reduce((sum, { members }) => sum + members, 0) }
    },
  )

  app.post(
    PATH,
    {
      config: { scope: 'campaigns:write' },
      schema: {
        summary: 'Start a campaign',
        description:
          'The same campaign again is answered with where it stands; where its workflow was lost, it goes on.',
        tags: TAGS,
        headers: idempotencyHeaders,
        body: planBody,
        response: {
          200: jsonResponse(campaignSchema, 'It stands already, with this plan'),
          201: jsonResponse(campaignSchema, 'It has started'),
          ...problemResponses(...COMMON_PROBLEMS, 'other_plan', 'other_campaign', 'idempotency_key_reused'),
        },
      },
    },
    async (request, reply) => {
      const { campaignId } = request.body
      const input = { campaignId, plan: withoutGaps(request.body.plan), by: request.caller.name, claimed: false }
      const key = requestKeyOf({
        caller: request.caller.name,
        key: request.headers['idempotency-key'],
        operation: 'campaign',
        path: PATH,
        body: request.body,
      })
      const start = await inPostgres((sql) => (key ? startCampaignOnce(sql, input, key) : startCampaign(sql, input)))
      if (start !== 'started' && start !== 'existing') throw refusalOf(start)
      const standing = await report(campaignId)
      if (standing.phase !== 'ended') await runCampaign(temporal, input)
      reply.code(start === 'started' ? 201 : 200).header('location', `${PATH}/${campaignId}`)
      return statusView(standing)
    },
  )

  app.get(
    PATH,
    {
      config: { scope: 'campaigns:read' },
      schema: {
        summary: 'All campaigns',
        tags: TAGS,
        response: {
          200: jsonResponse(campaignListSchema, 'The newest first'),
          ...problemResponses(...COMMON_PROBLEMS),
        },
      },
    },
    async () => ({ campaigns: (await inPostgres(listCampaigns)).map(summaryView) }),
  )

  app.get(
    `${PATH}/:campaignId`,
    {
      config: { scope: 'campaigns:read' },
      schema: {
        summary: 'Where a campaign stands, its plan and its log',
        tags: TAGS,
        params: campaignParams,
        response: {
          200: jsonResponse(
            campaignReportSchema,
            `As it stands, with the newest ${MOST_LOG_ENTRIES} entries of the log`,
          ),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_campaign'),
        },
      },
    },
    async (request) => reportView(await report(request.params.campaignId)),
  )

  app.get(
    `${PATH}/:campaignId/members/:memberId`,
    {
      config: { scope: 'campaigns:read' },
      schema: {
        summary: 'Where a member stands in a campaign',
        tags: TAGS,
        params: memberParams,
        response: {
          200: jsonResponse(memberStandingSchema, 'As it stands'),
          ...problemResponses(...COMMON_PROBLEMS, 'unknown_campaign', 'unknown_member'),
        },
      },
    },
    async ({ params: { campaignId, memberId } }) => {
      if (!isCampaignId(campaignId)) throw refusalOf('unknown_campaign')
      if (!isMemberId(memberId)) throw refusalOf('unknown_member')
      const standing = await inPostgres((sql) => memberInCampaign(sql, campaignId, memberId, rules))
      if (typeof standing === 'string') throw refusalOf(standing)
      return memberView(standing)
    },
  )

  app.post(
    `${PATH}/:campaignId/commands`,
    {
      config: { scope: 'campaigns:write' },
      schema: {
        summary: 'Command a campaign',
        description: 'Recorded with who and why. What a command finds done already changes nothing.',
        tags: TAGS,
        params: campaignParams,
        headers: idempotencyHeaders,
        body: commandBody,
        response: {
          200: jsonResponse(campaignSchema, 'It is obeyed: where the campaign stands now'),
          ...problemResponses(
            ...COMMON_PROBLEMS,
            'unknown_campaign',
            'unknown_member',
            'campaign_ended',
            'not_baking',
            'waves_remain',
            'members_remain',
            'idempotency_key_reused',
          ),
        },
      },
    },
    async (request) => {
      const { campaignId } = request.params
      if (!isCampaignId(campaignId)) throw refusalOf('unknown_campaign')
      const command = { ...commandOf(request.body), by: request.caller.name }
      const id = commandIdOf(request.caller.name, request.headers['idempotency-key'], campaignId, request.body)
      const refusal = await inPostgres((sql) =>
        typeof id === 'string'
          ? commandCampaign(sql, campaignId, id, command)
          : commandCampaignOnce(sql, campaignId, id, command),
      )
      if (refusal === 'unknown_campaign') throw refusalOf(refusal)
      const standing = await report(campaignId)
      const { plan, phase } = standing
      const input = { campaignId, plan, by: request.caller.name, claimed: false }
      // Also by what is refused: a workflow that was terminated comes back.
      background.add('wake a campaign', wakeCampaign(temporal, { input, hasEnded: phase === 'ended' }))
      if (refusal) throw refusalOf(refusal)
      return statusView(standing)
    },
  )
}

type Refusal = CommandRefusal | 'other_plan' | 'other_campaign' | 'idempotency_key_reused'

const REFUSALS: Readonly<Record<Refusal, string>> = {
  unknown_campaign: 'There is no such campaign.',
  unknown_member: 'There is no such member.',
  campaign_ended:
    'It was completed or aborted. A member can be exempted all the same, and an abort with rollback takes it back where it was not yet and no other campaign stands.',
  not_baking: 'Only a wave whose notices were all sent bakes, until its gate has passed it.',
  waves_remain: 'It is completed when every wave has passed. To end it before, abort it.',
  members_remain:
    'Notices are still to be sent, or dates that were announced have not come. To end it before, abort it.',
  other_plan: 'A campaign of this id was started with another plan. Give this one another id.',
  other_campaign: 'One campaign stands at a time: complete or abort that one first, and let it roll back.',
  idempotency_key_reused: 'The Idempotency-Key was used for another request.',
}

const refusalOf = (refusal: Refusal) => problem(refusal, REFUSALS[refusal])

type Plan = typeof planBody._output.plan
/** Without fields that are there and undefined: what Postgres keeps is compared whole. */
const withoutGaps = (plan: Plan) => ({
  ...plan,
  waves: plan.waves.map(({ ratePerMinute, ...wave }) => ({
    ...wave,
    ...(ratePerMinute !== undefined && { ratePerMinute }),
  })),
})

function commandOf(body: typeof commandBody._output) {
  if (body.command !== 'abort') return body
  const { rollback = false, ...rest } = body
  return { ...rest, rollback }
}
