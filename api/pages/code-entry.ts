/**
 * What can be done on a page of code entry (P1), for every page that has one: begin, look, submit, send again.
 */
import { createHash } from 'node:crypto'
import { deriveAttemptId } from '../../codes/code.ts'
import { isChallengeId, normaliseCode, type Channel } from '../../domain/challenge.ts'
import { noticeQuery, REFUSALS, type Standing } from '../../pages/members/code-state.ts'
import { otherChannel } from '../../postgres/admission.ts'
import type { Challenge } from '../../postgres/challenges.ts'
import { readCodeEntry, setVisitChallenge, type Visit } from '../../postgres/page-visits.ts'
import type { StartRequest } from '../../client/start-challenge.ts'
import { PROOF_SECONDS } from '../../proofs/proof.ts'
import { createChallengeActions } from '../challenge-actions.ts'
import type { RouteDeps } from '../deps.ts'
import { ipHashOf } from '../ip-hash.ts'
import { ProblemError } from '../problems.ts'
import { pageProblem } from './page-problems.ts'

/** The fields of a form, as they came. */
export type Form = Readonly<Record<string, string>>

/** What a step leads to: nothing but the page as it now stands, or a query that shows what happened. */
export type Shown = '' | `?${string}`

/** Who asks for a code. */
export interface Browser {
  readonly ip: string
  /** The language that the member chose on our pages, else the link's: messages come in it too. */
  readonly locale?: string | undefined
}

export function createCodeEntry(deps: RouteDeps) {
  const { inPostgres, http, policy, codes } = deps
  const actions = createChallengeActions(deps)
  const rules = { ...policy, proofSeconds: PROOF_SECONDS }

  const start = (request: StartRequest) => refusalShown(() => actions.start(request))
  /** A form means one thing, however often it is sent. */
  const onceFor = ({ visitId }: Visit, { request, channel = 'same' }: Form) => {
    if (!isChallengeId(request)) throw pageProblem('bad_request')
    return { key: `page:${visitId}:${request}:${channel}`, requestHash: hashOf(channel) }
  }

  return {
    /** The newest challenge of the chain, as its page shows it; with what was said of an attempt of this visit. */
    look(visit: Visit, challengeId: string, attempt?: unknown): Promise<Standing | undefined> {
      return inPostgres(async (sql) => {
        const attemptId = typeof attempt === 'string' && ATTEMPT.test(attempt) ? attemptIdOf(visit, attempt) : undefined
        const entry = await readCodeEntry(sql, challengeId, attemptId, rules)
        return entry && { ...entry, otherChannel: await otherChannel(sql, policy, entry.challenge) }
      })
    },

    /** Starts the challenge that the visit is for, unless it stands: once, however often it is asked for. */
    async begin(visit: Visit, { ip, locale = visit.locale ?? undefined }: Browser): Promise<Shown> {
      const { visitId, memberId, purpose, caller } = visit
      if (visit.challengeId !== null || purpose === null) return ''
      const { shown, value } = await start({
        memberId,
        purpose,
        caller,
        ...(locale !== undefined && { locale }),
        ...ipHashOf(http, ip),
        idempotency: { key: `page:${visitId}:begin`, requestHash: hashOf(purpose) },
      })
      if (value) await inPostgres((sql) => setVisitChallenge(sql, visitId, value.challengeId))
      return shown
    },

    /** Starts a challenge that a page asks for beside the visit's own; a form asks for it once, however often it is sent. */
    start(
      visit: Visit,
      about: Pick<StartRequest, 'purpose' | 'registering' | 'locale'>,
      form: Form,
      ip: string,
    ): Promise<{ shown: Shown; value?: Challenge }> {
      const { memberId, caller } = visit
      const { key } = onceFor(visit, form)
      const requestHash = hashOf(`${about.purpose} ${about.registering?.e164 ?? ''}`)
      return start({
        ...about,
        memberId,
        caller,
        ...ipHashOf(http, ip),
        // What is corrected in the same form, after Stop or by the way back, is asked for anew.
        idempotency: { key: `${key}:${about.purpose}:${requestHash}`, requestHash },
      })
    },

    /** Judges the code of a form, as one attempt however often the form is sent with it. */
    async submit(visit: Visit, { challenge }: Standing, form: Form): Promise<Shown | 'verified'> {
      const { code: typed, attempt: formId } = form
      if (typed === undefined || !isChallengeId(formId)) throw pageProblem('bad_request')
      const code = normaliseCode(typed, codes.digits)
      if (code === undefined) return '?invalid'
      const { challengeId } = challenge
      const attempt = deriveAttemptId(codes.masterKeys, formId, code)
      const answer = await actions.verify({ challengeId, code, attemptId: attemptIdOf(visit, attempt) })
      return answer?.result === 'verified' ? 'verified' : `?attempt=${attempt}`
    },

    /** Sends again, or by the other channel where the form says so: a newer challenge that continues this one (C14). */
    async resend(
      visit: Visit,
      { challenge, otherChannel }: Standing,
      form: Form,
      { ip, locale }: Browser,
    ): Promise<Shown> {
      const channel = channelOf(form, otherChannel)
      const { shown } = await refusalShown(() =>
        actions.resend(challenge, {
          ...(channel && { channel }),
          ...(locale !== undefined && { locale }),
          ...ipHashOf(http, ip),
          idempotency: onceFor(visit, form),
        }),
      )
      return shown
    },
  }
}

const ATTEMPT = /^[\w-]{22}$/
const attemptIdOf = ({ visitId }: Visit, attempt: string): string => `page:${visitId}:${attempt}`

/** A button that has meanwhile gone from the page means the usual channel. */
const channelOf = ({ channel }: Form, other: Channel | undefined) => (channel === other ? other : undefined)

/** A refusal is not the page's end: it says what is in the way, and the rest of it stands. */
async function refusalShown<T>(step: () => Promise<T>): Promise<{ shown: Shown; value?: T }> {
  try {
    return { shown: '', value: await step() }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    const refusal = REFUSALS.find((each) => each === error.code)
    if (refusal === undefined) throw error
    const { retryAfter, advice } = error.extras
    const until = retryAfter === undefined ? undefined : Date.now() + retryAfter * 1000
    return { shown: noticeQuery({ kind: 'refused', refusal, until, advice }) as Shown }
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
