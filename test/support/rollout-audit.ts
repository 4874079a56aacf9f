/**
 * What a rollout left behind, held against what it had to. Each audit gives its findings in words, none where all is
 * well; a million members are read as a stream.
 */
import { OTP_EVENTS } from '../../kafka/topics.ts'
import { expectedMembers, type ExpectedMember, type People } from './rollout-members.ts'
import type { RolloutStack } from './rollout-stack.ts'

/** More would say no more. */
const MOST_FINDINGS = 20

interface Row {
  readonly memberId: string
  readonly version: number
  readonly status: string
  readonly phone: string | null
  readonly email: string | null
  readonly state: string | null
  readonly reason: string | null
  readonly keepsNumber: boolean
  readonly isEnrolled: boolean
}

/**
 * I9, R2, R4: the table of members equals the fold of its events, each member is in the state that the rule gives, and
 * the enrollments are those who are enforced.
 */
export async function auditMembers(
  { auditor: sql }: RolloutStack,
  campaignId: string,
  people: People,
): Promise<string[]> {
  const findings: string[] = []
  // What was written in the last minute is not in the statistics yet.
  await sql`analyze`
  const expected = expectedMembers(people)
  const rows = sql<Row[]>`
    select m.member_id as "memberId", m.version, m.status, m.phone, m.email, cm.state, cm.reason,
      cm.phone is not null as "keepsNumber", e.member_id is not null as "isEnrolled"
    from members m
    left join campaign_members cm on cm.campaign_id = ${campaignId} and cm.member_id = m.member_id
    left join enrollments e on e.member_id = m.member_id
    order by m.member_id`.cursor(5_000)
  for await (const batch of rows) {
    for (const row of batch) {
      const { value: member } = expected.next()
      const wrong = member === undefined ? ['nobody generated them'] : differences(row, member as ExpectedMember)
      if (findings.length < MOST_FINDINGS) findings.push(...wrong.map((words) => `${row.memberId}: ${words}`))
    }
  }
  const { done } = expected.next()
  return done ? findings : [...findings, 'members are missing from the table']
}

function differences(row: Row, member: ExpectedMember): string[] {
  const { version, status, phone, email, reason } = member
  const isIn = row.state !== null
  const isEnforced = reason === null
  return [
    ...different('member', [row.memberId, row.status, row.phone, row.email], [member.memberId, status, phone, email]),
    // An erasure keeps the last version that was applied, which a batch may have passed over.
    ...(status === 'erased' ? [] : different('version', row.version, version)),
    // Erased before any wave came to them: nothing is kept.
    ...(isIn || status === 'erased' ? [] : ['was not taken']),
    ...(isIn ? different('enforced', row.state === 'enforced', isEnforced) : []),
    ...(isIn && !isEnforced ? different('out', ['excluded', 'released'].includes(row.state), true) : []),
    ...(isIn ? different('reason', row.reason, reason) : []),
    ...(isIn ? mustKeep(row, member) : []),
    ...different('enrolled', row.isEnrolled, isIn && isEnforced),
  ]
}

/** The number that was announced stays, for receipts to be understood; nothing stays of who has left. */
function mustKeep({ state, keepsNumber }: Row, { status }: ExpectedMember): string[] {
  if (state === 'enforced' && !keepsNumber) return ['its number is not kept']
  return keepsNumber && (state === 'excluded' || status !== 'active') ? ['its number is still kept'] : []
}

function different(what: string, is: unknown, shouldBe: unknown): string[] {
  const [left, right] = [JSON.stringify(is), JSON.stringify(shouldBe)]
  return left === right ? [] : [`${what} is ${left}, should be ${right}`]
}

export interface NoticesAudit {
  readonly findings: readonly string[]
  readonly sent: number
  /** Messages beyond the first of a notice. */
  readonly twice: number
  /** Sent, and given up when the lease was over: the member was no longer to be told by then. */
  readonly unrecorded: number
}

/** R4: what was recorded as accepted was sent, to that very number; and nothing was sent that is not recorded. */
export async function auditNotices({ auditor: sql, sent }: RolloutStack, campaignId: string): Promise<NoticesAudit> {
  const findings: string[] = []
  await sql`analyze`
  const find = (words: string) => findings.length < MOST_FINDINGS && findings.push(words)
  let known = 0
  let unrecorded = 0
  // The number is that of the announcement for whoever did not choose SMS afterwards.
  const rows = sql<{ noticeId: string; state: string; phone: string | null }[]>`
    select n.notice_id as "noticeId", n.state, cm.phone
    from campaign_notices n
    join members m on m.member_id = n.member_id
    left join campaign_members cm
      on cm.campaign_id = n.campaign_id and cm.member_id = n.member_id and cm.round = n.round and cm.state = 'enforced'
        and n.kind = 'announcement' and m.notification_preference = 'email'
    where n.campaign_id = ${campaignId}`.cursor(5_000)
  for await (const batch of rows) {
    for (const { noticeId, state, phone } of batch) {
      const message = sent.get(noticeId)
      if (message) known += 1
      if (message && state === 'dropped') unrecorded += 1
      else if ((state === 'accepted') !== (message !== undefined)) find(`${noticeId} is ${state}, sent: ${!!message}`)
      if (message && phone && message.to !== phone) find(`${noticeId} went elsewhere`)
    }
  }
  if (known < sent.size) find(`${sent.size - known} messages belong to no notice`)
  let messages = 0
  for (const { times } of sent.values()) messages += times
  return { findings, sent: messages, twice: messages - sent.size, unrecorded }
}

/** U4: the events of each member tell a possible story, in its order, and end where the member stands. */
export async function auditEvents(stack: RolloutStack, campaignId: string) {
  const findings: string[] = []
  const find = (words: string) => findings.length < MOST_FINDINGS && findings.push(words)
  const told = new Map<string, string>()
  const { events, repeated } = await readEvents(stack, ({ subject, type }) => {
    const word = /^otp\.enrollment\.(\w+)$/.exec(type)?.[1]
    if (word === undefined) return
    const before = told.get(subject) ?? 'none'
    if (!MAY_FOLLOW[word]?.includes(before)) find(`${subject}: ${word} after ${before}`)
    told.set(subject, word)
  })
  const rows = stack.auditor<{ memberId: string; state: string }[]>`
    select member_id as "memberId", state from campaign_members where campaign_id = ${campaignId}`.cursor(5_000)
  for await (const batch of rows) {
    for (const { memberId, state } of batch) {
      const last = told.get(memberId) ?? 'none'
      if (!ENDS_WITH[state]?.includes(last)) find(`${memberId} is ${state}, and was last told ${last}`)
      told.delete(memberId)
    }
  }
  if (told.size > 0) find(`${told.size} members were told of who are not in the campaign`)
  return { findings, events, repeated }
}

/** A changed number is announced anew; who had chosen SMS is enforced without a word before. */
const MAY_FOLLOW: Readonly<Record<string, readonly string[]>> = {
  announced: ['none', 'announced', 'released'],
  enforced: ['none', 'announced', 'released'],
  released: ['announced', 'enforced'],
}
const ENDS_WITH: Readonly<Record<string, readonly string[]>> = {
  enforced: ['enforced'],
  released: ['released'],
  excluded: ['none', 'released'],
}

interface OtpEvent {
  readonly id: string
  readonly type: string
  readonly subject: string
}

/** Each event once, in the order of its partition. */
async function readEvents({ kafka }: RolloutStack, onEvent: (event: OtpEvent) => void) {
  const admin = kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(OTP_EVENTS)
  await admin.disconnect()
  const left = new Map(
    ends.filter(({ high }) => Number(high) > 0).map(({ partition, high }) => [partition, Number(high)]),
  )
  const seen = new Set<string>()
  let repeated = 0
  const consumer = kafka.consumer({ groupId: `audit-${Date.now()}`, sessionTimeout: 30_000 })
  const read = Promise.withResolvers<void>()
  if (left.size === 0) read.resolve()
  await consumer.connect()
  await consumer.subscribe({ topics: [OTP_EVENTS], fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch }) => {
      for (const { value, offset } of batch.messages) {
        const event = JSON.parse(value!.toString()) as OtpEvent
        if (seen.has(event.id)) repeated += 1
        else {
          seen.add(event.id)
          onEvent(event)
        }
        if (Number(offset) + 1 >= left.get(batch.partition)!) left.delete(batch.partition)
      }
      if (left.size === 0) read.resolve()
    },
  })
  await read.promise
  await consumer.disconnect()
  return { events: seen.size, repeated }
}
