/** The code and the rules of a challenge. */
import { z } from 'zod'
import { messageFields } from './messages.ts'
import { pauseFields } from './provider-pause.ts'
import { int, keyRing, list } from './values.ts'

/** The master keys (C10): only the API and the challenge worker load this section. */
export const codes = z
  .object({ OTP_MASTER_KEYS: keyRing, OTP_CODE_DIGITS: messageFields.OTP_CODE_DIGITS })
  .transform((v) => ({ masterKeys: v.OTP_MASTER_KEYS, digits: v.OTP_CODE_DIGITS }))

/** The rules of the challenge (C2–C9). A limit of 0 is no limit. */
export const policy = z
  .object({
    OTP_PURPOSES: messageFields.OTP_PURPOSES,
    OTP_CODE_TTL_SECONDS: messageFields.OTP_CODE_TTL_SECONDS,
    /** C4: a send that would leave the member less is not made. */
    OTP_CODE_MIN_LIFE_SECONDS: int(0, 599, 120),
    /** C7; NIST SP 800-63B-4 §3.1.3.2 */
    OTP_MAX_ATTEMPTS: int(1, 10, 5),
    OTP_MAX_SUBMISSIONS: int(5, 1_000, 50),
    /** C7; NIST SP 800-63B-4 §3.2.2: at most 100 consecutive failures. */
    OTP_LOCK_EVERY_FAILURES: int(1, 100, 10),
    OTP_LOCK_SECONDS: int(1, 86_400, 1_800),
    OTP_LOCK_MAX_SECONDS: int(1, 604_800, 86_400),
    OTP_LOCK_FOR_GOOD_FAILURES: int(1, 100, 100),
    /** C8 */
    OTP_OLDER_CODE_SECONDS: int(0, 3_600, 600),
    /** C9 */
    OTP_COOLDOWN_SECONDS: int(0, 3_600, 30),
    OTP_LIMIT_PER_10_MINUTES: int(0, 1_000, 5),
    OTP_LIMIT_PER_24_HOURS: int(0, 10_000, 20),
    /** Per end-user address: one of a carrier's has thousands of subscribers behind it. */
    OTP_IP_LIMIT_PER_10_MINUTES: int(0, 100_000, 100),
    OTP_IP_LIMIT_PER_24_HOURS: int(0, 1_000_000, 1_000),
    /** Of a number that is being registered by members who do not have it: it uses up none of the limits of its owner. */
    OTP_REGISTRATION_LIMIT_PER_24_HOURS: int(0, 10_000, 3),
    ...pauseFields,
    OTP_SMS_COUNTRIES: list(/^[A-Z]{2}$/, 'wants ISO 3166 country codes such as JP,TW').default(['JP']),
    /**
     * What begins so gets no SMS, whatever the country. The entries let in mobile numbers alone; this is the last gate,
     * and the place for a block under attack. Japan's: pager, VoIP, toll-free, shared-cost and premium numbers.
     */
    OTP_SMS_REFUSED_PREFIXES: list(/^\+[1-9]\d{0,14}$/, 'wants E.164 prefixes such as +81990,+447').default([
      '+8120',
      '+8150',
      '+81120',
      '+81800',
      '+81570',
      '+81990',
    ]),
    /** Per block of 10,000 numbers (a number without its last four digits). */
    OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR: int(0, 100_000, 100),
    /** R2: minors are excluded from mandatory SMS; their age in Asia/Tokyo, in years. */
    OTP_ADULT_AGE: int(1, 99, 18),
    /** C2: how long an older execution may take to close before it is terminated. */
    OTP_CLOSE_DEADLINE_SECONDS: int(1, 60, 5),
    /** C11: after that the engine ends an execution. One may wait as long as a code may, then live as long as one lives. */
    OTP_EXECUTION_TIMEOUT_SECONDS: int(1_300, 86_400, 1_800),
    /** C2: after that an admission that never opened is void. */
    OTP_VOID_AFTER_SECONDS: int(1, 300, 30),
  })
  .superRefine((v, context) => {
    if (v.OTP_CODE_MIN_LIFE_SECONDS >= v.OTP_CODE_TTL_SECONDS) {
      context.addIssue({
        code: 'custom',
        path: ['OTP_CODE_MIN_LIFE_SECONDS'],
        message: 'wants less than OTP_CODE_TTL_SECONDS',
      })
    }
  })
  .transform((v) => ({
    purposes: v.OTP_PURPOSES,
    ttlSeconds: v.OTP_CODE_TTL_SECONDS,
    minLifeSeconds: v.OTP_CODE_MIN_LIFE_SECONDS,
    maxAttempts: v.OTP_MAX_ATTEMPTS,
    maxSubmissions: v.OTP_MAX_SUBMISSIONS,
    lockEveryFailures: v.OTP_LOCK_EVERY_FAILURES,
    lockSeconds: v.OTP_LOCK_SECONDS,
    lockMaxSeconds: v.OTP_LOCK_MAX_SECONDS,
    lockForGoodFailures: v.OTP_LOCK_FOR_GOOD_FAILURES,
    olderCodeSeconds: v.OTP_OLDER_CODE_SECONDS,
    cooldownSeconds: v.OTP_COOLDOWN_SECONDS,
    limitPer10Minutes: v.OTP_LIMIT_PER_10_MINUTES,
    limitPer24Hours: v.OTP_LIMIT_PER_24_HOURS,
    ipLimitPer10Minutes: v.OTP_IP_LIMIT_PER_10_MINUTES,
    ipLimitPer24Hours: v.OTP_IP_LIMIT_PER_24_HOURS,
    registrationLimitPer24Hours: v.OTP_REGISTRATION_LIMIT_PER_24_HOURS,
    failuresBeforePause: v.OTP_PROVIDER_FAILURES_BEFORE_PAUSE,
    pauseMostMs: v.OTP_PROVIDER_PAUSE_MOST_SECONDS * 1000,
    smsCountries: v.OTP_SMS_COUNTRIES,
    smsRefusedPrefixes: v.OTP_SMS_REFUSED_PREFIXES,
    smsLimitPerPrefixPerHour: v.OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR,
    adultAge: v.OTP_ADULT_AGE,
    closeDeadlineSeconds: v.OTP_CLOSE_DEADLINE_SECONDS,
    executionTimeoutSeconds: v.OTP_EXECUTION_TIMEOUT_SECONDS,
    voidAfterSeconds: v.OTP_VOID_AFTER_SECONDS,
  }))
