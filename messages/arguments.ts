/**
 * What is filled into each text: `{name}` for a string, `{name}` or an ICU plural for a number. A text that is not
 * named here takes nothing. Every language uses all of its text's arguments and no other.
 *
 * Times and amounts come as strings that the code has formatted: what ICU would put between their digits (a narrow
 * no-break space, say) can cost an SMS its one segment.
 */
export const ARGUMENTS = {
  'code.sms': { code: 'string', minutes: 'number' },
  'code.email.valid': { minutes: 'number' },
  'code.email.purpose': { purpose: 'string' },
  'notice.announcement.sms': { day: 'string' },
  'notice.destination_changed.sms.phone': { time: 'string', phone: 'string' },
  'notice.destination_changed.sms.sms': { time: 'string', phone: 'string' },
  'notice.destination_changed.sms.email': { time: 'string' },
  'notice.destination_changed.email.phone': { phone: 'string' },
  'notice.destination_changed.email.sms': { phone: 'string' },
  'notice.destination_changed.email.when': { time: 'string' },
  'pages.frame.step': { number: 'number', count: 'number' },
  'pages.help.notes.valid': { minutes: 'number' },
  'pages.help.missing.sms.sender': { sender: 'string' },
  'pages.help.missing.sms.softbank': { sender: 'string' },
  'pages.help.missing.email.sender': { sender: 'string' },
  'pages.help.missing.email.domain': { domain: 'string' },
  'pages.help.addresses.permitted': { symbols: 'string' },
  'pages.help.addresses.example': { address: 'string' },
  'pages.help.register.step': { number: 'number' },
  'pages.code.purpose': { purpose: 'string' },
  'pages.code.sent.sms': { destination: 'string' },
  'pages.code.sent.email': { destination: 'string' },
  'pages.code.sending.sms': { destination: 'string' },
  'pages.code.sending.email': { destination: 'string' },
  'pages.code.hint': { digits: 'number' },
  'pages.code.until': { time: 'string' },
  'pages.code.invalid.title': { digits: 'number' },
  'pages.code.wrong.advice': { left: 'number' },
  'pages.code.older.advice': { time: 'string' },
  'pages.code.locked.advice': { time: 'string' },
  'pages.code.wait.advice': { time: 'string' },
  'pages.code.unavailable.advice': { time: 'string' },
  'pages.destination.unusable': { destination: 'string' },
  'pages.destination.overview.pending': { phone: 'string' },
  'pages.destination.number.first': { destination: 'string' },
  'pages.destination.code.lead': { phone: 'string' },
  'pages.destination.choice.verified': { phone: 'string' },
  'pages.destination.done.sms': { phone: 'string' },
  'pages.destination.done.email': { email: 'string' },
} as const
