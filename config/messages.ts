/** What messages say and whom they come from. */
import { z } from 'zod'
import { int, list, text } from './values.ts'

const PUBLIC_URL = 'wants the http(s) origin at which browsers reach the API, with no path'

/** What every message says beside the languages' own texts, and from whom (D4, D5): several sections read them. */
export const messageFields = {
  OTP_CODE_DIGITS: int(4, 8, 6),
  /** C4, and the page: "valid for 10 minutes". */
  OTP_CODE_TTL_SECONDS: int(2, 600, 600),
  OTP_PURPOSES: list(/^[a-z][a-z0-9_]{0,39}$/, 'wants words such as view_membership,redeem_benefit').default([
    'view_membership',
    'change_membership',
    'redeem_benefit',
    'register_phone',
  ]),
  /** D4, and the page: "will be sent from …". */
  OTP_EMAIL_FROM: z.email({ error: 'wants an e-mail address' }).default('jmb_confirmation@jal.com'),
  OTP_SMS_FROM: text('wants a number or sender id').default('0354600124'),
  OTP_SMS_FROM_SOFTBANK: text('wants a number or sender id').default('22471'),
  /** Where browsers reach the API: what its links and proofs say, whatever a Host header claims; and its host is that of an SMS. */
  OTP_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: PUBLIC_URL })
    .refine((url) => URL.parse(url)?.href === `${URL.parse(url)?.origin}/`, PUBLIC_URL)
    .transform((url) => new URL(url).origin)
    .optional(),
  /**
   * The host of the origin-bound line of an SMS (D5): that of `OTP_PUBLIC_URL` where it is not set, since a phone fills in the
   * code on no other page (WebOTP); `www.jal.co.jp` where neither is.
   */
  OTP_ORIGIN_HOST: z
    .string({ error: 'wants a host name' })
    .regex(/^[a-z0-9.-]{1,40}$/, 'wants a host name of at most 40 characters')
    .optional(),
}

interface Hosts {
  OTP_PUBLIC_URL?: string | undefined
  OTP_ORIGIN_HOST?: string | undefined
}
export const originHostOf = ({ OTP_ORIGIN_HOST: host, OTP_PUBLIC_URL: url }: Hosts): string =>
  host ?? (url === undefined ? 'www.jal.co.jp' : new URL(url).hostname)

/** What the messages say and whom they come from, for who shows them and sends none: no secret is in it. */
export const messages = z.object(messageFields).transform((v) => ({
  digits: v.OTP_CODE_DIGITS,
  ttlMinutes: Math.ceil(v.OTP_CODE_TTL_SECONDS / 60),
  purposes: v.OTP_PURPOSES,
  originHost: originHostOf(v),
  emailFrom: v.OTP_EMAIL_FROM,
  smsFrom: v.OTP_SMS_FROM,
}))
