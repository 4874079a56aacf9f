/**
 * What members read instead of a page. Each has its words in the catalogues, under `pages.problem`.
 */
import { PROBLEMS, ProblemError, toProblem } from '../problems.ts'

/** Every kind, with its status. */
const STATUSES = {
  bad_request: 400,
  cross_site: 403,
  cookies_needed: 403,
  visit_over: 403,
  not_found: 404,
  link_unknown: 404,
  link_used: 410,
  link_expired: 410,
  too_many: 429,
  internal_error: 500,
  unavailable: 503,
} as const

export type PageProblemKind = keyof typeof STATUSES

/** Thrown by pages; leaves the API as a page. */
class PageProblem extends Error {
  override name = 'PageProblem'
  readonly kind: PageProblemKind
  constructor(kind: PageProblemKind) {
    super(kind)
    this.kind = kind
  }
}

export const pageProblem = (kind: PageProblemKind) => new PageProblem(kind)

/** What any error is to a member, and its status. */
export function toPageProblem(error: unknown): { kind: PageProblemKind; status: number } {
  if (error instanceof PageProblem) return { kind: error.kind, status: STATUSES[error.kind] }
  const { code } = error instanceof ProblemError ? error : toProblem(error)
  const { status } = PROBLEMS[code]
  if (code === 'unavailable') return { kind: 'unavailable', status }
  if (status >= 500) return { kind: 'internal_error', status }
  return { kind: status === 404 ? 'not_found' : 'bad_request', status }
}
