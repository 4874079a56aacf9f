/** The pages that members see. */
import { z } from 'zod'
import { messageFields } from './messages.ts'
import { httpUrl, int, keyRing } from './values.ts'

/** Where an upstream may have its members sent back to: an origin and a path, and what lies below it. */
export interface ReturnRule {
  readonly caller: string
  /** As {@link URL} writes it; where any port is right, with none. */
  readonly origin: string
  /** Loopback hosts only (RFC 8252 §7.3): a program on the member's own machine listens where it can. */
  readonly anyPort: boolean
  readonly path: string
}

const RETURN_URLS =
  'wants caller=url[,caller=url…], each an http(s) URL with no query; its port may be * on 127.0.0.1, [::1] and localhost'
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])
const ANY_PORT = /^(https?:\/\/[^/]+):\*(?=\/|$)/
const returnRules = z.string({ error: RETURN_URLS }).transform((value, context): ReturnRule[] => {
  const rules = value.split(',').map((entry) => returnRule(entry.trim()))
  const known = rules.filter((rule) => rule !== undefined)
  if (known.length === rules.length) return known
  context.addIssue({ code: 'custom', message: RETURN_URLS })
  return z.NEVER
})

function returnRule(entry: string): ReturnRule | undefined {
  const [, caller, given] = /^((?:oauth\/)?[A-Za-z0-9._~%!*'()-]{1,400})=(\S+)$/.exec(entry) ?? []
  if (caller === undefined || given === undefined) return undefined
  const anyPort = ANY_PORT.test(given)
  const url = URL.parse(given.replace(ANY_PORT, '$1'))
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    `${url.username}${url.password}${url.search}${url.hash}` !== ''
  ) {
    return undefined
  }
  if (anyPort && (!LOOPBACK.has(url.hostname) || url.port !== '')) return undefined
  return { caller, origin: url.origin, anyPort, path: url.pathname }
}

/** The pages that members see (P): only the API loads this section, since it signs the proofs. */
export const pages = z
  .object({
    OTP_PUBLIC_URL: messageFields.OTP_PUBLIC_URL.default('http://127.0.0.1:8080'),
    /** Ed25519 seeds: the first signs, and all are published. */
    OTP_PROOF_KEYS: keyRing,
    OTP_RETURN_URLS: returnRules.default([]),
    /** How long a verified `change_membership` lets a member change the notification destination (P2). */
    OTP_STEP_UP_SECONDS: int(1, 3_600, 600),
    /** P3: where residents of Japan change their e-mail address themselves. */
    OTP_EMAIL_CHANGE_URL: httpUrl('wants the http(s) URL of a page').default('https://www.jal.co.jp'),
    /** How one reaches the JAL Mileage Bank Center. */
    OTP_CENTER_URL: httpUrl('wants the http(s) URL of a page').default('https://www.jal.co.jp'),
    OTP_CODE_TTL_SECONDS: messageFields.OTP_CODE_TTL_SECONDS,
    OTP_EMAIL_FROM: messageFields.OTP_EMAIL_FROM,
    OTP_SMS_FROM: messageFields.OTP_SMS_FROM,
    OTP_SMS_FROM_SOFTBANK: messageFields.OTP_SMS_FROM_SOFTBANK,
  })
  .transform((v) => ({
    publicUrl: v.OTP_PUBLIC_URL,
    proofKeys: v.OTP_PROOF_KEYS,
    returnRules: v.OTP_RETURN_URLS as readonly ReturnRule[],
    stepUpSeconds: v.OTP_STEP_UP_SECONDS,
    emailChangeUrl: v.OTP_EMAIL_CHANGE_URL,
    centerUrl: v.OTP_CENTER_URL,
    ttlMinutes: Math.ceil(v.OTP_CODE_TTL_SECONDS / 60),
    /** Whom messages come from: the help tells members to let them in. */
    senders: { email: v.OTP_EMAIL_FROM, sms: v.OTP_SMS_FROM, softbank: v.OTP_SMS_FROM_SOFTBANK },
  }))
