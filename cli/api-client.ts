/**
 * The HTTP API as `otp` uses it: typed calls, and failures that say what to do.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type {
  CampaignAnswer,
  CampaignListAnswer,
  CampaignMemberAnswer,
  CampaignReportAnswer,
  CommandBody,
  PlanBody,
  PlannedAnswer,
} from '../api/campaign-schemas.ts'
import type { EventReplayAnswer, EventReplayBody } from '../api/event-replay-routes.ts'
import type { MemberAnswer, UnlockBody, UnlockedAnswer } from '../api/member-schemas.ts'
import type { TimelineAnswer } from '../api/timeline-view.ts'
import type { Endpoint } from './endpoint.ts'
import { CliFailure } from './failure.ts'

/** A dry run over millions of members takes its time; the API ends it before. */
const ANSWER_WITHIN_MS = 60_000
/** The same request, with the same key, where no answer came. */
const TRIES = 3
const PAUSE_MS = 500
/** What a proxy says where the API behind it does not answer: Bad Gateway, Service Unavailable, Gateway Timeout. */
const GATEWAY_PROBLEMS = new Set([502, 503, 504])

export type ApiClient = ReturnType<typeof createApiClient>

export function createApiClient({ url, apiKey }: Endpoint) {
  async function call<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const headers = {
      authorization: `Bearer ${apiKey}`,
      'idempotency-key': randomUUID(),
      ...(body && { 'content-type': 'application/json' }),
    }
    const request = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    for (let tries = 1; ; tries++) {
      try {
        return await once<T>(`${url}${path}`, request)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
        if (tries === TRIES) throw new CliFailure('unreachable', unreachable(url, error.message, method))
        await wait(tries * PAUSE_MS)
      }
    }
  }

  const path = (...parts: readonly string[]) => ['/v1/campaigns', ...parts.map(encodeURIComponent)].join('/')
  return {
    /** Of the page with pictures. */
    pageOf: (campaignId: string) => `${url}/campaigns/${encodeURIComponent(campaignId)}`,
    plan: (body: PlanBody) => call<PlannedAnswer>('POST', path('plan'), body),
    start: (body: PlanBody) => call<CampaignAnswer>('POST', path(), body),
    list: () => call<CampaignListAnswer>('GET', path()),
    show: (campaignId: string) => call<CampaignReportAnswer>('GET', path(campaignId)),
    member: (campaignId: string, memberId: string) =>
      call<CampaignMemberAnswer>('GET', path(campaignId, 'members', memberId)),
    command: (campaignId: string, body: CommandBody) =>
      call<CampaignAnswer>('POST', path(campaignId, 'commands'), body),
    timeline: (challengeId: string) =>
      call<TimelineAnswer>('GET', `/v1/challenges/${encodeURIComponent(challengeId)}/timeline`),
    supportedMember: (memberId: string) => call<MemberAnswer>('GET', `/v1/members/${encodeURIComponent(memberId)}`),
    unlock: (memberId: string, body: UnlockBody) =>
      call<UnlockedAnswer>('POST', `/v1/members/${encodeURIComponent(memberId)}/unlock`, body),
    replayEvents: (body: EventReplayBody) => call<EventReplayAnswer>('POST', '/v1/event-replays', body),
    replay: (replayId: string) => call<EventReplayAnswer>('GET', `/v1/event-replays/${encodeURIComponent(replayId)}`),
  }
}

/** It may be tried again: nobody answered, or somebody who could not do it just now. */
class NoAnswer extends Error {
  override name = 'NoAnswer'
}

async function once<T>(url: string, request: RequestInit): Promise<T> {
  const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch(
    (error: unknown) => {
      throw new NoAnswer(reasonOf(error))
    },
  )
  const text = await answer.text().catch((error: unknown) => {
    throw new NoAnswer(reasonOf(error))
  })
  const value = jsonOf(text)
  if (answer.ok && value !== undefined) return value as T
  if (isProblem(value)) throw value.status === 503 ? new NoAnswer(value.detail) : refused(value)
  if (GATEWAY_PROBLEMS.has(answer.status)) throw new NoAnswer(`HTTP ${answer.status}`)
  throw new CliFailure(
    'unreachable',
    `What answers at ${new URL(url).origin} is not this API (HTTP ${answer.status}): see OTP_API_URL.`,
  )
}

interface Problem {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && 'detail' in value && 'status' in value

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Network errors of fetch hide what went wrong in their cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.name : 'no answer'
}

const unreachable = (url: string, reason: string, method: 'GET' | 'POST') =>
  `The API at ${url} cannot be reached (${reason}). Is it running? OTP_API_URL names another; npm start runs one here.` +
  (method === 'POST' ? ' Whether the request was carried out is not known: look before you repeat it.' : '')

/** What an operator can do about a refusal. */
const NEXT: Readonly<Record<string, string>> = {
  unauthorized: 'Set OTP_API_KEY to a key that this API knows (OTP_API_KEYS of the API).',
  forbidden: 'Use a key with that scope: OTP_API_KEYS of the API lists the scopes of each.',
  unknown_campaign: 'otp campaign list shows those there are.',
  other_campaign: 'otp campaign list shows it.',
  unknown_challenge: 'A challenge that another caller started needs a key with challenges:any.',
  other_plan: 'otp campaign show <campaign> shows the plan that stands.',
  campaign_ended: 'otp campaign show <campaign> shows how it ended.',
  not_baking: 'otp campaign watch <campaign> shows when one does.',
  waves_remain: 'otp campaign watch <campaign> shows how far it is.',
  members_remain: 'otp campaign show <campaign> shows who is awaiting or announced, and which notices are due.',
}

function refused({ code, title, detail }: Problem): CliFailure {
  const next = NEXT[code]
  const kind = code === 'invalid_request' ? 'usage' : 'refused'
  return new CliFailure(kind, [`${title} (${code}).`, detail, ...(next ? [next] : [])].join('\n  '))
}
