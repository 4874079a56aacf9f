/**
 * What a page of code entry says of the challenge and of the last attempt: what stands, and what to do next (C5, C11).
 */
import type { Advice } from '../../domain/challenge.ts'
import type { Catalog } from '../../messages/catalog.ts'
import { acceptsCode, stateOf, type Notice, type Standing } from './code-state.ts'
import type { NoticeKind } from './components.ts'
import { formatTime } from './time.ts'

export interface CodeNotice {
  readonly kind: NoticeKind
  readonly title: string
  /** What to do now. */
  readonly advice?: string
}

/** The one thing that the member has to know now; nothing where the page speaks for itself. */
export function codeNotice(
  catalog: Catalog,
  { standing, notice, digits }: { standing: Standing | undefined; notice: Notice | undefined; digits: number },
): CodeNotice | undefined {
  const state = stateOf(standing)
  // What was asked for and refused is news; the rest stands on.
  if (notice?.kind === 'refused' && state !== 'verified') return refusalNotice(catalog, notice)
  if (standing === undefined) return { kind: 'info', title: catalog.text('pages.code.not_begun.title') }
  if (state === 'locked') return lockNotice(catalog, endOf(standing.lockedSeconds))
  if (state === 'undeliverable') return undeliverableNotice(catalog, standing.challenge.advice ?? undefined)
  if (state === 'expired' || state === 'superseded' || state === 'exhausted' || state === 'cancelled') {
    return box(catalog, state)
  }
  const ofAttempt = acceptsCode(state) ? attemptNotice(catalog, standing, notice, digits) : undefined
  return ofAttempt ?? (state === 'undelivered' ? box(catalog, state) : undefined)
}

/** What was said of the last attempt, where the same challenge still takes one. */
function attemptNotice(
  catalog: Catalog,
  { said, challenge }: Standing,
  notice: Notice | undefined,
  digits: number,
): CodeNotice | undefined {
  if (notice?.kind === 'invalid') {
    return {
      kind: 'error',
      title: catalog.text('pages.code.invalid.title', { digits }),
      advice: catalog.text('pages.code.invalid.advice'),
    }
  }
  if (said?.verdict === 'wrong_code') {
    return {
      kind: 'error',
      title: catalog.text('pages.code.wrong.title'),
      advice: catalog.text('pages.code.wrong.advice', { left: said.attemptsLeft }),
    }
  }
  if (said?.verdict === 'not_sent_yet' && challenge.expiresAt === null)
    return { ...box(catalog, 'not_sent'), kind: 'info' }
  if (said?.verdict === 'older_code') {
    const time = formatTime(catalog, new Date(challenge.sentAt ?? challenge.sendBeganAt ?? challenge.admittedAt))
    return {
      kind: 'warning',
      title: catalog.text('pages.code.older.title'),
      advice: catalog.text('pages.code.older.advice', { time }),
    }
  }
  return undefined
}

function refusalNotice(catalog: Catalog, { refusal, until, advice }: Notice & { kind: 'refused' }): CodeNotice {
  if (refusal === 'locked') return lockNotice(catalog, until)
  if (refusal === 'undeliverable') return undeliverableNotice(catalog, advice)
  if (refusal !== 'too_many_challenges' && refusal !== 'delivery_unavailable') return box(catalog, 'cancelled')
  const words = refusal === 'too_many_challenges' ? 'wait' : 'unavailable'
  return {
    kind: 'warning',
    title: catalog.text(`pages.code.${words}.title`),
    advice:
      until === undefined
        ? catalog.text(`pages.code.${words}.later`)
        : catalog.text(`pages.code.${words}.advice`, { time: formatTime(catalog, upToMinute(until)) }),
  }
}

function lockNotice(catalog: Catalog, until: number | undefined): CodeNotice {
  return {
    kind: 'error',
    title: catalog.text('pages.code.locked.title'),
    advice:
      until === undefined
        ? catalog.text('pages.code.locked.center')
        : catalog.text('pages.code.locked.advice', { time: formatTime(catalog, upToMinute(until)) }),
  }
}

const undeliverableNotice = (catalog: Catalog, advice: Advice = 'contact_center'): CodeNotice => ({
  kind: 'error',
  title: catalog.text('pages.code.undeliverable.title'),
  advice: catalog.text(`pages.code.undeliverable.${advice}`),
})

const box = (
  catalog: Catalog,
  name: 'expired' | 'superseded' | 'exhausted' | 'cancelled' | 'undelivered' | 'not_sent',
): CodeNotice => ({
  kind: 'warning',
  title: catalog.text(`pages.code.${name}.title`),
  advice: catalog.text(`pages.code.${name}.advice`),
})

/** None where an operator has to unlock. */
const endOf = (seconds: number): number | undefined => (seconds < 0 ? undefined : Date.now() + seconds * 1000)

/** Whoever comes at the time that they read does not come too early. */
const upToMinute = (at: number): Date => new Date(Math.ceil(at / 60_000) * 60_000)
