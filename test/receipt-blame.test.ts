/**
 * D7, R2: "A table says of every documented code whom it blames (the number, the network, the sender, the account) and what
 * follows". Every row of `providers/error-codes.ts` comes in as its provider signs it, and what follows is read from the
 * database and the metrics.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Blame } from '../domain/receipt.ts'
import { planCampaign } from '../postgres/campaigns.ts'
import { undeliveredChallenges } from '../postgres/challenges.ts'
import {
  SENDGRID_ACCOUNT_EVENTS,
  SENDGRID_CLASSIFICATIONS,
  SENDGRID_DROPS,
  SMTP_STATUSES,
  VONAGE_CODES,
} from '../providers/error-codes.ts'
import { startApi, type Api } from './support/api.ts'
import { CAMPAIGN_RULES, planOf } from './support/campaigns.ts'
import { sendGridEvent, sendGridPost, vonagePost, vonageStatus, WEBHOOK_ENV, type Request } from './support/webhooks.ts'

let api: Api
beforeAll(async () => {
  api = await startApi(WEBHOOK_ENV)
})
afterAll(() => api?.stop())

/** An open challenge of a member whose message went out by this channel. */
async function sentChallenge(channel: 'sms' | 'email') {
  const { sql } = api.system
  const phone = `+8190${String(randomInt(99_999_999)).padStart(8, '0')}`
  const memberId = await api.system.addMember({ channel, phone })
  const id = randomUUID()
  const [provider, messageId] = channel === 'sms' ? ['vonage', id] : ['sendgrid', `m-${id}`]
  await sql`
    insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, channel, destination, admitted_at,
      send_began_at, expires_at, run_id, sent_at, provider, provider_message_id)
    values (${id}, ${memberId}, 1, 'view_membership', 'web', ${id}, ${channel}, ${phone}, now(), now(),
      now() + interval '10 minutes', 'a-run', now(), ${provider}, ${messageId})`
  return { id, memberId, phone }
}

const counted = async (series: string) => {
  const { body } = await api.call('GET', '/metrics')
  const line = body.split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.split(' ')[1])
}
const failures = (provider: string, blame: Blame | null) =>
  counted(`otp_failed_receipts_total{provider="${provider}",blames="${blame ?? 'nobody'}"}`)
const alarms = (provider: string) =>
  api
    .log()
    .split('\n')
    .filter((line) => line.includes('a provider refuses our account') && line.includes(provider)).length

/** Posts what its provider signed, and expects all that follows from whom it blames. */
async function expectBlame(
  blame: Blame | null,
  { id, memberId }: { id: string; memberId: string },
  provider: 'sendgrid' | 'vonage',
  request: Request,
) {
  const { sql } = api.system
  const [before, alarmsBefore] = [await failures(provider, blame), alarms(provider)]
  expect((await api.app.inject(request)).statusCode).toBe(204)
  const [receipt] = await sql`select kind, blames from receipts where reference = ${id}`
  expect(receipt).toMatchObject({ kind: 'failed', blames: blame })
  // The message has failed, so the code goes by the other channel, whoever is to blame.
  expect((await api.call('GET', `/v1/challenges/${id}`)).json()).toMatchObject({ delivery: 'failed' })
  expect(await undeliveredChallenges(sql, 1, [id])).toHaveLength(1)
  const marked = await sql`select from reachability where member_id = ${memberId} and failed_at is not null`
  expect(marked).toHaveLength(provider === 'vonage' && blame === 'destination' ? 1 : 0)
  expect(await failures(provider, blame)).toBe(before + 1)
  expect(alarms(provider)).toBe(alarmsBefore + (blame === 'account' ? 1 : 0))
}

const error = (title: string | number) => ({
  error: {
    type: `https://developer.vonage.com/api-errors/messages#${title}`,
    title,
    detail: 'of 819012345678',
    instance: randomUUID(),
  },
})

describe('a status of Vonage', () => {
  it.each(Object.entries(VONAGE_CODES).map(([code, [blame, meaning]]) => ({ code, blame, meaning })))(
    'rejected with $code ($meaning) blames the $blame',
    async ({ code, blame }) => {
      const challenge = await sentChallenge('sms')
      const status = vonageStatus(challenge.id, 'rejected', undefined, error(code))
      await expectBlame(blame, challenge, 'vonage', await vonagePost(status))
    },
  )

  it('says the same with a number for a title, or with its type alone', async () => {
    const [one, other] = [await sentChallenge('sms'), await sentChallenge('sms')]
    const byNumber = vonageStatus(one.id, 'undeliverable', undefined, error(1190))
    await expectBlame('destination', one, 'vonage', await vonagePost(byNumber))
    const type = 'https://developer.vonage.com/api-errors/messages#1000'
    const byType = vonageStatus(other.id, 'rejected', undefined, { error: { type, title: 'Throttled' } })
    await expectBlame('sender', other, 'vonage', await vonagePost(byType))
  })

  it.each(['1999', '9999', '0', 'Throttled', 'constructor', '__proto__', ''])(
    'with the unknown code %j has failed, and blames nobody',
    async (code) => {
      const challenge = await sentChallenge('sms')
      const status = vonageStatus(challenge.id, 'undeliverable', undefined, error(code))
      await expectBlame(null, challenge, 'vonage', await vonagePost(status))
    },
  )

  it('with another last word marks no number: only these do', () => {
    const marking = Object.keys(VONAGE_CODES).filter((code) => VONAGE_CODES[code]![0] === 'destination')
    expect(marking).toEqual('1040 1050 1170 1190 1200 1240 1260 1280 1290 1300 1310 1330 1430 2003'.split(' '))
  })

  it('F05: what our sender, our account or the platform is to blame for leaves the member in the plan', async () => {
    const members = await Promise.all(
      ['1070', '1000', '1120', '1241', '1030'].map(async (code) => {
        const challenge = await sentChallenge('sms')
        await api.app.inject(await vonagePost(vonageStatus(challenge.id, 'rejected', undefined, error(code))))
        return challenge
      }),
    )
    const { sql } = api.system
    const unreachable = async () => {
      const groups = await planCampaign(sql, 'f05', planOf([100]), CAMPAIGN_RULES)
      return groups.filter(({ reason }) => reason === 'phone_unreachable').reduce((sum, { members: n }) => sum + n, 0)
    }
    const before = await unreachable()
    const { id } = members[0]!
    // The same member's number, once it is the number that is blamed.
    await api.app.inject(await vonagePost(vonageStatus(id, 'undeliverable', undefined, error('1190'))))
    expect(await unreachable()).toBe(before + 1)
    expect(
      await sql`select from reachability where member_id = any(${members.slice(1).map((m) => m.memberId)})`,
    ).toEqual([])
  })
})

describe('an event of SendGrid', () => {
  const bounce = (id: string, said: Record<string, unknown>) =>
    sendGridPost([sendGridEvent(id, 'bounce', undefined, { status: undefined, ...said })])
  const rows = (table: Readonly<Record<string, Blame>>) =>
    Object.entries(table).map(([word, blame]) => ({ word, blame }))

  it.each(rows(SENDGRID_DROPS))('dropped as "$word" blames the $blame', async ({ word, blame }) => {
    const challenge = await sentChallenge('email')
    const event = sendGridEvent(challenge.id, 'dropped', undefined, { reason: word, status: '5.0.0' })
    await expectBlame(blame, challenge, 'sendgrid', sendGridPost([event]))
  })

  it.each(rows(SENDGRID_CLASSIFICATIONS))('bounced as "$word" blames the $blame', async ({ word, blame }) => {
    const challenge = await sentChallenge('email')
    const said = { bounce_classification: word, status: '5.0.0', type: 'blocked' }
    await expectBlame(blame, challenge, 'sendgrid', bounce(challenge.id, said))
  })

  it.each(rows(SMTP_STATUSES))('bounced with the status 5.$word blames the $blame', async ({ word, blame }) => {
    const challenge = await sentChallenge('email')
    const status = word.includes('.') ? `5.${word}` : `5.${word}.99`
    const said = { bounce_classification: 'Unclassified', status }
    await expectBlame(blame, challenge, 'sendgrid', bounce(challenge.id, said))
  })

  it('that may pass (4.x.x) blames no address', async () => {
    const challenge = await sentChallenge('email')
    await expectBlame('network', challenge, 'sendgrid', bounce(challenge.id, { status: '4.2.2' }))
  })

  it.each([{ status: '5.0.0' }, { status: '550' }, {}, { bounce_classification: 'toString' }])(
    'bounced with %j alone has failed, and blames nobody',
    async (said) => {
      const challenge = await sentChallenge('email')
      await expectBlame(null, challenge, 'sendgrid', bounce(challenge.id, said))
    },
  )

  it('dropped for a reason that is not known blames nobody', async () => {
    const challenge = await sentChallenge('email')
    const event = sendGridEvent(challenge.id, 'dropped', undefined, { reason: 'Something new', status: '5.1.1' })
    await expectBlame(null, challenge, 'sendgrid', sendGridPost([event]))
  })

  it.each(SENDGRID_ACCOUNT_EVENTS)('%s is an alarm of ours, and no receipt', async (event) => {
    const series = 'otp_receipts_total{provider="sendgrid",result="account"}'
    const before = await counted(series)
    const change = { event, type: 'compliance_suspend', sg_event_id: randomUUID(), timestamp: 1_764_547_200 }
    expect((await api.app.inject(sendGridPost([change]))).statusCode).toBe(204)
    expect(await counted(series)).toBe(before + 1)
    expect(api.log()).toContain('a provider tells of a change of our account')
  })
})
