/**
 * Whom a provider's error blames (D7): every code that the two providers document, as data.
 *
 * - `destination`: the number or the address; the next message to it will fail too
 * - `network`: what lies on the way, a handset that is switched off included; the next message may arrive
 * - `sender`: the message, or how it was sent: pace, sender id, content, parameters
 * - `account`: our account at the provider, which takes no message at all until an operator has mended it
 *
 * What follows is the same for every code of one kind. The message has failed, so its code goes by the other channel
 * where policy allows. Only `destination` marks a number as unreachable (R2). `sender` and `account` raise an alarm, and
 * `account` pauses a campaign (R5). A code that stands here nowhere has failed too, and blames nobody.
 */
import type { Blame } from '../domain/receipt.ts'

/**
 * Vonage's Messages API: the `title` of a status's error, and the end of the `type` of a refusal.
 * Source: developer.vonage.com/en/api-errors/messages, as of October 2026. 1110 left that page earlier.
 */
export const VONAGE_CODES: Readonly<Record<string, readonly [blame: Blame, meaning: string]>> = {
  1000: ['sender', 'throttled'],
  1010: ['sender', 'missing parameters'],
  1020: ['sender', 'invalid parameters'],
  1021: ['sender', 'invalid tag'],
  1022: ['sender', 'invalid template'],
  1030: ['network', 'internal error of the platform'],
  1040: ['destination', 'the prefix of the number is not known'],
  1050: ['destination', 'number barred'],
  1060: ['account', 'account barred'],
  1070: ['account', 'quota exceeded, or no credit'],
  1080: ['account', 'account not enabled for REST'],
  1090: ['sender', 'message too long'],
  1100: ['network', 'communication failed'],
  1110: ['account', 'invalid signature'],
  1120: ['sender', 'sender address not accepted'],
  1130: ['sender', 'invalid ttl'],
  1140: ['account', 'facility not enabled for the account'],
  1150: ['sender', 'invalid message class'],
  1160: ['account', 'an account in demo mode may not send to this number'],
  1170: ['destination', 'invalid recipient'],
  1180: ['network', 'temporarily unavailable: switched off, or out of coverage'],
  1190: ['destination', 'no longer active'],
  1200: ['destination', 'portability error'],
  1210: ['sender', 'anti-spam rejection'],
  1220: ['network', 'handset busy'],
  1230: ['network', 'temporary network failure'],
  1240: ['destination', 'the subscriber has opted out'],
  1241: ['sender', 'too many send requests'],
  1242: ['account', 'the number pool is not configured'],
  1250: ['network', 'no route for this number'],
  1251: ['network', 'routing rules of the network'],
  1260: ['destination', 'destination unreachable'],
  1270: ['sender', 'content not suitable for the age of the subscriber'],
  1280: ['destination', "blocked by the carrier: the subscriber's plan has no SMS, or is suspended"],
  1282: ['sender', 'rejected for policy or content'],
  1290: ['destination', "the subscriber's prepaid credit is used up"],
  1300: ['destination', 'not a user of the network'],
  1310: ['destination', 'the device cannot receive it'],
  1320: ['sender', 'sent already'],
  1330: ['destination', 'permanent failure, reason unknown: often a number that does not exist'],
  1331: ['network', 'the carrier does not respond'],
  1340: ['sender', 'outside of the allowed window'],
  1350: ['account', 'phone matching fee not paid'],
  1360: ['network', 'expired before it was delivered'],
  1370: ['account', 'access token expired'],
  1380: ['sender', 'invalid resource'],
  1381: ['sender', 'resource too large'],
  1382: ['sender', 'unsupported type of resource'],
  1400: ['sender', 'unsupported channel'],
  1410: ['sender', 'invalid channel parameters'],
  1420: ['sender', 'invalid sender'],
  1430: ['destination', 'invalid recipient for the channel'],
  1431: ['sender', 'several recipients'],
  1440: ['sender', 'invalid type of message'],
  1450: ['sender', 'invalid client reference'],
  1451: ['sender', 'invalid context'],
  1460: ['account', 'daily limit exceeded'],
  1461: ['sender', 'held back to spare the subscriber'],
  1470: ['sender', 'Fraud Defender: traffic rule'],
  1472: ['sender', 'Fraud Defender: burst protection'],
  1473: ['sender', 'Fraud Defender: artificially inflated traffic'],
  1474: ['sender', 'Fraud Defender: country blocked'],
  1475: ['sender', 'Fraud Defender: network blocked'],
  1476: ['sender', 'the sender is on a do-not-originate list'],
  1480: ['sender', 'entity filter'],
  1481: ['sender', 'header filter'],
  1482: ['sender', 'content filter'],
  1483: ['sender', 'consent filter'],
  1484: ['sender', 'authentication or compliance failure'],
  1490: ['network', 'receipts of some segments are missing'],
  2001: ['sender', 'fraud protection of the carrier'],
  2002: ['sender', 'e-mail too large'],
  2003: ['destination', 'on the suppression list'],
}

/**
 * What all of Vonage's APIs refuse a request with; `invalid-params` also names the parameters.
 * Source: developer.vonage.com/en/api-errors, "Generic Errors".
 */
export const VONAGE_REFUSALS: Readonly<Record<string, Blame>> = {
  'low-balance': 'account',
  unauthorized: 'account',
  forbidden: 'account',
  'not-found': 'account',
  unprovisioned: 'account',
  'account-suspended': 'account',
  'application-suspended': 'account',
  'jwt-expired': 'account',
  'jwt-revoked': 'account',
  'invalid-api-key': 'account',
  'invalid-signature': 'account',
  'invalid-ip': 'account',
  'multiple-auth-methods': 'account',
  'invalid-id': 'account',
  'unavailable-legal': 'account',
  'invalid-params': 'sender',
  'invalid-json': 'sender',
  'wrong-verb': 'sender',
  'accept-header': 'sender',
  'content-type-header': 'sender',
  throttled: 'sender',
}

/**
 * Why SendGrid did not even try: the `reason` of a `dropped` event.
 * Source: Twilio SendGrid's "Event Webhook Reference", "Dropped".
 */
export const SENDGRID_DROPS: Readonly<Record<string, Blame>> = {
  'Bounced Address': 'destination',
  'Unsubscribed Address': 'destination',
  'Spam Reporting Address': 'destination',
  Invalid: 'destination',
  'Spam Content': 'sender',
  'Invalid SMTPAPI header': 'sender',
  'Recipient List over Package Quota': 'account',
}

/**
 * The `bounce_classification` of a `bounce` event; `Unclassified`, which blames nobody, leaves it to the status.
 * Source: Twilio SendGrid's Bounces API, "Retrieve bounces by specific classification"; events say `Technical` too.
 */
export const SENDGRID_CLASSIFICATIONS: Readonly<Record<string, Blame>> = {
  'Invalid Address': 'destination',
  'Mailbox Unavailable': 'destination',
  'Technical Failure': 'network',
  Technical: 'network',
  Content: 'sender',
  Reputation: 'sender',
  'Frequency or Volume Too High': 'sender',
}

/**
 * The `status` of a `bounce` event without its class: subject and detail, else the subject alone.
 * Source: RFC 3463 §3, and the IANA registry of enhanced status codes that it began. Subject 0 says nothing.
 */
export const SMTP_STATUSES: Readonly<Record<string, Blame>> = {
  '1': 'destination',
  '1.7': 'sender',
  '1.8': 'sender',
  '2': 'destination',
  '2.3': 'sender',
  '3': 'network',
  '3.4': 'sender',
  '4': 'network',
  '5': 'network',
  '6': 'sender',
  '7': 'sender',
}

/** SendGrid's events about our account rather than a message. Source: "Event Webhook Reference", "Account change events". */
export const SENDGRID_ACCOUNT_EVENTS: readonly string[] = ['account_status_change']

const own = <T>(table: Readonly<Record<string, T>>, key: string): T | null =>
  Object.hasOwn(table, key) ? table[key]! : null

/** @param code of a status or of a refusal; undefined where it names none */
export const vonageBlame = (code: string | undefined): Blame | null =>
  code === undefined ? null : (own(VONAGE_CODES, code)?.[0] ?? own(VONAGE_REFUSALS, code))

/** @param said what a `bounce` or `dropped` event says of its reason */
export function sendGridBlame(said: {
  readonly event: string
  readonly reason?: string | undefined
  readonly classification?: string | undefined
  readonly status?: string | undefined
}): Blame | null {
  if (said.event === 'dropped') return own(SENDGRID_DROPS, said.reason ?? '')
  return own(SENDGRID_CLASSIFICATIONS, said.classification ?? '') ?? smtpBlame(said.status ?? '')
}

/** Class 4 is a failure that may pass, whatever its subject: it blames no address. */
function smtpBlame(status: string): Blame | null {
  const [, statusClass, subject, detail] = /^([45])\.(\d{1,3})\.(\d{1,3})$/.exec(status) ?? []
  const blame = own(SMTP_STATUSES, `${subject}.${detail}`) ?? own(SMTP_STATUSES, `${subject}`)
  return blame === 'destination' && statusClass === '4' ? 'network' : blame
}
