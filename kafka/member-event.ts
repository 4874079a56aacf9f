/**
 * Member events (M1): what stands in the topic `member-events`, and what becomes of it.
 *
 * A record is either applied (a change), or bad, with a stable reason (M3). Nothing is coerced or guessed: a number in
 * quotes, a date that no calendar has, or a key that names another member makes an event bad. Fields that we do not
 * know are ignored, so that the source may add some. An e-mail address that cannot be delivered to is no fault of the
 * event: the member arrives, and the address is judged where a code is sent (D3).
 */
import { isUtf8 } from 'node:buffer'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { hasRepeatedName } from '../domain/repeated-names.ts'
import { toMobileNumber } from '../phones/mobile-number.ts'
import type { MemberChange } from '../postgres/members.ts'
import schema from './member-event.schema.json' with { type: 'json' }

/** Why an event is bad: the header `reason` of the dead letter. Names on the wire, permanent. */
export const BAD_EVENT_REASONS = [
  'not_json',
  // A name stands twice in one object of it.
  'ambiguous',
  'wrong_shape',
  'unknown_type',
  'impossible_date',
  // The key, the subject and `data.memberId` do not name one member.
  'wrong_key',
  // Postgres refused the values; none that passes the checks here is known to be.
  'rejected_by_database',
  // It stood in a compressed batch that is broken, or too large once decompressed: one letter for the whole batch.
  'undecodable',
] as const
export type BadEventReason = (typeof BAD_EVENT_REASONS)[number]

export type MemberEventResult = { readonly change: MemberChange } | { readonly bad: BadEventReason }

const MEMBER_ID = /^[A-Za-z0-9_-]{1,64}$/
const TYPES = ['member.registered', 'member.updated', 'member.withdrawn'] as const
const EARLIEST_BIRTH_DATE = '1900-01-01'
/** The day has begun somewhere 14 hours before it begins in UTC. */
const FIRST_TIME_ZONE_MS = 14 * 3_600_000
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** A member's whole state, as the source tells it. */
export interface MemberData {
  readonly memberId: string
  readonly version: number
  readonly email?: string | null
  readonly mobilePhone?: string | null
  readonly mobileCarrier?: string | null
  readonly birthDate?: string | null
  readonly familyCard: boolean
  readonly country: string
  readonly language: string
  readonly notificationPreference: 'email' | 'sms'
}
type Cleared = 'familyCard' | 'country' | 'language' | 'notificationPreference'
type WithdrawnData = Omit<MemberData, Cleared> & { readonly [F in Cleared]?: MemberData[F] | null }

interface Envelope<Type, Data> {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: Type
  readonly subject: string
  readonly time: string
  readonly datacontenttype?: string
  readonly data: Data
}
type StateEvent = Envelope<'member.registered' | 'member.updated', MemberData>
type WithdrawalEvent = Envelope<'member.withdrawn', WithdrawnData>

/** A member event as a producer writes it; section I of the specification. */
export type MemberEvent = StateEvent | WithdrawalEvent

// Compiled: millions of events go through it, and a check that interprets its schema costs three times as much.
const ajv = new Ajv2020({
  allowUnionTypes: true,
  strictTypes: false,
  strictRequired: false,
  schemas: { event: schema },
})
const isStateEvent = ajv.compile<StateEvent>({ $ref: 'event#/$defs/stateEvent' })
const isWithdrawalEvent = ajv.compile<WithdrawalEvent>({ $ref: 'event#/$defs/withdrawalEvent' })

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
  const text = toText(value)
  const json = text === undefined ? undefined : parseJson(text)
  if (text === undefined || json === undefined) return { bad: 'not_json' }
  if (hasRepeatedName(text, json)) return { bad: 'ambiguous' }
  const type = typeOf(json)
  if (type === undefined) return { bad: 'wrong_shape' }
  if (!isKnownType(type)) return { bad: 'unknown_type' }
  const event = type === 'member.withdrawn' ? isWithdrawalEvent(json) && json : isStateEvent(json) && json
  if (!event) return { bad: 'wrong_shape' }
  const { birthDate } = event.data
  if (!isInstant(event.time) || (birthDate && !isBirthDate(birthDate, now))) return { bad: 'impossible_date' }
  if (event.subject !== memberId || event.data.memberId !== memberId) return { bad: 'wrong_key' }
  return { change: toChange(event.data, type === 'member.withdrawn' ? 'withdrawn' : 'active', event.time, offset) }
}

// Without the check, broken UTF-8 would quietly become U+FFFD in somebody's address.
const toText = (value: Buffer) => (isUtf8(value) ? value.toString('utf8') : undefined)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

const typeOf = (json: unknown) =>
  typeof json === 'object' && json !== null && 'type' in json && typeof json.type === 'string' ? json.type : undefined

const isKnownType = (type: string): type is MemberEvent['type'] => (TYPES as readonly string[]).includes(type)

const erased = (memberId: string, offset: string): MemberChange => ({
  memberId,
  offset,
  version: null,
  status: 'erased',
})

function toChange(
  member: WithdrawnData,
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

/** The number that stands there in digits. By arithmetic: texts cut out of texts are what a date would cost most. */
function digits(text: string, start: number, count: number): number {
  let value = 0
  for (let at = start; at < start + count; at++) value = value * 10 + text.charCodeAt(at) - 48
  return value
}

const isBirthDate = (date: string, now: number) =>
  date >= EARLIEST_BIRTH_DATE && isCalendarDate(date) && Date.parse(date) <= now + FIRST_TIME_ZONE_MS
