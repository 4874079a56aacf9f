/**
 * Mobile phone numbers of Japan, as a person types them into a form: the number, or what is wrong with it in a word that the
 * page has a sentence for (P2).
 */
import { toHalfWidth, toMobileNumber, type MobileNumber } from './mobile-number.ts'

export const NUMBER_MISTAKES = [
  'missing',
  /** Letters, or what nobody types into a number. */
  'characters',
  'two_numbers',
  'foreign',
  /** 050: a telephone over the internet, which takes no SMS. */
  'ip_phone',
  'landline',
  'too_short',
  'too_long',
  /** Whatever else is no mobile number of Japan: toll-free, premium, M2M. */
  'not_mobile',
] as const
export type NumberMistake = (typeof NUMBER_MISTAKES)[number]

/** National digits of a mobile number, the 0 among them. */
const MOBILE_DIGITS = 11
const LANDLINE_DIGITS = 10
/** Nobody types so much by mistake; what is longer is not looked at. */
const MAX_LENGTH = 64
/** One number, then what parts two, then digits again. */
const TWO_NUMBERS = /\d{4}\D*[;,/、\n]\D*\d{2}/

/** @param typed half-width or full-width, with spaces, hyphens or brackets, national or with +81 */
export function readJapaneseMobile(typed: string): MobileNumber | { readonly mistake: NumberMistake } {
  if (typed.length > MAX_LENGTH) return { mistake: 'too_long' }
  const number = toMobileNumber(typed, 'JP')
  if (number !== undefined) return number.country === 'JP' ? number : { mistake: 'foreign' }
  return { mistake: mistakeIn(toHalfWidth(typed).trim()) }
}

function mistakeIn(text: string): NumberMistake {
  if (text === '') return 'missing'
  if (TWO_NUMBERS.test(text)) return 'two_numbers'
  if (!/^\+?[0-9 ().-]+$/.test(text)) return 'characters'
  const international = text.replaceAll(/[^+0-9]/g, '')
  if (international.startsWith('+') && !international.startsWith('+81')) return 'foreign'
  const digits = international.replace(/^\+810?/, '0')
  if (digits.length > 2 * MOBILE_DIGITS - 2) return 'two_numbers'
  if (digits.startsWith('050')) return 'ip_phone'
  if (/^0[6789]0/.test(digits)) {
    if (digits.length === MOBILE_DIGITS) return 'not_mobile'
    return digits.length < MOBILE_DIGITS ? 'too_short' : 'too_long'
  }
  if (digits.length < LANDLINE_DIGITS - 1) return 'too_short'
  if (/^0[1-9]/.test(digits) && digits.length === LANDLINE_DIGITS && !/^0(?:120|570|990|800)/.test(digits))
    return 'landline'
  return digits.length > MOBILE_DIGITS ? 'too_long' : 'not_mobile'
}
