/** The rollout. */
import { z } from 'zod'
import { int } from './values.ts'

/** The rollout of mandatory SMS (R). */
export const campaign = z
  .object({
    /** R4: from an announcement to the date from which SMS is mandatory, at least. */
    OTP_ENFORCE_AFTER_SECONDS: int(0, 31_536_000, 1_209_600),
    /** How many notices a worker has in hand; one that is killed may send so many twice. */
    OTP_NOTICES_AT_ONCE: int(1, 200, 20),
    /** After that a notice whose sender died is due again. Longer than a provider's answer may take. */
    OTP_NOTICE_LEASE_SECONDS: int(10, 3_600, 30),
  })
  .transform((v) => ({
    enforceAfterSeconds: v.OTP_ENFORCE_AFTER_SECONDS,
    noticesAtOnce: v.OTP_NOTICES_AT_ONCE,
    leaseSeconds: v.OTP_NOTICE_LEASE_SECONDS,
  }))
