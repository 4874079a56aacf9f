/**
 * What generated members come to: computed from the records that were written, and from the words of the rule, without
 * a line of our SQL.
 */
import { ineligibility, tokyoDay } from '../../domain/eligibility.ts'
import { changes } from '../../local/generate/changes.ts'
import { toRecord, type GeneratedRecord } from '../../local/generate/event.ts'
import { generateMember } from '../../local/generate/member.ts'
import { toMobileNumber } from '../../phones/mobile-number.ts'

export interface People {
  readonly seed: number
  readonly members: number
  readonly changes: number
}

export interface ExpectedMember {
  readonly memberId: string
  readonly version: number
  readonly status: 'active' | 'withdrawn' | 'erased'
  readonly phone: string | null
  readonly email: string | null
  /** Null for who is eligible. */
  readonly reason: string | null
}

/** Every member in the end, in the order of their ids. */
export function* expectedMembers({ seed, members, changes: count }: People): Generator<ExpectedMember> {
  const last = new Map<string, GeneratedRecord[]>()
  for (const record of changes({ seed, members, from: 0, count })) {
    const known = last.get(record.key)
    if (known) known.push(record)
    else last.set(record.key, [record])
  }
  const today = tokyoDay(new Date())
  for (let index = 0; index < members; index++) {
    const first = toRecord('member.registered', generateMember(seed, index))
    yield fold([first, ...(last.get(first.key) ?? [])], today)
  }
}

function fold(records: readonly GeneratedRecord[], today: string): ExpectedMember {
  const { key: memberId, value } = records.at(-1)!
  const version = Math.max(...records.map((record) => record.value?.data.version ?? 0))
  if (value === null) return { memberId, version, status: 'erased', phone: null, email: null, reason: 'withdrawn' }
  const { mobilePhone, country, email = null, familyCard = false, birthDate = null } = value.data
  const number = mobilePhone ? toMobileNumber(mobilePhone, country ?? '') : undefined
  const status = value.type === 'member.withdrawn' ? 'withdrawn' : 'active'
  const phone = number?.e164 ?? null
  const reason = ineligibility({
    member: { status, familyCard, birthDate, phone, phoneCountry: number?.country ?? null },
    adultAge: 18,
    smsCountries: ['JP'],
    smsRefusedPrefixes: [],
    isUnreachable: false,
    today,
  })
  return { memberId, version, status, phone, email, reason: reason ?? null }
}
