/** C9 and D8 without limits, for whoever starts many challenges from one place: a limit of 0 is none. */
export const LIMITS_LIFTED = {
  OTP_COOLDOWN_SECONDS: '0',
  OTP_LIMIT_PER_10_MINUTES: '0',
  OTP_LIMIT_PER_24_HOURS: '0',
  OTP_IP_LIMIT_PER_10_MINUTES: '0',
  OTP_IP_LIMIT_PER_24_HOURS: '0',
  OTP_REGISTRATION_LIMIT_PER_24_HOURS: '0',
  OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR: '0',
  OTP_SMS_PER_SECOND: '0',
  OTP_EMAIL_PER_SECOND: '0',
} as const
