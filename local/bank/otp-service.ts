/**
 * The one-time password service, as its HTTP API shows it to an upstream: four calls with our API key.
 */
import { z } from 'zod'

const challenge = z.object({
  challengeId: z.string(),
  /** `sending`, `open`, or the outcome. */
  status: z.string(),
  /** ISO 8601. */
  expiresAt: z.string().optional(),
  /** The challenge that was sent instead of this one ("send again", "by e-mail"). */
  continuedBy: z.string().optional(),
})
export type Challenge = z.output<typeof challenge>

const problem = z.object({ code: z.string(), retryAfter: z.number().optional() })
const pageLink = z.object({ url: z.url() })

/** The service said no, in a way that saying it again will not change. */
export class OtpRefusal extends Error {
  override name = 'OtpRefusal'
  readonly code: string
  /** Seconds until it makes sense to ask again. */
  readonly retryAfter: number | undefined

  constructor({ code, retryAfter }: z.output<typeof problem>) {
    super(`the one-time password service refuses: ${code}`)
    this.code = code
    this.retryAfter = retryAfter
  }
}

export interface PageLinkRequest {
  readonly memberId: string
  readonly page: 'code-entry' | 'notification-destination'
  readonly challengeId?: string
  readonly returnUrl: string
  readonly state?: string
  readonly locale: string
}

export interface OtpService {
  /** @param idempotencyKey whoever repeats the call with the same key gets the same challenge, and nobody a second code */
  startChallenge(request: { memberId: string; purpose: string }, idempotencyKey: string): Promise<Challenge>
  /** The challenge, or the newest that continues it. */
  readChallenge(challengeId: string): Promise<Challenge>
  cancelChallenge(challengeId: string): Promise<void>
  /** @returns the page's address, for this member's browser and for two minutes */
  makePageLink(request: PageLinkRequest): Promise<string>
}

/** Longer than the service takes to answer, whatever its own parts do. */
const ANSWER_WITHIN_MS = 10_000

/**
 * Every function throws an {@link OtpRefusal} where the service says no, and any other error where it does not answer.
 *
 * @param url of the API
 */
export function createOtpService({ url, apiKey }: { url: string; apiKey: string }): OtpService {
  async function call(method: string, path: string, body?: object, idempotencyKey?: string): Promise<unknown> {
    const answer = await fetch(`${url}/v1/${path}`, {
      method,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(body && { 'content-type': 'application/json' }),
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (answer.ok) return answer.status === 204 ? undefined : answer.json()
    // Without the service's own words it was not the service that answered.
    const said = problem.safeParse(await answer.json().catch(() => undefined))
    if (answer.status >= 500 || !said.success) throw new Error(`the one-time password service: ${answer.status}`)
    throw new OtpRefusal(said.data)
  }
  const pathOf = (challengeId: string) => `challenges/${encodeURIComponent(challengeId)}`

  return {
    startChallenge: async (request, key) => challenge.parse(await call('POST', 'challenges', request, key)),
    async readChallenge(challengeId) {
      let newest = challenge.parse(await call('GET', pathOf(challengeId)))
      while (newest.continuedBy !== undefined) newest = challenge.parse(await call('GET', pathOf(newest.continuedBy)))
      return newest
    },
    cancelChallenge: async (challengeId) => void (await call('DELETE', pathOf(challengeId))),
    makePageLink: async (request) => pageLink.parse(await call('POST', 'page-links', request)).url,
  }
}
