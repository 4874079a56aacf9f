/**
 * What can be done on a page of code entry (P1), for every page that has one: begin, submit, send again.
 */
import { createHash } from 'node:crypto'
import type { Channel } from '../../domain/challenge.ts'
import { readCodeEntry, setVisitChallenge, type CodeEntry, type Visit } from '../../postgres/page-visits.ts'
import { PROOF_SECONDS } from '../../proofs/proof.ts'
import { createChallengeActions } from '../challenge-actions.ts'
import type { RouteDeps } from '../deps.ts'
import { hashIp } from '../ip-hash.ts'
import { ProblemError } from '../problems.ts'

export function createCodeEntry(deps: RouteDeps) {
  const { inPostgres, http, policy } = deps
  const actions = createChallengeActions(deps)

  return {
    /** The newest challenge of the chain, as its page shows it. */
    look: (challengeId: string): Promise<CodeEntry | undefined> =>
      inPostgres((sql) => readCodeEntry(sql, challengeId, policy, PROOF_SECONDS)),

    /**
     * Starts the challenge that the visit is for, unless it stands: once, however often it is asked for.
     *
     * @returns what to add to the page's path: nothing, or the refusal to show
     */
    async begin(visit: Visit, ip: string): Promise<string> {
      const { visitId, memberId, purpose, caller, locale } = visit
      if (visit.challengeId !== null || purpose === null) return ''
      return refusalShown(async () => {
        const challenge = await actions.start({
          memberId,
          purpose,
          caller,
          ...(locale !== null && { locale }),
          ipHash: hashIp(http.ipHashKey, ip),
          idempotency: { key: `visit:${visitId}`, requestHash: hashOf(purpose) },
        })
        await inPostgres((sql) => setVisitChallenge(sql, visitId, challenge.challengeId))
      })
    },

    /** Starts a newer challenge that continues this one. @returns as {@link begin} */
    resend: (entry: CodeEntry, ip: string, channel?: Channel): Promise<string> =>
      refusalShown(() =>
        actions.resend(entry.challenge, {
          ...(channel && { channel }),
          ipHash: hashIp(http.ipHashKey, ip),
        }),
      ),

    verify: (submission: Parameters<typeof actions.verify>[0]) => actions.verify(submission),
  }
}

/** A refusal is not the page's end: it says what is in the way, and the rest of it stands. */
async function refusalShown(step: () => Promise<unknown>): Promise<string> {
  try {
    await step()
    return ''
  } catch (error) {
    if (!(error instanceof ProblemError) || !isShown(error.code)) throw error
    const { retryAfter, advice } = error.extras
    const shown = new URLSearchParams({ refused: error.code })
    if (retryAfter !== undefined) shown.set('until', String(Math.ceil(Date.now() / 1000) + retryAfter))
    if (advice !== undefined) shown.set('advice', advice)
    return `?${shown.toString()}`
  }
}

const SHOWN = ['locked', 'too_many_challenges', 'undeliverable', 'challenge_closed', 'unknown_member'] as const
const isShown = (code: string): code is (typeof SHOWN)[number] => (SHOWN as readonly string[]).includes(code)

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
