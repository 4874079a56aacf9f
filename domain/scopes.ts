/**
 * What callers of the HTTP API may be allowed (U1), with what each allows.
 */
export const SCOPES = {
  'challenges:start': 'start, resend',
  'challenges:read': 'status',
  'challenges:verify': 'verify',
  'challenges:cancel': 'cancel',
  'challenges:any': 'the same on challenges that others started; without it they are 404',
  'deliverability:check': 'the check of an e-mail address',
  'page-links:create': "links to the members' pages",
  'members:read': 'what support sees of a member',
  'members:write': 'unlocking a member',
  'campaigns:read': 'dry runs, campaigns, where a member stands in one, the campaign page',
  'campaigns:write': 'starting and commanding campaigns',
  'payloads:decode': 'reading payloads through the codec server (`OTP_CODEC_SERVER_CALLERS=known`)',
  'events:replay': 'having events of `otp-events` sent again',
} as const satisfies Record<string, string>

export type Scope = keyof typeof SCOPES
