/**
 * R2: who is excluded from mandatory SMS. Postgres judges by the same rule (`ineligibility`, 70_eligibility.sql).
 */
import { smsGuard, type SmsRules } from './destination.ts'

/** In the order in which they are looked for; the first that applies is recorded. */
export const INELIGIBLE = ['withdrawn', 'family_card', 'minor', 'no_phone', 'phone_unreachable'] as const
export type Ineligible = (typeof INELIGIBLE)[number]

export interface EligibilityRules extends SmsRules {
  /** In years. */
  readonly adultAge: number
}

export interface EligibilityQuestion extends EligibilityRules {
  readonly member: {
    readonly status: 'active' | 'withdrawn' | 'erased'
    readonly familyCard: boolean | null
    /** `2008-02-29`; a member without one counts as an adult. */
    readonly birthDate: string | null
    /** E.164; the one that a code would go to. */
    readonly phone: string | null
    /** Of the number. */
    readonly phoneCountry: string | null
  }
  /** The last receipt about that number was negative. */
  readonly isUnreachable: boolean
  /** The day in Asia/Tokyo, `2026-11-23`. */
  readonly today: string
}

/** @returns why the member is excluded, or undefined for one who is eligible */
export function ineligibility(question: EligibilityQuestion): Ineligible | undefined {
  const { member, isUnreachable, today, adultAge } = question
  if (member.status !== 'active') return 'withdrawn'
  if (member.familyCard) return 'family_card'
  if (member.birthDate !== null && ofAgeOn(member.birthDate, adultAge) > today) return 'minor'
  if (member.phone === null) return 'no_phone'
  const isUnusable = isUnreachable || smsGuard(member.phone, member.phoneCountry, question) !== undefined
  return isUnusable ? 'phone_unreachable' : undefined
}

/** The day on which somebody comes of age; born on 29 February: on 1 March of a year that has none. */
export function ofAgeOn(birthDate: string, adultAge: number): string {
  const [year, monthAndDay] = [Number(birthDate.slice(0, 4)) + adultAge, birthDate.slice(5)]
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return `${String(year).padStart(4, '0')}-${monthAndDay === '02-29' && !isLeapYear ? '03-01' : monthAndDay}`
}

const TOKYO_OFFSET_MS = 9 * 3_600_000

/** The day in Asia/Tokyo, which knows no summer time. */
export const tokyoDay = (at: Date): string => new Date(at.getTime() + TOKYO_OFFSET_MS).toISOString().slice(0, 10)
