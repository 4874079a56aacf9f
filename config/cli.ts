/** The CLI `otp`. */
import { z } from 'zod'
import { baseUrl, text } from './values.ts'

/** Which API the CLI `otp` speaks to; where neither is set, the one that `npm start` runs on the same machine. */
export const cli = z
  .object({
    OTP_API_URL: baseUrl('wants the http(s) URL of the API').optional(),
    OTP_API_KEY: text('wants an API key').optional(),
  })
  .superRefine((v, context) => {
    for (const [name, other] of [
      ['OTP_API_URL', 'OTP_API_KEY'],
      ['OTP_API_KEY', 'OTP_API_URL'],
    ] as const) {
      if (v[name] === undefined && v[other] !== undefined) {
        context.addIssue({ code: 'custom', path: [name], message: `goes with ${other}` })
      }
    }
  })
  .transform((v) => ({
    endpoint:
      v.OTP_API_URL !== undefined && v.OTP_API_KEY !== undefined
        ? { url: v.OTP_API_URL, apiKey: v.OTP_API_KEY }
        : undefined,
  }))
