/**
 * What every page of members needs: who is there, in which language, and how a page goes out.
 */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isChallengeId } from '../../domain/challenge.ts'
import type { SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'
import { renderFrame } from '../../pages/members/frame.ts'
import { readVisit, type PageName, type Visit } from '../../postgres/page-visits.ts'
import { readAsset } from '../assets.ts'
import type { RouteDeps } from '../deps.ts'
import { createPageCookies, hashOf, type PageCookies } from './cookies.ts'
import { languageOf } from './language.ts'
import { hereOf } from './own-path.ts'
import { pageProblem } from './page-problems.ts'

const STYLE = readAsset('members', 'css', ['base.css', 'members/style.css'])
const SCRIPT = readAsset('members', 'js', ['members/script.js'])
export const PAGE_ASSETS = [STYLE, SCRIPT]

export interface MemberPage {
  readonly title: string
  readonly content: SafeHtml
  /** 200 where absent. */
  readonly status?: number
  /** Where the page's forms may lead to beside ourselves: Chromium applies `form-action` to redirects too. */
  readonly returnUrl?: string | null
}

export interface PageTools {
  readonly cookies: PageCookies
  languageOf(request: FastifyRequest): Catalog
  sendPage(request: FastifyRequest, reply: FastifyReply, page: MemberPage): FastifyReply
  /**
   * The visit that the path names, where it is this browser's.
   *
   * @throws {PageProblem} `visit_over` for every other: it is never told whether there is such a visit
   */
  requireVisit(request: FastifyRequest, visitId: string, page: PageName): Promise<Visit>
}

export function createPageTools({ pages, inPostgres }: RouteDeps): PageTools {
  const cookies = createPageCookies(pages.publicUrl)
  const languageFor = (request: FastifyRequest) => languageOf(request, cookies)
  return {
    cookies,
    languageOf: languageFor,
    sendPage(request, reply, { status = 200, returnUrl, ...page }) {
      const nonce = randomUUID()
      return reply
        .code(status)
        .headers({ ...PRIVATE, 'content-security-policy': policyOf(nonce, returnUrl) })
        .type('text/html; charset=utf-8')
        .send(
          renderFrame({
            ...page,
            catalog: languageFor(request),
            assets: { style: STYLE.path, script: SCRIPT.path, nonce },
            here: hereOf(request, pages.publicUrl),
          }),
        )
    },
    async requireVisit(request, visitId, page) {
      const session = cookies.sessionOf(request)
      if (session === undefined || !isChallengeId(visitId)) throw pageProblem('visit_over')
      const visit = await inPostgres((sql) => readVisit(sql, hashOf(session), visitId))
      if (visit === undefined || visit.page !== page) throw pageProblem('visit_over')
      return visit
    },
  }
}

/**
 * `same-origin`: with `no-referrer` a browser would call the origin of our own forms `null`. WebOTP fills in the code for
 * this page alone.
 */
const PRIVATE = {
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'permissions-policy': 'otp-credentials=(self)',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** By nonce: the page's own style and script, and nothing else that could be had from our origin. */
function policyOf(nonce: string, returnUrl: string | null | undefined): string {
  const formTargets = ["'self'", ...(returnUrl ? [new URL(returnUrl).origin] : [])]
  return [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    `form-action ${formTargets.join(' ')}`,
    "frame-ancestors 'none'",
  ].join('; ')
}
