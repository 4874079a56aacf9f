/** How long what is of no more use is kept. */
import { z } from 'zod'
import { int } from './values.ts'

/** How long what is of no more use is kept. */
export const retention = z
  .object({
    /** D7: longer than a provider repeats an event, and than support is asked what became of a message. */
    OTP_RECEIPT_DAYS: int(2, 3_650, 30),
    /** U4: how long events that were sent can be sent again. */
    OTP_OUTBOX_DAYS: int(1, 365, 7),
    /** Where codes went, for support; limits look back a day. */
    OTP_DESTINATION_DAYS: int(2, 3_650, 30),
    /** C9: starts that were refused, for support. */
    OTP_REFUSED_START_HOURS: int(1, 8_760, 24),
    /** Challenges that ended, with their attempts and verdicts, and who unlocked whom. */
    OTP_CHALLENGE_DAYS: int(2, 3_650, 365),
    /** From the end of a campaign: its members, notices, log and curves; from their end: exemptions. */
    OTP_CAMPAIGN_DAYS: int(2, 3_650, 365),
  })
  .transform((v) => ({
    receiptDays: v.OTP_RECEIPT_DAYS,
    outboxDays: v.OTP_OUTBOX_DAYS,
    destinationDays: v.OTP_DESTINATION_DAYS,
    refusedStartHours: v.OTP_REFUSED_START_HOURS,
    challengeDays: v.OTP_CHALLENGE_DAYS,
    campaignDays: v.OTP_CAMPAIGN_DAYS,
  }))
