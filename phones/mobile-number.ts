/**
 * Mobile phone numbers, as members and their sources write them.
 */
import { isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max'

export interface MobileNumber {
  /** With `+`, digits only: `+819012345678`. */
  readonly e164: string
  /** ISO 3166-1 alpha-2 of the number, which need not be the member's: `JP`. */
  readonly country: string
}

const MAX_LENGTH = 32
/** Parsers read on past `;`, NUL and letters, and find a number in what is none: nothing else may stand in it. */
const WRITTEN = /^\+?[0-9 ().-]+$/
/** 060, 070, 080 and 090 with eight digits more: the commonest form by far, told without the slower library. */
const JAPANESE_MOBILE = /^(?:\+81|0)([6789]0)[- ]?([1-9]\d{3})[- ]?(\d{4})$/

/**
 * Reads a mobile number and normalises it to E.164 (M3).
 *
 * @param input as written: national or international, half-width or full-width, with spaces, hyphens or brackets
 * @param country the country (ISO 3166-1 alpha-2) that a national number is read in
 * @returns undefined for whatever is not one mobile number: landlines, 050, toll-free numbers, two numbers, an
 *   extension. Where a country's numbers do not tell (as in North America), a number counts as mobile.
 */
export function toMobileNumber(input: string, country: string): MobileNumber | undefined {
  if (input.length > MAX_LENGTH) return undefined
  if (country === 'JP' || input.startsWith('+')) {
    const japanese = JAPANESE_MOBILE.exec(input)
    if (japanese) return { e164: `+81${japanese[1]}${japanese[2]}${japanese[3]}`, country: 'JP' }
  }
  const written = toHalfWidth(input).trim()
  if (!WRITTEN.test(written)) return undefined
  const defaultCountry = isSupportedCountry(country) ? { defaultCountry: country } : {}
  const number = parsePhoneNumberFromString(written, { ...defaultCountry, extract: false })
  // Only a valid number has a type.
  const type = number?.getType()
  if (!number?.country || (type !== 'MOBILE' && type !== 'FIXED_LINE_OR_MOBILE')) return undefined
  return { e164: number.number, country: number.country }
}

/** Japanese keyboards write digits, brackets and hyphens at full width, and hyphens in several ways. */
export const toHalfWidth = (input: string): string =>
  input
    .replace(/[！-～]/g, (character) => String.fromCharCode(character.charCodeAt(0) - 0xfee0))
    .replace(/[‐‑‒–—−ー]/g, '-')
    .replaceAll('\u3000', ' ')
