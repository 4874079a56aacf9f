/**
 * Topics: names on the wire, permanent.
 */
export const MEMBER_EVENTS = 'member-events'
export const MEMBER_EVENTS_DEAD_LETTERS = 'member-events.dlq'
export const OTP_EVENTS = 'otp-events'
