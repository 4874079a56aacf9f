/**
 * D3: which addresses are never sent to. The verdict is that of the page's three conditions, not of the RFC; what they do
 * not say (the domain, lengths) is `invalid`. SendGrid is not called for any of them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asciiAddress, undeliverableCondition, type UndeliverableCondition } from '../domain/email-address.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { recordingServer } from './support/recording-server.ts'
import { startByClient, startSystem, type System } from './support/system.ts'
import { v7 as uuidv7 } from 'uuid'

/** Word for word as the page has them. */
const ON_THE_PAGE: [address: string, condition: UndeliverableCondition][] = [
  ['.abcd@****.co.jp', 1],
  ['abcd.@****.co.jp', 1],
  ['ab..cd@****.co.jp', 2],
  ['abcd..@****.co.jp', 2],
  ['ab[cd@****.co.jp', 3],
  ['ab@cd@****.co.jp', 3],
]

/** Each of these is right by RFC 5322, RFC 6531 or both. */
const RIGHT_BY_THE_RFC: [what: string, address: string, condition: UndeliverableCondition][] = [
  ['a quoted local part', '"hanako"@example.jp', 3],
  ['a quoted local part with a space', '"a b"@example.jp', 3],
  ['a quoted local part with an @', '"a@b"@example.jp', 3],
  ['a quoted local part with two periods', '"a..b"@example.jp', 2],
  ['a backtick', 'a`b@example.jp', 3],
  ['a comment', 'a(comment)b@example.jp', 3],
  ['a comment after the local part', 'ab(comment)@example.jp', 3],
  ['a comment in the domain', 'ab@(comment)example.jp', 'invalid'],
  ['letters beyond ASCII', '日本@example.jp', 3],
  ['an accent', 'josé@example.jp', 3],
  ['an address literal', 'ab@[192.0.2.1]', 'invalid'],
]

const HOSTILE: [address: string, condition: UndeliverableCondition][] = [
  ['.abcd@example.co.jp', 1],
  ['abcd.@example.co.jp', 1],
  ['ab..cd@example.co.jp', 2],
  ['abcd..@example.co.jp', 2],
  ['..abcd@example.co.jp', 2],
  ['ab[cd@example.co.jp', 3],
  ['ab@cd@example.co.jp', 3],
  ['a\r\nBcc: x@example.jp', 3],
  ['a\u202eb@example.jp', 3],
  ['\ufeffab@example.jp', 3],
  ['a b@example.jp', 3],
  ['', 'invalid'],
  ['example.jp', 'invalid'],
  ['@example.jp', 'invalid'],
  ['a@', 'invalid'],
  ['a@localhost', 'invalid'],
  ['a@exa mple.jp', 'invalid'],
  ['a@example.jp\n', 'invalid'],
  ['a@-example.jp', 'invalid'],
  ['a@example.-jp', 'invalid'],
  ['a@example.jp.', 'invalid'],
  ['a@ex%61mple.jp', 'invalid'],
  ['a@ex\u00adample.jp', 'invalid'],
  ['a@127.0.0.1', 'invalid'],
  ['a@100.101', 'invalid'],
  ['a@0x7f.0x01', 'invalid'],
  ['a@例え。jp', 'invalid'],
  [`${'a'.repeat(65)}@example.jp`, 'invalid'],
  [`a@${'a'.repeat(64)}.jp`, 'invalid'],
  [`a@${'a.'.repeat(130)}jp`, 'invalid'],
  // 60 characters, and more than 63 octets in ASCII.
  [`a@${'例'.repeat(60)}.jp`, 'invalid'],
  // 200 characters, and more than 254 octets in ASCII.
  [`a@${'例え.'.repeat(65)}jp`, 'invalid'],
]

const DELIVERABLE: [address: string, sentTo: string][] = [
  ["a!#$%&'*+-/=?^_{|}~z@example.jp", "a!#$%&'*+-/=?^_{|}~z@example.jp"],
  ['a.b.c@example.co.jp', 'a.b.c@example.co.jp'],
  ['-@example.jp', '-@example.jp'],
  [`${'a'.repeat(64)}@example.jp`, `${'a'.repeat(64)}@example.jp`],
  [`a@${'a'.repeat(63)}.jp`, `a@${'a'.repeat(63)}.jp`],
  ['Hanako@Example.JP', 'Hanako@Example.JP'],
  ['a@例え.jp', 'a@xn--r8jz45g.jp'],
  ['a@例え.テスト', 'a@xn--r8jz45g.xn--zckzah'],
  ['A@München.de', 'A@xn--mnchen-3ya.de'],
  ['a@ｅｘａｍｐｌｅ.jp', 'a@example.jp'],
  ['x@xn--r8jz45g.jp', 'x@xn--r8jz45g.jp'],
]

describe('the verdict on an address', () => {
  it.each(ON_THE_PAGE)('is that of the page for its example %s: %s', (address, condition) => {
    expect(undeliverableCondition(address)).toBe(condition)
  })

  it.each(RIGHT_BY_THE_RFC)(
    'is that of the page for %s, which the RFC allows: %s is %s',
    (_what, address, condition) => {
      expect(undeliverableCondition(address)).toBe(condition)
    },
  )

  it.each(HOSTILE)('is %2$s for %1$j', (address, condition) => {
    expect(undeliverableCondition(address)).toBe(condition)
  })

  it.each(DELIVERABLE)('is none for %j, which is sent to as %j', (address, sentTo) => {
    expect(undeliverableCondition(address)).toBeUndefined()
    expect(asciiAddress(address)).toBe(sentTo)
  })
})

describe('SendGrid', () => {
  let system: System
  let sendGrid: Awaited<ReturnType<typeof recordingServer>>
  beforeAll(async () => {
    sendGrid = await recordingServer({ status: 202, headers: { 'x-message-id': 'abc' } })
    system = await startSystem({ SENDGRID_BASE_URL: sendGrid.url })
    await system.process('workers/challenge-worker.ts')
  })
  afterAll(async () => {
    await system?.stop()
    await sendGrid[Symbol.asyncDispose]()
  })

  const send = async (email: string) => {
    const memberId = await system.addMember({ channel: 'email', email, phone: null })
    const challengeId = uuidv7()
    await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    return system.until(async () => {
      const challenge = await readChallenge(system.sql, challengeId)
      return challenge?.sentAt || challenge?.outcome ? challenge : undefined
    })
  }

  it('is never called for an address of the page’s list, of the RFC’s or of a hostile hand', async () => {
    const addresses = [...ON_THE_PAGE, ...RIGHT_BY_THE_RFC.map(([, address]) => [address] as const), ...HOSTILE]
    const challenges = await Promise.all(addresses.map(([address]) => send(address)))
    expect(new Set(challenges.map(({ outcome, reason }) => `${outcome}: ${reason}`))).toEqual(
      new Set(['undeliverable: undeliverable_email']),
    )
    expect(sendGrid.requests).toEqual([])
  })

  it('is called for a domain beyond ASCII, by its ASCII form', async () => {
    expect(await send('hanako@例え.jp')).toMatchObject({ outcome: null, channel: 'email' })
    expect(sendGrid.requests.map(({ body }) => body)).toMatchObject([
      { personalizations: [{ to: [{ email: 'hanako@xn--r8jz45g.jp' }] }] },
    ])
  })
})
