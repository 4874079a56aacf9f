/**
 * Member events (M1): what stands in the topic `member-events`, and what becomes of it.
 *
 * A record is either applied (a change), or bad, with a stable reason (M3). Nothing is coerced or guessed: a number in
 * quotes, a date that no calendar has, or a key that names another member makes an event bad. Fields that we do not
 * know are ignored, so that the source may add some. An e-mail address that cannot be delivered to is no fault of the
 * event: the member arrives, and the address is judged where a code is sent (D3).
 */
import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { toMobileNumber } from '../phones/mobile-number.ts'
import type { MemberChange } from '../postgres/members.ts'

/** Why an event is bad: the header `reason` of the dead letter. Names on the wire, permanent. */
export type BadEventReason =
  | 'not_json'
  | 'wrong_shape'
  | 'unknown_type'
  | 'impossible_date'
  /** The key, the subject and `data.memberId` do not name one member. */
  | 'wrong_key'
  /** Postgres refused the values; none that passes the checks here is known to be. */
  | 'rejected_by_database'

export type MemberEventResult = { readonly change: MemberChange } | { readonly bad: BadEventReason }

const MEMBER_ID = /^[A-Za-z0-9_-]{1,64}$/
const TYPES = ['member.registered', 'member.updated', 'member.withdrawn'] as const
/** RFC 5321: 64 octets, `@` and 255. */
const EMAIL_MAX_LENGTH = 320
const EARLIEST_BIRTH_DATE = '1900-01-01'
/** The day has begun somewhere 14 hours before it begins in UTC. */
const FIRST_TIME_ZONE_MS = 14 * 3_600_000
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Control characters are where header injection starts; lone surrogates are no text to Postgres. */
const isPlainText = (value: string) => !/\p{Cc}/u.test(value) && value.isWellFormed()
const plainText = (max: number) => z.string().max(max).refine(isPlainText)
const required = z.string().min(1).max(1_024)

const personal = {
  email: plainText(EMAIL_MAX_LENGTH).nullish(),
  mobilePhone: z.string().max(320).nullish(),
  mobileCarrier: plainText(64).nullish(),
  birthDate: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/)
    .nullish(),
}
const data = z.object({
  memberId: z.string().regex(MEMBER_ID),
  version: z.int().positive(),
  ...personal,
  familyCard: z.boolean(),
  country: z.string().regex(/^[A-Z]{2}$/),
  language: z
    .string()
    .max(35)
    .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/),
  notificationPreference: z.enum(['email', 'sms']),
})
/** A withdrawal must not be missed because the source has already cleared the rest. */
const withdrawnData = data.extend({
  familyCard: data.shape.familyCard.nullish(),
  country: data.shape.country.nullish(),
  language: data.shape.language.nullish(),
  notificationPreference: data.shape.notificationPreference.nullish(),
})
const envelope = z.object({
  specversion: z.literal('1.0'),
  id: required,
  source: required,
  type: required,
  subject: z.string().regex(MEMBER_ID),
  time: z
    .string()
    .max(64)
    .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/),
  datacontenttype: required.optional(),
})
const events = {
  'member.registered': envelope.extend({ data }),
  'member.updated': envelope.extend({ data }),
  'member.withdrawn': envelope.extend({ data: withdrawnData }),
}

/** A member event as a producer writes it; section I of the specification. */
export type MemberEvent = z.input<(typeof events)[keyof typeof events]>

/** The parts of a Kafka record that an event is read from. */
export interface MemberEventRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly offset: string
}

/**
 * Reads one record.
 *
 * @param now milliseconds since the epoch: nobody is born later
 */
export function readMemberEvent({ key, value, offset }: MemberEventRecord, now = Date.now()): MemberEventResult {
  const memberId = key?.toString('latin1') ?? ''
  if (value === null) return MEMBER_ID.test(memberId) ? { change: erased(memberId, offset) } : { bad: 'wrong_key' }
  const json = parseJson(value)
  const type = typeOf(json)
  if (json === undefined) return { bad: 'not_json' }
  if (type === undefined) return { bad: 'wrong_shape' }
  if (!isKnownType(type)) return { bad: 'unknown_type' }
  const parsed = events[type].safeParse(json)
  if (!parsed.success) return { bad: 'wrong_shape' }
  const event = parsed.data
  const { birthDate } = event.data
  if (!isInstant(event.time) || (birthDate && !isBirthDate(birthDate, now))) return { bad: 'impossible_date' }
  if (event.subject !== memberId || event.data.memberId !== memberId) return { bad: 'wrong_key' }
  return { change: toChange(event.data, type === 'member.withdrawn' ? 'withdrawn' : 'active', event.time, offset) }
}

function parseJson(value: Buffer): unknown {
  // Without this, broken UTF-8 would quietly become U+FFFD in somebody's address.
  if (!isUtf8(value)) return undefined
  try {
    return JSON.parse(value.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}

const typeOf = (json: unknown) =>
  typeof json === 'object' && json !== null && 'type' in json && typeof json.type === 'string' ? json.type : undefined

const isKnownType = (type: string): type is keyof typeof events => (TYPES as readonly string[]).includes(type)

const erased = (memberId: string, offset: string): MemberChange => ({
  memberId,
  offset,
  version: null,
  status: 'erased',
})

function toChange(
  member: z.output<typeof withdrawnData>,
  status: 'active' | 'withdrawn',
  eventTime: string,
  offset: string,
): MemberChange {
  const number = member.mobilePhone ? toMobileNumber(member.mobilePhone, member.country ?? '') : undefined
  return {
    memberId: member.memberId,
    offset,
    version: member.version,
    status,
    email: member.email ?? null,
    phone: number?.e164 ?? null,
    phoneCountry: number?.country ?? null,
    mobileCarrier: member.mobileCarrier ?? null,
    birthDate: member.birthDate ?? null,
    familyCard: member.familyCard ?? null,
    country: member.country ?? null,
    language: member.language ?? null,
    notificationPreference: member.notificationPreference ?? null,
    eventTime,
  }
}

/** A time that both the calendar and Postgres have, after the epoch; no leap second, no offset of 15 hours. */
const isInstant = (time: string) =>
  isCalendarDate(time) &&
  time >= '1970' &&
  digits(time, 11, 2) < 24 &&
  digits(time, 14, 2) < 60 &&
  digits(time, 17, 2) < 60 &&
  (time.endsWith('Z') || (digits(time, time.length - 5, 2) <= 14 && digits(time, time.length - 2, 2) < 60))

/** Whether the calendar has the day that a text of the form `2008-02-29…` begins with. */
function isCalendarDate(text: string): boolean {
  const [year, month, day] = [digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2)]
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day >= 1 && day <= (month === 2 && leap ? 29 : (DAYS[month - 1] ?? 0))
}

const digits = (text: string, start: number, count: number) => Number(text.slice(start, start + count))

const isBirthDate = (date: string, now: number) =>
  date >= EARLIEST_BIRTH_DATE && isCalendarDate(date) && Date.parse(date) <= now + FIRST_TIME_ZONE_MS
