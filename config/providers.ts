/** SendGrid and Vonage: what is sent to them, and what they tell us. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { messageFields, originHostOf } from './messages.ts'
import { pauseFields } from './provider-pause.ts'
import { baseUrl, int, pairs, pem, text } from './values.ts'

export const providers = z
  .object({
    SENDGRID_API_KEY: text('wants the SendGrid API key'),
    SENDGRID_BASE_URL: baseUrl('wants an http(s) URL').default('https://api.sendgrid.com'),
    VONAGE_APPLICATION_ID: z.uuid({ error: "wants the Vonage application's id (a UUID)" }),
    VONAGE_PRIVATE_KEY: pem("wants the Vonage application's private key (PEM)"),
    VONAGE_BASE_URL: baseUrl('wants an http(s) URL').default('https://api.nexmo.com'),
    OTP_EMAIL_FROM: messageFields.OTP_EMAIL_FROM,
    OTP_SMS_FROM: messageFields.OTP_SMS_FROM,
    OTP_SMS_FROM_SOFTBANK: messageFields.OTP_SMS_FROM_SOFTBANK,
    OTP_PUBLIC_URL: messageFields.OTP_PUBLIC_URL,
    OTP_ORIGIN_HOST: messageFields.OTP_ORIGIN_HOST,
    /** After that a provider's answer counts as lost. At most 8: the activity that sends has 13 s. */
    OTP_PROVIDER_TIMEOUT_SECONDS: int(1, 8, 8),
    /**
     * D8: no second sees more SMS, nor more e-mails with codes, of all workers together; 0 is no limit. Vonage's Messages API
     * takes 30. A campaign's announcements go out in what codes leave of it.
     */
    OTP_SMS_PER_SECOND: int(0, 1_000, 30),
    OTP_EMAIL_PER_SECOND: int(0, 1_000, 100),
    ...pauseFields,
    /**
     * D4: brands that ride on a network, as `brand=network`, beside those that are known: `mineoS=softbank`. Blanks, hyphens and case do
     * not matter; the sender depends on the network `softbank`.
     */
    OTP_CARRIER_BRANDS: pairs.default({}),
  })
  .transform((v) => ({
    sendgrid: { apiKey: v.SENDGRID_API_KEY, baseUrl: v.SENDGRID_BASE_URL, from: v.OTP_EMAIL_FROM },
    vonage: {
      applicationId: v.VONAGE_APPLICATION_ID,
      privateKey: v.VONAGE_PRIVATE_KEY,
      baseUrl: v.VONAGE_BASE_URL,
      from: v.OTP_SMS_FROM,
      fromSoftbank: v.OTP_SMS_FROM_SOFTBANK,
      carrierBrands: v.OTP_CARRIER_BRANDS,
    },
    originHost: originHostOf(v),
    timeoutMs: v.OTP_PROVIDER_TIMEOUT_SECONDS * 1000,
    perSecond: { sms: v.OTP_SMS_PER_SECOND, email: v.OTP_EMAIL_PER_SECOND },
    failuresBeforePause: v.OTP_PROVIDER_FAILURES_BEFORE_PAUSE,
    pauseMostMs: v.OTP_PROVIDER_PAUSE_MOST_SECONDS * 1000,
  }))

const SENDGRID_PUBLIC_KEY = "wants the Event Webhook's verification key as SendGrid shows it (base64, ECDSA P-256)"
const sendGridPublicKey = z.string({ error: SENDGRID_PUBLIC_KEY }).transform((value, context): KeyObject => {
  try {
    const key = createPublicKey({ key: Buffer.from(value, 'base64'), format: 'der', type: 'spki' })
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  } catch {
    // Told below: what a parser says of a key may hold some of it.
  }
  context.addIssue({ code: 'custom', message: SENDGRID_PUBLIC_KEY })
  return z.NEVER
})

/** D7: how the providers' receipts are told from forgeries. What is not set is refused. */
export const webhooks = z
  .object({
    SENDGRID_WEBHOOK_PUBLIC_KEY: sendGridPublicKey.optional(),
    VONAGE_API_KEY: text('wants the Vonage API key').optional(),
    VONAGE_SIGNATURE_SECRET: z
      .string({ error: 'wants the signature secret of the Vonage account' })
      .min(16, 'wants the signature secret of the Vonage account, at least 16 characters')
      .optional(),
    /** How far a signature's time may be from ours, either way. */
    OTP_WEBHOOK_TOLERANCE_SECONDS: int(1, 3_600, 300),
    /** SendGrid posts up to 768 KB at once; no other route reads as much. */
    OTP_WEBHOOK_BODY_LIMIT_BYTES: int(65_536, 16_777_216, 1_048_576),
  })
  .superRefine((v, context) => {
    if (v.VONAGE_SIGNATURE_SECRET !== undefined && v.VONAGE_API_KEY === undefined) {
      context.addIssue({ code: 'custom', path: ['VONAGE_API_KEY'], message: 'goes with VONAGE_SIGNATURE_SECRET' })
    }
  })
  .transform((v) => ({
    sendgridPublicKey: v.SENDGRID_WEBHOOK_PUBLIC_KEY,
    vonage:
      v.VONAGE_SIGNATURE_SECRET !== undefined && v.VONAGE_API_KEY !== undefined
        ? { apiKey: v.VONAGE_API_KEY, signatureSecret: v.VONAGE_SIGNATURE_SECRET }
        : undefined,
    toleranceSeconds: v.OTP_WEBHOOK_TOLERANCE_SECONDS,
    bodyLimitBytes: v.OTP_WEBHOOK_BODY_LIMIT_BYTES,
  }))
