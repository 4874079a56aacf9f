/**
 * No other site posts our forms, whatever cookies a browser sends along: `Sec-Fetch-Site` tells where a request comes
 * from, and `Origin` where a browser does not send that (older ones, and plain HTTP beyond this machine).
 */
import type { FastifyRequest } from 'fastify'
import { pageProblem } from './page-problems.ts'

const CHANGES_NOTHING = new Set(['GET', 'HEAD'])
/** `none`: the member's own doing, such as a reload. */
const OWN = new Set(['same-origin', 'none'])

/** @throws {PageProblem} `cross_site` */
export function refuseOtherSites({ method, headers }: FastifyRequest, publicUrl: string): void {
  if (CHANGES_NOTHING.has(method)) return
  const site = headers['sec-fetch-site']
  const isOurs = site === undefined ? headers.origin === publicUrl : typeof site === 'string' && OWN.has(site)
  if (!isOurs) throw pageProblem('cross_site')
}
