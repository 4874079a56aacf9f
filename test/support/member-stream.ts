/**
 * A stream of member events as bad as it gets, and what it must come to: told by a fold that shares no code with the
 * consumer, over labels that the stream itself carries in a header.
 */
import type { Message } from 'kafkajs'
import type { TopicRecord } from './kafka.ts'

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const PHONES: readonly (readonly [string | null, string | null])[] = [
  ['090-1234-5678', '+819012345678'],
  ['０８０１２３４５６７８', '+818012345678'],
  ['+886 912 345 678', '+886912345678'],
  ['03-1234-5678', null],
  ['050-1234-5678', null],
  ['090-1234-5678;080-1234-5678', null],
  [null, null],
]
/** The largest value that still fits the event topic with its key and headers. */
const NEAR_THE_LIMIT = 1_048_300

/** A member event whose label says what becomes of it. */
const labelled = (key: string, value: string | Buffer | null, label: string): Message => ({
  key,
  value,
  headers: { label },
})

/** Makes `count` records for `members` members: good, late, twice, erasing and bad ones of every kind. */
export function makeStream(count: number, members: number, random: () => number): Message[] {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const versions = new Map<string, number>()
  const sent: Message[] = []

  const good = (memberId: string, version: number, extra: object = {}): Message => {
    const [mobilePhone, expected] = pick(PHONES)
    const event = {
      specversion: '1.0',
      id: `event-${sent.length}`,
      source: '/membership',
      type: pick(['member.registered', 'member.updated', 'member.updated', 'member.updated', 'member.withdrawn']),
      subject: memberId,
      time: new Date(Date.UTC(2026, 0, 1) + sent.length * 1_000).toISOString(),
      datacontenttype: 'application/json',
      data: {
        memberId,
        version,
        email: pick(['hanako@example.jp', '.abcd@example.jp', 'ab[cd@example.jp', null]),
        mobilePhone,
        mobileCarrier: pick(['softbank', 'docomo', null]),
        birthDate: pick(['1990-04-01', '2008-02-29', null]),
        familyCard: pick([true, false]),
        country: pick(['JP', 'US']),
        language: pick(['ja', 'en', 'zh-Hant']),
        notificationPreference: pick(['email', 'sms']),
      },
      ...extra,
    }
    // A national number is read in the member's country.
    if (event.data.country !== 'JP' && !mobilePhone?.startsWith('+')) {
      return labelled(memberId, JSON.stringify(event), 'good:')
    }
    return labelled(memberId, JSON.stringify(event), `good:${expected ?? ''}`)
  }
  const spoil = (memberId: string, label: string, change: (json: string) => string) =>
    labelled(memberId, change(good(memberId, 1_000_000 + sent.length).value as string), label)
  const next = (memberId: string) => {
    const version = (versions.get(memberId) ?? 0) + 1 + Math.floor(random() * 3)
    versions.set(memberId, version)
    return version
  }

  const kinds: readonly (readonly [number, (memberId: string) => Message])[] = [
    [60, (id) => good(id, next(id))],
    [10, (id) => good(id, Math.max(1, (versions.get(id) ?? 1) - Math.floor(random() * 5)))],
    [
      10,
      (id) =>
        sent.findLast((message) => message.key === id && message.value !== null && random() < 0.5) ??
        good(id, next(id)),
    ],
    [5, (id) => labelled(id, null, 'erased')],
    [3, (id) => spoil(id, 'not_json', (json) => json.slice(0, -1))],
    [3, (id) => spoil(id, 'wrong_shape', (json) => json.replace(/"version":(\d+)/, '"version":"$1"'))],
    [2, (id) => spoil(id, 'wrong_shape', (json) => json.replace(/"familyCard":\w+/, '"familyCard":"no"'))],
    [
      3,
      (id) =>
        spoil(id, 'impossible_date', (json) => json.replace(/"birthDate":(null|"[^"]*")/, '"birthDate":"1990-02-30"')),
    ],
    [2, (id) => spoil(id, 'unknown_type', (json) => json.replace(/member\.\w+/, 'member.merged'))],
    [1, (id) => spoil(id, 'wrong_key', (json) => json.replaceAll(id, 'somebody-else'))],
    [1, () => labelled('no member id', null, 'wrong_key')],
  ]
  const lots = kinds.flatMap(([weight, make]) => Array.from({ length: weight }, () => make))
  while (sent.length < count) {
    const memberId = String(100_000_000 + Math.floor(random() * members))
    // A value of 1 MB: once in a thousand, good and bad in turn.
    if (sent.length % 2_000 === 500) sent.push(labelled(memberId, Buffer.alloc(NEAR_THE_LIMIT, '{'), 'not_json'))
    else if (sent.length % 2_000 === 1_500)
      sent.push(good(memberId, next(memberId), { padding: 'x'.repeat(1_000_000) }))
    else sent.push(pick(lots)(memberId))
  }
  return shuffleNearby(sent, random)
}

/** Reordering as a broken producer does it: a record changes places with one up to 20 later. */
function shuffleNearby(messages: Message[], random: () => number): Message[] {
  for (let index = 0; index + 20 < messages.length; index += 7) {
    const other = index + Math.floor(random() * 20)
    ;[messages[index], messages[other]] = [messages[other]!, messages[index]!]
  }
  return messages
}

/** What the label of a record says: `good:<phone>`, `erased`, or the reason why it is bad. */
export const labelOf = (record: TopicRecord): string => String(record.headers?.['label'])

/** One pass over the records as they stand in the topic: the rows of `members`, by member. */
export function foldStream(records: readonly TopicRecord[]): Map<string, Record<string, unknown>> {
  const rows = new Map<string, Record<string, unknown>>()
  for (const record of records) {
    const memberId = String(record.key)
    const row = rows.get(memberId)
    const place = {
      member_id: memberId,
      kafka_epoch: 1,
      epoch_version: null,
      kafka_partition: record.partition,
      kafka_offset: Number(record.offset),
    }
    if (labelOf(record) === 'erased') {
      rows.set(memberId, { ...NOTHING, ...place, status: 'erased', version: row?.['version'] ?? 0 })
    } else if (labelOf(record).startsWith('good:')) {
      const { type, time, data } = JSON.parse(String(record.value)) as {
        type: string
        time: string
        data: Record<string, unknown>
      }
      if (row && Number(data['version']) <= Number(row['version'])) continue
      const phone = labelOf(record).slice('good:'.length) || null
      rows.set(memberId, {
        ...place,
        version: data['version'],
        status: type === 'member.withdrawn' ? 'withdrawn' : 'active',
        email: data['email'],
        phone,
        phone_country: phone && (phone.startsWith('+81') ? 'JP' : 'TW'),
        phone_since: row && row['status'] !== 'erased' && row['phone'] === phone ? row['phone_since'] : time,
        mobile_carrier: data['mobileCarrier'],
        birth_date: data['birthDate'],
        family_card: data['familyCard'],
        country: data['country'],
        language: data['language'],
        notification_preference: data['notificationPreference'],
        notification_preference_since:
          row && row['notification_preference'] === data['notificationPreference']
            ? row['notification_preference_since']
            : time,
        event_time: time,
      })
    }
  }
  return rows
}

const NOTHING = {
  email: null,
  phone: null,
  phone_country: null,
  phone_since: null,
  mobile_carrier: null,
  birth_date: null,
  family_card: null,
  country: null,
  language: null,
  notification_preference: null,
  notification_preference_since: null,
  event_time: null,
}
