/**
 * The one place where errors become HTTP: problem details (RFC 9457) with stable codes.
 *
 * No text here or elsewhere in the API repeats what a caller sent: it may be a code, a phone number or an address.
 */
import { isGrpcServiceError, ServiceError } from '@temporalio/client'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { UnknownKeyError } from '../codes/code.ts'
import type { Advice, Outcome } from '../domain/challenge.ts'
import { UnavailableError } from './deadline.ts'

/** Every code, with its status and title. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  invalid_code: { status: 400, title: 'That cannot be a code' },
  unauthorized: { status: 401, title: 'No valid API key, access token or signature' },
  forbidden: { status: 403, title: 'The caller has not the scope' },
  not_found: { status: 404, title: 'There is nothing here' },
  unknown_member: { status: 404, title: 'The member is not known' },
  unknown_challenge: { status: 404, title: 'The challenge is not known' },
  unknown_campaign: { status: 404, title: 'The campaign is not known' },
  unknown_replay: { status: 404, title: 'The replay is not known' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  challenge_closed: { status: 409, title: 'The challenge is closed' },
  other_plan: { status: 409, title: 'The campaign has another plan' },
  other_campaign: { status: 409, title: 'Another campaign stands' },
  campaign_ended: { status: 409, title: 'The campaign has ended' },
  not_baking: { status: 409, title: 'No wave bakes' },
  waves_remain: { status: 409, title: 'Waves remain' },
  members_remain: { status: 409, title: 'Members remain' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The path is too long' },
  unsupported_media_type: { status: 415, title: 'The body is not application/json' },
  undeliverable: { status: 422, title: 'The code cannot be delivered' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used for another request' },
  locked: { status: 423, title: 'The member is locked' },
  too_many_challenges: { status: 429, title: 'Too many challenges' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },
  delivery_unavailable: { status: 503, title: 'No provider takes codes at the moment' },
  unavailable: { status: 503, title: 'The service is not available' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof PROBLEMS

/** What some problems say beside their code. */
export interface ProblemExtras {
  /** Seconds; goes out as the header Retry-After too. */
  readonly retryAfter?: number
  /** With `undeliverable`. */
  readonly reason?: string
  readonly advice?: Advice
  /** With `challenge_closed`: the outcome that stands. */
  readonly outcome?: Outcome
  /** With `unavailable` of `/readyz`: what was seen of each part. */
  readonly parts?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** Thrown by routes; leaves the API as problem details. */
export class ProblemError extends Error {
  override name = 'ProblemError'
  readonly code: ProblemCode
  readonly detail: string
  readonly extras: ProblemExtras
  constructor(code: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(code)
    this.code = code
    this.detail = detail
    this.extras = extras
  }
}

export const problem = (code: ProblemCode, detail: string, extras?: ProblemExtras) =>
  new ProblemError(code, detail, extras)

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/** The body of a problem. @param requestId none for what never became a request */
export function problemBody(
  { code, detail, extras: { headers: _headers, ...extras } }: ProblemError,
  requestId?: string,
) {
  const { status, title } = PROBLEMS[code]
  return {
    type: `urn:one-time-password:${code}`,
    title,
    status,
    detail,
    code,
    ...extras,
    ...(requestId !== undefined && { requestId }),
  }
}

/** What any error is to the caller. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error.validation)
  const { statusCode } = fieldsOf(error)
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) return refusedByServer(statusCode)
  if (isUnavailable(error)) {
    return problem(
      'unavailable',
      'Try again soon; with an Idempotency-Key the same request may be repeated without harm.',
      { retryAfter: 1 },
    )
  }
  return problem(
    'internal_error',
    'It was not carried out, or only in part: repeat it with its Idempotency-Key, or tell us the requestId.',
  )
}

/** What stands as a code and is no text cannot be one (C5): the answer is `invalid_code`. */
export const NOT_A_CODE = 'wants a text of digits'

interface Issue {
  readonly keyword: string
  readonly instancePath: string
  readonly message?: string
}

const MOST_ISSUES = 5

function invalidRequest(issues: readonly Issue[]): ProblemError {
  if (issues.every(({ message }) => message === NOT_A_CODE))
    return problem('invalid_code', 'A code is a text of digits.')
  const mistakes = issues.slice(0, MOST_ISSUES).map(({ keyword, instancePath, message }) => {
    const field = instancePath.slice(1)
    if (keyword === 'unrecognized_keys') return 'There is a field that is not known here: /docs has those that are.'
    return `${field || 'The body'}: ${message ?? 'is not valid'}.`
  })
  return problem('invalid_request', mistakes.join(' '))
}

/** What the HTTP server itself refuses, by its status. */
function refusedByServer(status: number): ProblemError {
  if (status === 404) return problem('not_found', 'There is no such path: /docs has those that there are.')
  if (status === 408) return problem('request_timeout', 'Send the whole request faster.')
  if (status === 413) return problem('payload_too_large', 'Send less.')
  if (status === 414) return problem('uri_too_long', 'Ask for a shorter path.')
  if (status === 415) return problem('unsupported_media_type', 'Send application/json in UTF-8, not compressed.')
  if (status === 431) return problem('headers_too_large', 'Send fewer or shorter headers.')
  return problem('invalid_request', 'The request cannot be read: it has to be well-formed HTTP and JSON.')
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
])
/**
 * SQLSTATEs of a server that cannot work just now, or will not let us in: whole classes, one that takes no writes, and one whose
 * schema is not there yet.
 */
const SERVER_UNAVAILABLE = /^(?:(?:08|28|3D|40|53|55|57|58)[0-9A-Z]{3}|25006|42P01|42883)$/

/** Whether a part that we depend on is at fault: Postgres, Temporal, or a master key that is missing (I8). */
function isUnavailable(error: unknown): boolean {
  if (error instanceof UnavailableError || error instanceof UnknownKeyError) return true
  if (error instanceof ServiceError || isGrpcServiceError(error)) return true
  const { code } = fieldsOf(error)
  return typeof code === 'string' && (UNREACHABLE.has(code) || SERVER_UNAVAILABLE.test(code))
}

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
