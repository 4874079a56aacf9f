/**
 * O2: support sees all that happened to a challenge, over HTTP and by the CLI, and never a code, a number or an address.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readChallenge } from '../postgres/challenges.ts'
import { applyReceipts } from '../postgres/receipts.ts'
import { verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import type { TimelineAnswer } from '../api/timeline-view.ts'
import { startApi, type Api } from './support/api.ts'
import { startByClient, wrongCode } from './support/system.ts'

const PROGRAM = join(import.meta.dirname, '..', 'cli', 'otp.mjs')

let api: Api
let url: string
beforeAll(async () => {
  api = await startApi()
  url = await api.app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(() => api?.stop())

const timeline = async (challengeId: string, as: 'web' | 'other' | 'support' | 'operator' = 'support') =>
  api.call('GET', `/v1/challenges/${challengeId}/timeline`, { as })
const stepsOf = async (challengeId: string) => (await timeline(challengeId)).json<TimelineAnswer>().timeline
const verify = (challengeId: string, code: string, key?: string) =>
  api.call('POST', `/v1/challenges/${challengeId}/verify`, { body: { code }, ...(key && { key }) })
const otp = async (as: 'support' | 'other', ...args: string[]) => {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], OTP_API_URL: url, OTP_API_KEY: api.keys[as], NO_COLOR: '1' },
  })
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.once('exit', resolve)),
  ])
  return { code, out, err }
}

describe('the timeline of a challenge', () => {
  it('is nobody’s business who neither started it nor may see any', async () => {
    const { challengeId } = await api.challenge()
    expect((await timeline(challengeId, 'web')).statusCode).toBe(200)
    expect((await timeline(challengeId, 'other')).json()).toMatchObject({ code: 'unknown_challenge' })
    expect((await timeline(challengeId, 'operator')).json()).toMatchObject({ code: 'forbidden' })
    for (const id of [uuidv7(), 'x', '%00']) {
      expect((await timeline(id)).json()).toMatchObject({ status: 404, code: 'unknown_challenge' })
    }
  })

  it('holds every step in its order, and neither code nor key nor destination', async () => {
    const { challengeId, memberId, code } = await api.challenge()
    const key = `key-${randomUUID()}`
    await verify(challengeId, wrongCode(code), key)
    await applyReceipts(api.system.sql, 'vonage', [
      {
        eventId: randomUUID(),
        reference: challengeId,
        messageId: 'm',
        kind: 'delivered',
        reason: null,
        blames: null,
        occurredAt: new Date().toISOString(),
      },
    ])
    await verify(challengeId, code)

    const answer = await timeline(challengeId)
    expect(answer.json()).toMatchObject({
      challenge: {
        challengeId,
        memberId,
        status: 'verified',
        startedBy: 'web',
        destination: expect.stringMatching(/^\*{3}/),
      },
      timeline: [
        { step: 'admitted', by: 'web' },
        { step: 'sending', channel: 'sms' },
        { step: 'sent', provider: 'vonage' },
        { step: 'attempt', verdict: 'wrong_code', attemptsLeft: 4, via: 'http' },
        { step: 'delivered', provider: 'vonage' },
        { step: 'attempt', verdict: 'verified', via: 'http' },
        { step: 'closed', outcome: 'verified' },
      ],
    })
    const [{ phone, email }] = await api.system.sql<[{ phone: string; email: string }]>`
      select phone, email from members where member_id = ${memberId}`
    const { out } = await otp('support', 'challenge', 'show', challengeId)
    for (const secret of [code, key, phone, phone.slice(3), email]) {
      expect(answer.body + out).not.toContain(secret)
    }
  })

  it('tells how each code came in Temporal', async () => {
    const { system } = api
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    const code = await system.until(async () => (await system.codes(memberId))[0])
    await handle.signal(verifyCodeSignal, { challengeId, code: wrongCode(code) })
    await system.until(async () => ((await readChallenge(system.sql, challengeId))?.attempts ?? 0) > 0)
    await handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code }] })
    expect(await stepsOf(challengeId)).toMatchObject([
      { step: 'admitted', by: 'temporal' },
      { step: 'sending' },
      { step: 'sent' },
      { step: 'attempt', via: 'signal', verdict: 'wrong_code' },
      { step: 'attempt', via: 'update', verdict: 'verified' },
      { step: 'closed', outcome: 'verified' },
    ])
  })

  it('tells of the channel that was given up', async () => {
    const { system } = api
    const memberId = await system.addMember()
    const [{ phone }] = await system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    await system.simulators.faults({ to: phone, status: 422 })
    const started = await api.call('POST', '/v1/challenges', { body: { memberId, purpose: 'view_membership' } })
    const { challengeId } = started.json<{ challengeId: string }>()
    expect(await stepsOf(challengeId)).toMatchObject([
      { step: 'admitted' },
      { step: 'sending', channel: 'email', failedOverFrom: 'sms' },
      { step: 'sent', provider: 'sendgrid' },
    ])
  })
})

describe('otp', () => {
  it('challenge show tells the story, and refuses with 1 what is not one’s own', async () => {
    const { challengeId, memberId, code } = await api.challenge()
    await verify(challengeId, code)
    const { code: exit, out } = await otp('support', 'challenge', 'show', challengeId)
    expect(exit).toBe(0)
    for (const words of [
      memberId,
      'asked for by web, and admitted',
      'accepted by vonage',
      'a code by http: verified',
    ]) {
      expect(out).toContain(words)
    }
    const answer = await timeline(challengeId)
    expect(JSON.parse((await otp('support', 'challenge', 'show', challengeId, '--json')).out)).toEqual(answer.json())
    const refused = await otp('other', 'challenge', 'show', challengeId)
    expect([refused.code, refused.out]).toEqual([1, ''])
    expect(refused.err).toContain('challenges:any')
  })

  it('member show and unlock do what a member who calls needs', async () => {
    const { challengeId, memberId, code } = await api.challenge()
    await api.system.sql`update challenge_heads set failures = 9 where member_id = ${memberId}`
    await verify(challengeId, wrongCode(code))
    const locked = await otp('support', 'member', 'show', memberId)
    expect(locked.out).toMatch(/locked until .*10 wrong codes in a row/)
    expect(locked.out).toContain(challengeId)
    const without = await otp('support', 'member', 'unlock', memberId)
    expect([without.code, without.err]).toEqual([2, expect.stringContaining("required option '--why <text>'")])
    const unlocked = await otp('support', 'member', 'unlock', memberId, '--why', 'they called')
    expect([unlocked.code, unlocked.out]).toEqual([0, `${memberId} is unlocked.\n`])
    expect((await otp('support', 'member', 'show', memberId)).out).toContain('not locked, 0 wrong codes')
    expect((await otp('support', 'member', 'unlock', memberId, '--why', 'again')).out).toContain('was not locked')
    const unknown = await otp('support', 'member', 'show', 'nobody')
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('unknown_member')])
  })
})
