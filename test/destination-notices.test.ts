/**
 * P2: whoever changes where their codes go is told so wherever a code could have gone before and wherever one can go now,
 * once each, whatever dies on the way; and nothing of that is in the way of a code.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { sendNotices } from '../client/send-notices.ts'
import { catalogs } from '../messages/catalog.ts'
import { renderDestinationNotice } from '../messages/destination-notice.ts'
import { smsSize } from '../messages/sms-size.ts'
import { applyMemberChanges } from '../postgres/members.ts'
import { memberNoticeWorkflowId } from '../workflows/ids.ts'
import { begin, executionOf } from './support/endings.ts'
import { setOwn } from './support/own-destinations.ts'
import { codeOf } from './support/simulators.ts'
import { judgeFor, startSystem, type MemberFields, type System } from './support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem({ OTP_SWEEP_INTERVAL_SECONDS: '1' })
  await system.process('workers/challenge-worker.ts')
})
afterAll(() => system?.stop())
beforeEach(async () => {
  await system.simulators.clear()
  await system.shiftClock(0)
})

let numbers = 0
const newNumber = () => `+8180${String(10_000_000 + ++numbers)}`

/** A member who changes something; the notices wait to be sent. */
async function changed(wish: { phone?: string; choice?: 'sms' | 'email' }, fields: MemberFields = {}) {
  const memberId = await system.addMember({ channel: 'email', ...fields })
  const [member] = await system.sql<[{ phone: string; email: string }]>`
    select phone, email from members where member_id = ${memberId}`
  const answer = await setOwn(system.sql, memberId, wish)
  if (answer.kind !== 'changed') throw new Error(JSON.stringify(answer))
  return { memberId, ...member, notices: answer.notices }
}

const settled = (memberId: string) =>
  system.until(async () => {
    const rows = await system.sql<Record<'state' | 'channel', string>[]>`
      select * from member_notices where member_id = ${memberId} order by channel, state`
    return rows.every(({ state }) => !['due', 'sending'].includes(state)) && rows
  }, 30_000)
const textsTo = async (to: string) => (await system.simulators.messages(to)).map(({ text }) => text)

describe.each(catalogs.map(({ language }) => language))('in %s', (language) => {
  const at = new Date('2026-11-24T15:30:00Z')
  const all = (['phone', 'sms', 'email'] as const).flatMap((about) =>
    (['sms', 'email'] as const).map((channel) => ({
      about,
      channel,
      ...renderDestinationNotice({ channel, language, about, phone: '***-****-5678', at }),
    })),
  )

  it('an SMS is one segment', () => {
    const sizes = all.filter(({ channel }) => channel === 'sms').map(({ text }) => smsSize(text).segments)
    expect(sizes).toEqual([1, 1, 1])
  })

  it('says when, in Japan, and which number, and holds neither a link nor what looks like a code', () => {
    for (const { about, text, subject = '', html = '' } of all) {
      expect(text).toContain('11-25 00:30')
      expect(text.includes('***-****-5678')).toBe(about !== 'email')
      expect(`${subject} ${text} ${html}`).not.toMatch(/https?:|www\.|href/i)
      expect(`${subject} ${text}`).not.toMatch(/\b\d{6}\b/)
    }
  })
})

describe('a change is told', () => {
  it('of a number: to the one before, to the new one, and by e-mail, once each', async () => {
    const phone = newNumber()
    const member = await changed({ phone, choice: 'sms' })
    await sendNotices(system.temporal, member.notices)
    await settled(member.memberId)
    for (const to of [member.phone, phone, member.email]) {
      const texts = await textsTo(to)
      expect(texts).toHaveLength(1)
      expect(texts[0]).toContain(`***-****-${phone.slice(-4)}`)
      expect(texts[0]).not.toContain(phone.slice(-8))
    }
  })

  it('of a first number: by e-mail and to it', async () => {
    const phone = newNumber()
    const member = await changed({ phone }, { phone: null, language: 'ja' })
    await sendNotices(system.temporal, member.notices)
    await settled(member.memberId)
    expect(await textsTo(phone)).toEqual([expect.stringContaining('に変更されました')])
    expect(await textsTo(member.email)).toEqual([expect.stringContaining('至急JALマイレージバンクセンター')])
  })

  it('of a choice alone: to both', async () => {
    const member = await changed({ choice: 'email' }, { channel: 'sms' })
    await sendNotices(system.temporal, member.notices)
    await settled(member.memberId)
    for (const to of [member.phone, member.email]) {
      expect(await textsTo(to)).toEqual([expect.stringContaining('email address')])
    }
  })
})

describe('nothing is lost, and nothing told twice', () => {
  it('where whoever made the change died before it had the notices sent: the sweep does', async () => {
    const phone = newNumber()
    const member = await changed({ phone, choice: 'sms' })
    await system.shiftClock(10_000)
    await settled(member.memberId)
    for (const to of [member.phone, phone, member.email]) expect(await textsTo(to)).toHaveLength(1)
  })

  it('where they are asked for many times at once', async () => {
    const phone = newNumber()
    const member = await changed({ phone })
    await Promise.all(Array.from({ length: 5 }, () => sendNotices(system.temporal, member.notices)))
    await settled(member.memberId)
    await sendNotices(system.temporal, member.notices)
    await Promise.all(
      member.notices.map((id) => system.temporal.workflow.getHandle(memberNoticeWorkflowId(id)).result()),
    )
    for (const to of [member.phone, phone, member.email]) expect(await textsTo(to)).toHaveLength(1)
  })

  it('where a provider is down for a while', async () => {
    await system.simulators.faults({ provider: 'vonage', status: 503, times: 3 })
    const phone = newNumber()
    const member = await changed({ phone }, { phone: null })
    await sendNotices(system.temporal, member.notices)
    expect(await textsTo(phone)).toEqual([])
    await settled(member.memberId)
    for (const to of [phone, member.email]) expect(await textsTo(to)).toHaveLength(1)
  })

  it('where a workflow was terminated by hand: the sweep starts another', async () => {
    const phone = newNumber()
    await system.simulators.faults({ to: phone, status: 503, times: 1 })
    const member = await changed({ phone })
    await sendNotices(system.temporal, member.notices)
    const noticeId = await system.until(async () => {
      const [row] = await system.sql<{ id: string }[]>`
        select notice_id as id from member_notices where destination = ${phone} and tries = 1 and state = 'due'`
      return row?.id
    })
    await system.temporal.workflow.getHandle(memberNoticeWorkflowId(noticeId)).terminate('by hand')
    await system.shiftClock(10_000)
    await settled(member.memberId)
    expect(await textsTo(phone)).toHaveLength(1)
  })
})

describe('what cannot be told', () => {
  it('is given up where the provider refuses it, and nothing personal is left of any', async () => {
    await system.simulators.faults({ provider: 'vonage', status: 422, times: 1 })
    const member = await changed({ phone: newNumber() }, { phone: null })
    await sendNotices(system.temporal, member.notices)
    const rows = await settled(member.memberId)
    expect(rows.map(({ channel, state }) => [channel, state])).toEqual([
      ['email', 'accepted'],
      ['sms', 'refused'],
    ])
    for (const row of rows) expect(row).toMatchObject({ destination: null, new_phone: null, mobile_carrier: null })
  })

  it('is not sent to an address that the page calls undeliverable', async () => {
    const member = await changed({ phone: newNumber() }, { email: `.x@example.jp` })
    await sendNotices(system.temporal, member.notices)
    const rows = await settled(member.memberId)
    expect(rows.map(({ channel, state }) => [channel, state])).toEqual([
      ['email', 'dropped'],
      ['sms', 'accepted'],
      ['sms', 'accepted'],
    ])
  })

  it('is given up after a day', async () => {
    const phone = newNumber()
    await system.simulators.faults({ to: phone, status: 503 })
    const member = await changed({ phone }, { phone: null })
    await sendNotices(system.temporal, member.notices)
    await system.shiftClock(25 * 3_600_000)
    expect((await settled(member.memberId)).map(({ state }) => state)).toEqual(['accepted', 'refused'])
  })

  it('goes with a member who is erased meanwhile', async () => {
    const phone = newNumber()
    const member = await changed({ phone })
    await applyMemberChanges(system.sql, 0, [
      { memberId: member.memberId, offset: '5', status: 'erased', version: null },
    ])
    await sendNotices(system.temporal, member.notices)
    for (const id of member.notices) {
      expect(await system.temporal.workflow.getHandle(memberNoticeWorkflowId(id)).result()).toEqual({ state: null })
    }
    expect(await textsTo(phone)).toEqual([])
  })
})

it('receipts of a notice change nothing of the challenge that is open then', async () => {
  const phone = newNumber()
  const member = await changed({ phone, choice: 'sms' })
  await sendNotices(system.temporal, member.notices)
  await settled(member.memberId)
  const challengeId = await begin(system, { memberId: member.memberId })
  const [sms] = await system.until(async () => {
    const messages = await system.simulators.messages(phone)
    return messages.length === 2 && messages
  })
  for (const id of member.notices) {
    await system.sql`
      select apply_receipts('vonage', array[${randomUUID()}], array[${id}], array['m'], array['failed'], array['x'],
        array[now()::text])`
  }
  expect((await judgeFor(system, challengeId, codeOf(sms!)))?.result).toBe('verified')
  await executionOf(system, member.memberId).result()
})
