/**
 * Code entry in each of its states.
 */
import type { Catalog } from '../../messages/catalog.ts'
import { renderCodeEntryPage, type CodeEntryModel } from '../../pages/members/code-entry-page.ts'
import type { Notice, Standing } from '../../pages/members/code-state.ts'
import type { Challenge } from '../../postgres/challenges.ts'

const PATH = '/live'
const EXAMPLE = '00000000-0000-7000-8000-000000000000'
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()
const inMinutes = (minutes: number): number => Date.now() + minutes * 60_000

export function sampleChallenge(changes: Partial<Challenge> = {}): Challenge {
  return {
    challengeId: EXAMPLE,
    memberId: '123456789',
    seq: 1,
    purpose: 'redeem_benefit',
    caller: 'bank',
    channel: 'sms',
    isSmsForced: false,
    destination: '+819012345678',
    language: 'ja',
    continues: null,
    continuedBy: null,
    runId: null,
    admittedAt: minutesAgo(1),
    sendBeganAt: minutesAgo(1),
    sentAt: minutesAgo(1),
    expiresAt: new Date(inMinutes(9)).toISOString(),
    closedAt: null,
    attempts: 0,
    delivery: null,
    outcome: null,
    reason: null,
    advice: null,
    traceparent: null,
    ...changes,
  }
}

type StandingChanges = Partial<Omit<Standing, 'challenge'>> & { readonly challenge?: Partial<Challenge> }

export function sampleStanding({ challenge, ...changes }: StandingChanges = {}): Standing {
  return {
    challenge: sampleChallenge(challenge),
    said: null,
    secondsLeft: 547,
    resendSeconds: 0,
    lockedSeconds: 0,
    proofSeconds: 0,
    otherChannel: 'email',
    ...changes,
  }
}

export function sampleModel(
  catalog: Catalog,
  changes: StandingChanges | undefined,
  notice?: Notice,
): CodeEntryModel & { standing: Standing | undefined } {
  const standing = changes && sampleStanding(changes)
  return { catalog, path: PATH, standing, notice, digits: 6, attempt: EXAMPLE, request: EXAMPLE }
}

const sample = (name: string, changes: StandingChanges | undefined, notice?: Notice) => ({
  name: `code-${name}`,
  render: (catalog: Catalog) =>
    renderCodeEntryPage({
      ...sampleModel(catalog, changes, notice),
      purpose: 'redeem_benefit',
      back: 'https://bank.example/',
    }),
})

const refused = (more: Partial<Notice & { kind: 'refused' }>): Notice => ({
  kind: 'refused',
  refusal: 'too_many_challenges',
  until: undefined,
  advice: undefined,
  ...more,
})

export const CODE_ENTRY_SAMPLES = [
  sample('open', { resendSeconds: 24 }),
  sample('email', { challenge: { channel: 'email', destination: 'hanako@example.jp' }, otherChannel: 'sms' }),
  sample('sending', { challenge: { sentAt: null }, secondsLeft: 600 }),
  sample('waiting', {
    challenge: { sentAt: null, expiresAt: null },
    secondsLeft: 600,
    said: { verdict: 'not_sent_yet', attemptsLeft: 5 },
    otherChannel: undefined,
  }),
  sample('wrong', { said: { verdict: 'wrong_code', attemptsLeft: 3 } }),
  sample('older', { said: { verdict: 'older_code', attemptsLeft: 4 } }),
  sample('invalid', {}, { kind: 'invalid' }),
  sample('undelivered', { challenge: { delivery: 'failed' } }),
  sample('expired', { challenge: { outcome: 'expired' }, secondsLeft: 0 }),
  sample('superseded', { challenge: { outcome: 'superseded' }, secondsLeft: 0 }),
  sample('exhausted', { challenge: { outcome: 'attempts_exhausted' }, secondsLeft: 0 }),
  sample('locked', { lockedSeconds: 1_780 }),
  sample('undeliverable', { challenge: { outcome: 'undeliverable', advice: 'update_email' }, otherChannel: undefined }),
  sample('cancelled', { challenge: { outcome: 'cancelled' }, secondsLeft: 0 }),
  sample('too-many', {}, refused({ until: inMinutes(7) })),
  sample('unavailable', {}, refused({ refusal: 'delivery_unavailable', until: inMinutes(1) })),
  sample('not-begun', undefined, refused({ refusal: 'locked' })),
  sample('done', { challenge: { outcome: 'verified', closedAt: minutesAgo(0) }, proofSeconds: 110 }),
]
