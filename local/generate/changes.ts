/**
 * What happens to generated members later: a stream of changes that is the same in every run of a seed.
 */
import { tombstone, toRecord, type GeneratedRecord } from './event.ts'
import { generateMember, generatePhone, NO_PHONE, type MemberData } from './member.ts'
import { createRandom, type Random, type Weighted } from './random.ts'

type Change =
  | 'phone_removed'
  | 'phone_changed'
  | 'card_given_up'
  | 'card_taken'
  | 'preference'
  | 'email'
  | 'withdrawn'
  | 'erased'

const CHANGES: readonly Weighted<Change>[] = [
  [15, 'phone_removed'],
  [30, 'phone_changed'],
  [15, 'card_given_up'],
  [5, 'card_taken'],
  [15, 'preference'],
  [13, 'email'],
  [5, 'withdrawn'],
  [2, 'erased'],
]

/** Numbers for phones that are changed: beyond those of any member's first. */
const NEW_PHONES_FROM = 50_000_000

export interface ChangesOptions {
  readonly seed: number
  /** Whose changes: the members with the numbers 0 up to that, as `registrations` makes them. */
  readonly members: number
  /** The first change that is wanted, from 0; those before it are lived through, not told. */
  readonly from: number
  readonly count: number
}

/**
 * Changes in their order. Each carries the member's whole state with all changes before it; the version grows with
 * every one. After a withdrawal or a tombstone a member may come back, registered anew.
 */
export function* changes({ seed, members, from, count }: ChangesOptions): Generator<GeneratedRecord> {
  const changed = new Map<number, MemberData | null>()
  for (let number = 0; number < from + count; number++) {
    const random = createRandom(seed ^ 0x5eed, number)
    const index = random.whole(members)
    const known = changed.get(index)
    const before = known ?? generateMember(seed, index)
    const change = random.weighted(CHANGES)
    const data = { ...before, ...CHANGED[change](before, random, number), version: number + 2 }
    changed.set(index, change === 'withdrawn' || change === 'erased' ? null : data)
    if (number < from) continue
    if (change === 'erased') yield tombstone(index)
    else if (change === 'withdrawn') yield toRecord('member.withdrawn', data)
    else yield toRecord(known === null ? 'member.registered' : 'member.updated', data)
  }
}

const CHANGED: Readonly<Record<Change, (before: MemberData, random: Random, number: number) => Partial<MemberData>>> = {
  phone_removed: () => NO_PHONE,
  phone_changed: ({ country }, random, number) => generatePhone(random, country ?? 'JP', NEW_PHONES_FROM + number),
  card_given_up: () => ({ familyCard: false }),
  card_taken: () => ({ familyCard: true }),
  preference: ({ notificationPreference: now }) => ({ notificationPreference: now === 'sms' ? 'email' : 'sms' }),
  email: (_before, _random, number) => ({ email: `changed${number}@example.jp` }),
  withdrawn: () => ({}),
  erased: () => ({}),
}
