import { parsePhoneNumberFromString } from 'libphonenumber-js/max'

/** A sender as members see it in Japan: `03-5460-0124`. What is no number of Japan's, such as a short one, stays as it is. */
export function writeSender(sender: string): string {
  const number = parsePhoneNumberFromString(sender, { defaultCountry: 'JP', extract: false })
  return number?.country === 'JP' && number.isValid() ? number.formatNational() : sender
}
