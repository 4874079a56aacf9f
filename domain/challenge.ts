/**
 * The words of a challenge: its outcomes, the verdicts on an attempt, and the shapes that are sent around.
 *
 *     starting ──open──▶ sending ──accepted──▶ open ──▶ an outcome
 *
 * `starting` is admitted, not yet opened by its workflow; callers see it as `sending`. Each outcome stands exactly once.
 */

export type Channel = 'sms' | 'email'

/** C11 */
export const OUTCOMES = [
  'verified',
  'expired',
  'superseded',
  'cancelled',
  'attempts_exhausted',
  'undeliverable',
  'refused',
] as const
export type Outcome = (typeof OUTCOMES)[number]

export type ChallengeStatus = 'sending' | 'open' | Outcome

/** C5: what is said of a submitted code. */
export const VERDICTS = [
  'verified',
  'wrong_code',
  'older_code',
  'already_used',
  'expired',
  'superseded',
  'cancelled',
  'undeliverable',
  'refused',
  'attempts_exhausted',
  'locked',
  /** C4: nobody can have the code, which waits for its provider; no attempt was spent. */
  'not_sent_yet',
] as const
export type Verdict = (typeof VERDICTS)[number]

/** What a member without a usable destination should do. */
export const ADVICE = ['update_email', 'register_phone', 'contact_center'] as const
export type Advice = (typeof ADVICE)[number]

/** The workflow's input. A start by the Web UI, the CLI or a plain client gives the same. */
export interface ChallengeInput {
  readonly challengeId: string
  readonly memberId: string
  readonly purpose: string
}

/** The workflow's result. */
export interface ChallengeResult {
  readonly challengeId: string
  readonly outcome: Outcome
  readonly reason?: string
  readonly advice?: Advice
  /** When the outcome was decided; ISO 8601. */
  readonly closedAt?: string
}

/** C12. Nothing secret; `destination` is masked. */
export interface ChallengeStatusResult {
  readonly challengeId: string
  readonly status: ChallengeStatus
  readonly purpose: string
  readonly channel?: Channel
  readonly destination?: string
  readonly expiresAt?: string
  readonly attemptsLeft?: number
}
/** `verifyCode`, signal and Update. */
export interface VerifyCodeInput {
  readonly challengeId: string
  readonly code: string
}

export interface VerifyCodeResult {
  readonly result: Verdict
  /** Present where another attempt makes sense. */
  readonly attemptsLeft?: number
  readonly verifiedAt?: string
  /** With `older_code`: when the code that counts was sent. */
  readonly newestSentAt?: string
  /** With `superseded`: the challenge that continues this one (C14). */
  readonly continuedBy?: string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const MEMBER_ID = /^[A-Za-z0-9_-]{1,64}$/
const PURPOSE = /^[a-z][a-z0-9_]{0,39}$/

export const isChallengeId = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)
export const isMemberId = (value: unknown): value is string => typeof value === 'string' && MEMBER_ID.test(value)

const fieldsOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}

/** Whether a value that came over the wire is a workflow input; whatever else it is, this does not throw. */
export function isChallengeInput(value: unknown): value is ChallengeInput {
  const { challengeId, memberId, purpose } = fieldsOf(value)
  return isChallengeId(challengeId) && isMemberId(memberId) && typeof purpose === 'string' && PURPOSE.test(purpose)
}

/** Whether a value that came over the wire has the shape of `attemptJudged`; its seal tells who sent it. */
export function isAttemptJudged(
  value: unknown,
): value is { attemptsLeft: number; closed: boolean; result?: ChallengeResult; seal?: string } {
  const { attemptsLeft, closed } = fieldsOf(value)
  return typeof attemptsLeft === 'number' && typeof closed === 'boolean'
}

/** Whether a value that came over the wire has the shape of `verifyCode`. Whether it can be a code is not said here. */
export function isVerifyCodeInput(value: unknown): value is VerifyCodeInput {
  const { challengeId, code } = fieldsOf(value)
  return isChallengeId(challengeId) && typeof code === 'string' && code.length <= 64
}

/**
 * A code as a person types it: full-width digits, spaces and hyphens are forgiven, leading zeros matter (C5).
 *
 * @returns exactly `digits` ASCII digits, or `undefined` for what cannot be a code
 */
export function normaliseCode(value: unknown, digits: number): string | undefined {
  if (typeof value !== 'string' || value.length > 64) return undefined
  const code = value
    .replaceAll(/[\s\-\u2010-\u2015\u2212\u30FC\uFF0D\uFF70]/g, '')
    .replaceAll(/[\uFF10-\uFF19]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0xff10 + 0x30))
  return code.length === digits && /^[0-9]+$/.test(code) ? code : undefined
}

/** Verdicts after which the same challenge can still be verified. */
const CAN_TRY_AGAIN: ReadonlySet<Verdict> = new Set(['wrong_code', 'older_code', 'locked', 'not_sent_yet'])
export const canTryAgain = (verdict: Verdict): boolean => CAN_TRY_AGAIN.has(verdict)
