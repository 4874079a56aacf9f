/**
 * Pages for operators (O3): campaigns, with pictures.
 */
import { STATUS_CODES } from 'node:http'
import { html } from '@remix-run/html-template'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { isCampaignId } from '../domain/campaign.ts'
import { renderCampaign } from '../pages/campaigns/campaign-page.ts'
import { renderCampaigns } from '../pages/campaigns/index-page.ts'
import { PAGE_POLICY, renderDocument, type Document } from '../pages/document.ts'
import { campaignFigures, listCampaigns, reportCampaign } from '../postgres/campaign-reports.ts'
import { readAsset, serveAssets } from './assets.ts'
import { MOST_LOG_ENTRIES } from './campaign-routes.ts'
import { within } from './deadline.ts'
import type { RouteDeps } from './deps.ts'
import { describeError } from '../logging/describe-error.ts'
import { problem, PROBLEMS, toProblem } from './problems.ts'
import { createSharedLook } from './shared-look.ts'

const STYLE = readAsset('pages', 'css', ['base.css', 'style.css'])

const FOR_OPERATORS = { config: { scope: 'campaigns:read', forBrowsers: true }, schema: { hide: true } } as const
const INDEX = { title: 'Campaigns', href: '/campaigns' }
const RENEW_SECONDS = 5
/** The page does not wait longer; the count goes on, and the next page has it. */
const FIGURES_WITHIN_MS = 5_000
/** Samples of the history: as many as its chart is wide, about. */
const POINTS = 120

export function campaignPageRoutes(app: FastifyInstance, deps: RouteDeps): void {
  const { inPostgres, inReports } = deps
  answerProblemsAsPages(app)

  const lookAt = createSharedLook((campaignId) =>
    inReports(async (sql) => ({
      report: await reportCampaign(sql, campaignId, MOST_LOG_ENTRIES),
      at: new Date().toISOString(),
    })),
  )
  const figuresOf = createSharedLook((campaignId) => inReports((sql) => campaignFigures(sql, campaignId, POINTS)))

  serveAssets(app, [STYLE])

  app.get('/campaigns', FOR_OPERATORS, async (_request, reply) =>
    sendPage(reply, { title: INDEX.title, content: renderCampaigns(await inPostgres(listCampaigns)) }),
  )

  app.get<{ Params: { campaignId: string }; Querystring: Record<string, unknown> }>(
    '/campaigns/:campaignId',
    FOR_OPERATORS,
    async ({ params: { campaignId }, query, log }, reply) => {
      const { report, at } = isCampaignId(campaignId) ? await lookAt(campaignId) : { at: '' }
      if (report === undefined) throw problem('unknown_campaign', 'There is no such campaign.')
      const figures = await within(FIGURES_WITHIN_MS, figuresOf(campaignId)).catch((error: unknown) => {
        log.warn({ err: describeError(error) }, 'the figures of a campaign could not be counted')
        return undefined
      })
      const isOver = report.phase === 'ended'
      const renewSeconds = isOver || 'still' in query ? undefined : RENEW_SECONDS
      return sendPage(reply, {
        title: campaignId,
        above: [INDEX],
        ...(renewSeconds !== undefined && { renewSeconds }),
        content: renderCampaign({ report, figures, at, renewSeconds }),
      })
    },
  )
}

function sendPage(reply: FastifyReply, document: Omit<Document, 'style'>): FastifyReply {
  return reply
    .header('content-security-policy', PAGE_POLICY)
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(renderDocument({ ...document, style: STYLE.path }))
}

/** Whoever opens a page reads why it is none. */
function answerProblemsAsPages(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const { code, detail, extras } = toProblem(error)
    const { status, title } = PROBLEMS[code]
    if (status >= 500) request.log.error({ err: describeError(error) }, code)
    reply.code(status).headers({ ...extras.headers })
    if (extras.retryAfter !== undefined) reply.header('retry-after', String(extras.retryAfter))
    return sendPage(reply, {
      title,
      above: [INDEX],
      content: html`<h1>${title}</h1>
<p class="lead">${detail}</p>
<p class="quiet">${status} ${STATUS_CODES[status]}. <a href="/campaigns">All campaigns</a></p>`,
    })
  })
}
