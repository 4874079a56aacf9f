import type { MemberEvent } from '../../kafka/member-event.ts'
import { generateMember, memberIdOf, type MemberData } from './member.ts'

/** A record of the topic `member-events`; null is a tombstone. */
export interface GeneratedRecord {
  readonly key: string
  readonly value: MemberEvent | null
}

/** Version n is told n seconds after this, for as long as a few days: no event shall come from the future. */
const FIRST_TIME = Date.UTC(2026, 10, 1)
const MOST_SECONDS = 300_000

export function toRecord(type: MemberEvent['type'], data: MemberData): GeneratedRecord {
  const { memberId, version } = data
  return {
    key: memberId,
    value: {
      specversion: '1.0',
      id: `generated-${memberId}-${version}`,
      source: '/membership',
      type,
      subject: memberId,
      time: new Date(FIRST_TIME + Math.min(version, MOST_SECONDS) * 1_000).toISOString(),
      datacontenttype: 'application/json',
      data,
    },
  }
}

/** Members from number `from` on, `count` of them, each registered. */
export function* registrations(seed: number, from: number, count: number): Generator<GeneratedRecord> {
  for (let index = from; index < from + count; index++) yield toRecord('member.registered', generateMember(seed, index))
}

export const tombstone = (index: number): GeneratedRecord => ({ key: memberIdOf(index), value: null })
