/**
 * C9, D2, D7: what keeps an SMS from being sent shows as a metric, in one word, wherever it was refused: at a start over
 * HTTP, at one by a Temporal client, at a failover. A caller is told no more than before.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { freePort } from '../local/stack/ports.ts'
import { readChallenge } from '../postgres/challenges.ts'
import { startApi, type Api } from './support/api.ts'
import { begin, endingOf } from './support/endings.ts'
import { startByClient, startSystem, type MemberFields, type System } from './support/system.ts'

const US = { phone: '+12025550123', email: null }
/** Of a block that the settings below refuse. */
const REFUSED_BLOCK = { phone: '+819055550123', email: null }
const REFUSED = { OTP_SMS_REFUSED_PREFIXES: '+81990,+8190555' }
/** Two numbers of one block, in each call of another. */
const neighbours = () => {
  const block = `+8180${randomInt(1_000, 9_999)}`
  return [`${block}0001`, `${block}0002`] as const
}

/** How often each word was counted. */
function refusalsIn(metrics: string, at: string): Record<string, number> {
  const lines = metrics.matchAll(/^otp_refusals_total\{at="(\w+)",reason="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].filter((line) => line[1] === at).map((line) => [line[2]!, Number(line[3])]))
}

describe('a start over HTTP', () => {
  let api: Api
  beforeAll(async () => {
    api = await startApi({ ...REFUSED, OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR: '1', OTP_COOLDOWN_SECONDS: '30' })
  })
  afterAll(() => api?.stop())

  it('that is refused is counted by what was in the way, which its caller is not told', async () => {
    const start = async (memberId: string, more: object = {}) => {
      const body = { memberId, purpose: 'view_membership', ...more }
      return (await api.call('POST', '/v1/challenges', { body })).json<Record<string, unknown>>()
    }
    const addMember = (fields?: MemberFields) => api.system.addMember(fields)
    const [one, other] = neighbours()
    const first = await addMember({ phone: one })
    expect(await start(first)).toMatchObject({ status: 'open' })

    const answers = [
      await start(await addMember({ phone: other })),
      await start(first),
      await start(await addMember({ ...US, country: 'US' })),
      await start(await addMember(REFUSED_BLOCK)),
      await start(await addMember(), { purpose: 'register_phone', phone: '+819055551234' }),
      await start('999999999999'),
    ]
    expect(answers.map(({ code, reason }) => [code, reason])).toEqual([
      ['too_many_challenges', undefined],
      ['too_many_challenges', undefined],
      ['undeliverable', 'no_destination'],
      ['undeliverable', 'no_destination'],
      ['undeliverable', 'phone_range_not_allowed'],
      ['unknown_member', undefined],
    ])
    for (const answer of answers) {
      expect(answer).not.toHaveProperty('limit')
      expect(answer).not.toHaveProperty('guard')
    }
    const { body } = await api.call('GET', '/metrics')
    // The block's hour outlasts the cooldown of the same number.
    expect(refusalsIn(body, 'http')).toEqual({
      sms_prefix: 2,
      phone_country_not_allowed: 1,
      phone_range_not_allowed: 2,
      unknown_member: 1,
    })
  })
})

describe('the challenge worker', () => {
  let system: System
  let port: number
  let temporalPort: number
  beforeAll(async () => {
    ;[port, temporalPort] = await Promise.all([freePort(), freePort()])
    system = await startSystem({ ...REFUSED, OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR: '1' })
    await system.process('workers/challenge-worker.ts', {
      OTP_METRICS_PORT: String(port),
      OTP_TEMPORAL_METRICS_PORT: String(temporalPort),
    })
  })
  afterAll(() => system?.stop())

  const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const counted = async (at: string, reason: string) => refusalsIn(await metrics(), at)[reason] ?? 0
  const ended = async (challengeId: string) =>
    system.until(async () => {
      const challenge = await readChallenge(system.sql, challengeId)
      return challenge?.outcome ? challenge : undefined
    })

  it.each<[string, MemberFields, string]>([
    ['a number of another country', { ...US, country: 'US' }, 'phone_country_not_allowed'],
    ['a number of a refused block', REFUSED_BLOCK, 'phone_range_not_allowed'],
  ])('counts a start by a Temporal client to %s', async (_what, fields, reason) => {
    const before = await counted('workflow', reason)
    const challengeId = uuidv7()
    const memberId = await system.addMember(fields)
    await startByClient(system, { challengeId, memberId, purpose: 'view_membership' })
    expect(await ended(challengeId)).toMatchObject({ outcome: 'undeliverable', reason: 'no_destination' })
    expect(await counted('workflow', reason)).toBe(before + 1)
  })

  /** A challenge by e-mail, of a member with this phone, that SendGrid refuses for good. */
  async function refusedByEmail(fields: MemberFields) {
    const memberId = await system.addMember({ channel: 'email', ...fields })
    const [{ email }] = await system.sql<[{ email: string }]>`select email from members where member_id = ${memberId}`
    await system.simulators.faults({ to: email, status: 400 })
    return begin(system, { memberId })
  }

  it.each<[string, MemberFields, string]>([
    ['there is no phone', { phone: null }, 'no_phone'],
    ['the phone is of another country', { phone: US.phone }, 'phone_country_not_allowed'],
    ['the phone is of a refused block', { phone: REFUSED_BLOCK.phone }, 'phone_range_not_allowed'],
  ])('counts a failover that does not happen since %s', async (_what, fields, reason) => {
    const before = await counted('failover', reason)
    const challengeId = await refusedByEmail(fields)
    expect(await ended(challengeId)).toMatchObject({ outcome: 'undeliverable', reason: 'rejected_by_provider' })
    expect(await counted('failover', reason)).toBe(before + 1)
  })

  it('holds a failover to the budget of its block, like a start, and counts one that goes beyond', async () => {
    const [one, other] = neighbours()
    const spends = await refusedByEmail({ phone: one })
    await system.until(async () => (await readChallenge(system.sql, spends))?.channel === 'sms')
    const before = await counted('failover', 'sms_prefix')
    const exceeds = await refusedByEmail({ phone: other })
    expect(await ended(exceeds)).toMatchObject({ channel: 'email', reason: 'rejected_by_provider' })
    expect(await counted('failover', 'sms_prefix')).toBe(before + 1)
    expect(await system.simulators.messages(other)).toEqual([])
    expect(await endingOf(system, spends)).toMatchObject({ outcome: null })
  })

  it('lets an SMS weigh on the budget of its block after its code has gone over to e-mail', async () => {
    const [one, other] = neighbours()
    const challengeId = await begin(system, { memberId: await system.addMember({ phone: one }) })
    const { memberId } = await system.until(async () => {
      const challenge = await readChallenge(system.sql, challengeId)
      return challenge?.sentAt ? challenge : undefined
    })
    await system.sql`
      select apply_receipts(provider, array[${randomUUID()}], array[${challengeId}], array[provider_message_id],
        array['failed'], array['x'], array[now()::text])
      from challenges where challenge_id = ${challengeId}`
    await system.temporal.workflow.getHandle(`otp-challenge/${memberId}`).signal('deliveryFailed')
    await system.until(async () => (await readChallenge(system.sql, challengeId))?.channel === 'email')
    await expect(begin(system, { memberId: await system.addMember({ phone: other, email: null }) })).rejects.toThrow(
      'refused',
    )
  })

  it("shows its own metrics and, on another port, those of Temporal's SDK", async () => {
    expect(await metrics()).toMatch(/^process_resident_memory_bytes \d+/m)
    const temporal = await (await fetch(`http://127.0.0.1:${temporalPort}/metrics`)).text()
    expect(temporal).toMatch(/^temporal_activity_execution_latency_seconds_bucket\{/m)
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404)
    expect((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status).toBe(404)
  })
})

describe('the ports of the metrics', () => {
  it('are none unless they are set', () => {
    const off = { host: '127.0.0.1', port: undefined, temporalPort: undefined }
    expect(loadConfig(['metrics'], {}).metrics).toEqual(off)
  })

  it.each(['0', '70000', 'http'])('are not %j', (port) => {
    expect(() => loadConfig(['metrics'], { OTP_METRICS_PORT: port })).toThrow('OTP_METRICS_PORT: wants')
  })
})

describe('the refused prefixes', () => {
  it('are those that no Japanese mobile has, unless they are set', () => {
    const { smsRefusedPrefixes } = loadConfig(['policy'], {}).policy
    expect(smsRefusedPrefixes).toContain('+81990')
    for (const mobile of ['+8160', '+8170', '+8180', '+8190']) {
      const written = `${mobile}12345678`
      expect(smsRefusedPrefixes.some((prefix) => written.startsWith(prefix))).toBe(false)
    }
  })

  it.each(['81990', '+', '090', '+81-990', '+0'])('are not %j', (prefix) => {
    expect(() => loadConfig(['policy'], { OTP_SMS_REFUSED_PREFIXES: prefix })).toThrow(
      'OTP_SMS_REFUSED_PREFIXES: wants',
    )
  })
})
