/**
 * R6, U1: campaigns over HTTP: dry run, start, status, commands; what is asked wrongly is refused and changes nothing.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cohort } from '../campaigns/cohort.ts'
import { bounded } from '../api/deadline.ts'
import { MEMBER_STATES, type CampaignPlan, type CampaignStatus } from '../domain/campaign.ts'
import { commandCampaign, startBake, startCampaign } from '../postgres/campaigns.ts'
import { connectTemporal } from '../temporal/connect.ts'
import { campaignWorkflowId } from '../workflows/ids.ts'
import { saidBy, startApi, type Api, type ApiCall } from './support/api.ts'
import { addMembers, OPEN_GATE, planOf, sampleMember } from './support/campaigns.ts'
import { startFlakyProxy } from './support/flaky-proxy.ts'
import { temporalAddress } from './support/stack.ts'

let api: Api
beforeAll(async () => {
  api = await startApi({ OTP_ENFORCE_AFTER_SECONDS: '1' })
  await api.system.process('workers/campaign-worker.ts')
})
afterAll(() => api?.stop())

const started = new Set<string>()
afterEach(async () => {
  for (const campaignId of started) {
    await command(campaignId, { command: 'abort' })
    await handleOf(campaignId)
      .result()
      .catch(() => {})
  }
  started.clear()
  await api.system.sql`truncate members, enrollments, reachability, exemptions`
})

const PATH = '/v1/campaigns'
const newId = () => `c-${randomUUID().slice(0, 8)}`
const handleOf = (campaignId: string) => api.system.temporal.workflow.getHandle(campaignWorkflowId(campaignId))
const start = async (campaignId: string, plan?: unknown, options: ApiCall = {}) => {
  const answer = await api.call('POST', PATH, { as: 'operator', body: { campaignId, plan }, ...options })
  if (answer.statusCode === 201) started.add(campaignId)
  return answer
}
const dryRun = (body: unknown, options: ApiCall = {}) =>
  api.call('POST', `${PATH}/plan`, { as: 'operator', body, ...options })
const command = (campaignId: string, body: Record<string, unknown>, options: ApiCall = {}) =>
  api.call('POST', `${PATH}/${campaignId}/commands`, {
    as: 'operator',
    body: { why: 'a test', ...body },
    ...options,
  })
const show = (campaignId: string, options: ApiCall = {}) =>
  api.call('GET', `${PATH}/${campaignId}`, { as: 'operator', ...options })
interface Report extends CampaignStatus {
  readonly plan: CampaignPlan
  readonly logEntries: number
  readonly log: { event: string; by: string; claimed: boolean; why: string | null; data: object | null }[]
}
const report = async (campaignId: string) => (await show(campaignId)).json<Report>()
/** Nothing is announced before somebody resumes it. */
const SLOW = planOf([50, 100], { bakeSeconds: 3_600 })
const members = (count: number) =>
  addMembers(
    api.system,
    Array.from({ length: count }, (_, index) => sampleMember(index)),
  )

function expectProblem(answer: Awaited<ReturnType<typeof show>>, status: number, code: string, detail = '') {
  expect([answer.statusCode, answer.json()]).toMatchObject([status, { code, status }])
  expect(answer.json<{ detail: string }>().detail).toContain(detail)
}

describe('whoever may not', () => {
  it('neither reads nor writes without a key or the scope, whatever they ask', async () => {
    const calls = [
      () => dryRun({}, { as: 'nobody' }),
      () => start(newId(), SLOW, { as: 'nobody' }),
      () => command('x', {}, { as: 'nobody' }),
      () => show('x', { as: 'nobody' }),
      () => api.call('GET', PATH, { as: 'support' }),
      () => api.call('GET', `${PATH}/x/members/1`, { as: 'web' }),
    ]
    for (const call of calls) expectProblem(await call(), 403, 'forbidden')
    expectProblem(await show('x', { headers: { authorization: 'Bearer wrong' } }), 401, 'unauthorized')
  })

  it('is told no more of a campaign that is there than of one that is not', async () => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    const [known, unknown] = [await show(campaignId, { as: 'web' }), await show(newId(), { as: 'web' })]
    expect(saidBy(known)).toBe(saidBy(unknown))
  })

  it('a watcher sees, plans, and changes nothing', async () => {
    const campaignId = newId()
    expect((await dryRun({ campaignId }, { as: 'watcher' })).statusCode).toBe(200)
    expectProblem(await start(campaignId, SLOW, { as: 'watcher' }), 403, 'forbidden')
    await start(campaignId, SLOW)
    expectProblem(await command(campaignId, { command: 'pause' }, { as: 'watcher' }), 403, 'forbidden')
    expect((await show(campaignId, { as: 'watcher' })).json()).toMatchObject({ state: 'running' })
  })

  it('does not get in with a Basic password where no browser comes', async () => {
    const authorization = `Basic ${Buffer.from(`x:${api.keys.operator}`).toString('base64')}`
    expectProblem(await show('x', { headers: { authorization } }), 401, 'unauthorized')
  })
})

describe('a plan that is none', () => {
  const wave = (fields: object) => ({ waves: [{ percent: 100, ...fields }] })
  it.each([
    ['plan/ratePerMinute', { ratePerMinute: -1 }],
    ['plan/ratePerMinute', { ratePerMinute: 1.5 }],
    ['plan/ratePerMinute', { ratePerMinute: '600' }],
    ['plan/ratePerMinute', { ratePerMinute: 1e12 }],
    ['plan/quietHours/from', { quietHours: { from: '9pm', to: '09:00' } }],
    ['plan/quietHours/to', { quietHours: { from: '21:00' } }],
    ['plan/quietHours/to', { quietHours: { from: '21:00', to: '24:00' } }],
    ['plan/quietHours', { quietHours: false }],
    ['plan/waves', { waves: [] }],
    ['plan/waves', { waves: Array.from({ length: 21 }, (_, index) => ({ percent: index + 1 })) }],
    ['plan/waves', { waves: { percent: 100 } }],
    ['plan/waves/0/percent', { waves: [{}] }],
    ['plan/waves/0/percent', { waves: [{ percent: 0 }] }],
    ['plan/waves/0/percent', { waves: [{ percent: 101 }] }],
    ['plan/waves/0/percent', { waves: [{ percent: 0.001 }] }],
    ['plan/waves/1/percent', { waves: [{ percent: 5 }, { percent: 5 }] }],
    ['plan/waves/2/percent', { waves: [{ percent: 5 }, { percent: 50 }, { percent: 25 }] }],
    ['plan/waves/0/bakeSeconds', wave({ bakeSeconds: -1 })],
    ['plan/waves/0/bakeSeconds', wave({ bakeSeconds: '24h' })],
    ['plan/waves/0/bakeSeconds', wave({ bakeSeconds: 1e9 })],
    ['plan/waves/0/ratePerMinute', wave({ ratePerMinute: null })],
    ['plan/waves/0/gate/minVerifiedPercent', wave({ gate: { minVerifiedPercent: 101 } })],
    ['plan/waves/0/gate/minMessages', wave({ gate: { minMessages: Number.MAX_SAFE_INTEGER } })],
    ['There is a field that is not known here', { bake: 1 }],
    ['There is a field that is not known here', wave({ bake: 1 })],
    ['There is a field that is not known here', wave({ gate: { maxFailures: 1 } })],
    ['plan', 'fast'],
    ['plan', null],
  ])('is refused by the name of its field, and starts nothing: %s in %j', async (field, plan) => {
    const campaignId = newId()
    expectProblem(await dryRun({ campaignId, plan }), 400, 'invalid_request', field)
    expectProblem(await start(campaignId, plan), 400, 'invalid_request', field)
    expectProblem(await show(campaignId), 404, 'unknown_campaign')
  })

  it.each(['', 'A', '-a', 'a b', 'a/b', 'ä', 'a'.repeat(41), '\u0000', 'plan', 7, null])(
    'has an id that is none: %j',
    async (campaignId) => {
      expectProblem(await dryRun({ campaignId }), 400, 'invalid_request', 'campaignId')
    },
  )

  it('says one thing twice, at whatever depth', async () => {
    const campaignId = newId()
    const bodies = [
      `{"campaignId":"${campaignId}","plan":{"ratePerMinute":600,"ratePerMinute":0}}`,
      `{"campaignId":"${campaignId}","plan":{"waves":[{"percent":1,"percent":100}]}}`,
      `{"campaignId":"${campaignId}","plan":{"ratePerMinute":600},"plan":{}}`,
    ]
    for (const payload of bodies) {
      const headers = { authorization: `Bearer ${api.keys.operator}`, 'content-type': 'application/json' }
      const answer = await api.app.inject({ method: 'POST', url: PATH, headers, payload })
      expectProblem(answer, 400, 'invalid_request', 'twice')
    }
    expectProblem(await show(campaignId), 404, 'unknown_campaign')
  })
})

describe('a command that is none', () => {
  it.each([
    ['command', {}],
    ['command', { command: 'stop' }],
    ['command', { command: ['pause'] }],
    ['why', { command: 'pause', why: '' }],
    ['why', { command: 'pause', why: '  ' }],
    ['why', { command: 'pause', why: undefined }],
    ['why', { command: 'pause', why: 'x'.repeat(501) }],
    ['why', { command: 'pause', why: 'a\u0000b' }],
    ['why', { command: 'pause', why: 'two\nlines' }],
    ['why', { command: 'pause', why: 'half \ud83d' }],
    ['There is a field', { command: 'pause', by: 'somebody else' }],
    ['There is a field', { command: 'pause', claimed: false }],
    ['There is a field', { command: 'pause', rollback: true }],
    ['ratePerMinute', { command: 'rate' }],
    ['ratePerMinute', { command: 'rate', ratePerMinute: -5 }],
    ['memberId', { command: 'exempt', until: '2030-01-01T00:00:00Z' }],
    ['memberId', { command: 'exempt', memberId: "'; drop table members; --", until: '2030-01-01T00:00:00Z' }],
    ['until', { command: 'exempt', memberId: '1' }],
    ['until', { command: 'exempt', memberId: '1', until: 'tomorrow' }],
    ['until', { command: 'exempt', memberId: '1', until: '2030-02-31T00:00:00Z' }],
    ['until', { command: 'exempt', memberId: '1', until: '0000-12-31T00:00:00Z' }],
    ['until', { command: 'exempt', memberId: '1', until: '9999-12-31T23:59:59-23:59' }],
    ['rollback', { command: 'abort', rollback: 'yes' }],
  ])('is refused by the name of its field, and does nothing: %s in %j', async (field, body) => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    expectProblem(await command(campaignId, body), 400, 'invalid_request', field)
    expect(await report(campaignId)).toMatchObject({ state: 'running' })
    const entries = (await report(campaignId)).log.filter(({ by }) => by === 'operator')
    expect(entries.map(({ event }) => event)).toEqual(['started'])
  })

  it.each(['nobody-knows-it', 'A', 'a%00b', '%ff', "'; drop table campaigns; --", 'x'.repeat(100)])(
    'to a campaign that is none is 404: %s',
    async (campaignId) => {
      const id = encodeURIComponent(campaignId)
      expectProblem(await command(id, { command: 'pause' }), 404, 'unknown_campaign')
      expectProblem(await show(id), 404, 'unknown_campaign')
      expectProblem(await api.call('GET', `${PATH}/${id}/members/1`, { as: 'operator' }), 404, 'unknown_campaign')
    },
  )

  it('that the campaign cannot obey is refused with why', async () => {
    const campaignId = newId()
    await members(40)
    await start(campaignId, planOf([100], { bakeSeconds: 3_600, ratePerMinute: 1 }))
    expectProblem(await command(campaignId, { command: 'skip-bake' }), 409, 'not_baking')
    expectProblem(await command(campaignId, { command: 'complete' }), 409, 'waves_remain')
    const until = '2030-01-01T00:00:00Z'
    expectProblem(await command(campaignId, { command: 'exempt', memberId: '42', until }), 404, 'unknown_member')
    await command(campaignId, { command: 'abort' })
    expectProblem(await command(campaignId, { command: 'resume' }), 409, 'campaign_ended')
  })
})

describe('the dry run', () => {
  it('counts whom each wave would take, by reason, and changes nothing', async () => {
    await members(400)
    const campaignId = newId()
    const answer = await dryRun({ campaignId, plan: planOf([10, 60]) })
    expect(answer.statusCode).toBe(200)
    const { groups, members: all } = answer.json<{
      members: number
      groups: { wave: number; reason: string | null; members: number }[]
    }>()
    const ids = Array.from({ length: 400 }, (_, index) => sampleMember(index).memberId)
    const taken = ids.filter((id) => cohort(campaignId, id) < 6_000)
    expect(all).toBe(taken.length)
    const ofWave = (wave: number) =>
      groups.filter((group) => group.wave === wave).reduce((sum, group) => sum + group.members, 0)
    expect(ofWave(1)).toBe(ids.filter((id) => cohort(campaignId, id) < 1_000).length)
    const withdrawn = groups
      .filter(({ reason }) => reason === 'withdrawn')
      .reduce((sum, group) => sum + group.members, 0)
    expect(withdrawn).toBe(taken.filter((id) => sampleMember(Number(id) - 700_000_000).status === 'withdrawn').length)
    expect(await api.system.sql`select from campaign_members where campaign_id = ${campaignId}`).toHaveLength(0)
    expectProblem(await show(campaignId), 404, 'unknown_campaign')
  })

  it('shows the plan with what was left out filled in', async () => {
    const gate = {
      maxSendFailurePercent: 2,
      maxNegativeReceiptPercent: 5,
      minVerifiedPercent: 80,
      minMessages: 20,
      minChallenges: 0,
    }
    const plans = [
      (await dryRun({ campaignId: 'x' })).json<Report>().plan,
      (await dryRun({ campaignId: 'x', plan: { waves: [{ percent: 100, gate: { minMessages: 5 } }] } })).json<Report>()
        .plan,
    ]
    expect(plans).toEqual([
      {
        ratePerMinute: 600,
        quietHours: { from: '21:00', to: '09:00' },
        waves: [1, 5, 25, 100].map((percent) => ({ percent, bakeSeconds: 86_400, gate })),
      },
      {
        ratePerMinute: 600,
        quietHours: { from: '21:00', to: '09:00' },
        waves: [{ percent: 100, bakeSeconds: 86_400, gate: { ...gate, minMessages: 5 } }],
      },
    ])
  })
})

describe('a start', () => {
  it('is recorded with who, runs as a workflow that is found by its campaign, and is the same twice', async () => {
    const campaignId = newId()
    await members(40)
    const plan = { ...planOf([100]), waves: [{ percent: 100, bakeSeconds: 0, gate: OPEN_GATE }] }
    const first = await start(campaignId, plan)
    expect([first.statusCode, first.headers['location']]).toEqual([201, `${PATH}/${campaignId}`])
    const { runId } = await handleOf(campaignId).describe()
    const again = await start(campaignId, plan)
    expect(again.statusCode).toBe(200)
    expect((await handleOf(campaignId).describe()).runId).toBe(runId)
    expect((await handleOf(campaignId).describe()).typedSearchAttributes.getAll()).toContainEqual(
      expect.objectContaining({ value: campaignId }),
    )
    expect((await report(campaignId)).log.at(-1)).toMatchObject({ event: 'started', by: 'operator', claimed: false })
    await api.system.until(async () => (await report(campaignId)).phase === 'standing')
    const { counts } = await report(campaignId)
    expect(counts.reduce((sum, group) => sum + group.members, 0)).toBe(40)
    const list = (await api.call('GET', PATH, { as: 'watcher' })).json<{ campaigns: object[] }>()
    expect(list.campaigns[0]).toMatchObject({ campaignId, state: 'running', wave: 1, waves: 1 })
  })

  it('of another plan, or beside another campaign, is refused', async () => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    expectProblem(await start(campaignId, planOf([100])), 409, 'other_plan')
    expectProblem(await start(newId(), SLOW), 409, 'other_campaign')
    await command(campaignId, { command: 'abort' })
    expect((await start(campaignId, SLOW)).json()).toMatchObject({ state: 'aborted', phase: 'ended' })
  })

  it('twenty at once start one', async () => {
    const campaignId = newId()
    const answers = await Promise.all(Array.from({ length: 20 }, () => start(campaignId, SLOW)))
    const statuses = answers.map(({ statusCode }) => statusCode)
    expect(statuses.filter((status) => status === 201)).toHaveLength(1)
    expect(statuses.filter((status) => status === 200)).toHaveLength(19)
    expect((await report(campaignId)).log.filter(({ event }) => event === 'started')).toHaveLength(1)
  })

  it('again brings a workflow back that was terminated, and the campaign goes on where it stood', async () => {
    const campaignId = newId()
    await members(30)
    await start(campaignId, SLOW)
    await api.system.until(async () => (await report(campaignId)).phase === 'baking')
    const before = await handleOf(campaignId).describe()
    await handleOf(campaignId).terminate('a test')
    expect((await start(campaignId, SLOW)).statusCode).toBe(200)
    const after = await handleOf(campaignId).describe()
    expect([after.status.name, after.runId === before.runId]).toEqual(['RUNNING', false])
    await command(campaignId, { command: 'skip-bake' })
    await api.system.until(async () => (await report(campaignId)).wave === 2)
  })
})

describe('a command', () => {
  it('is obeyed at once, and recorded with who and why', async () => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    expect((await command(campaignId, { command: 'pause', why: ' too many calls ' })).json()).toMatchObject({
      state: 'paused',
      pauseReason: 'too many calls',
    })
    expect((await command(campaignId, { command: 'resume' })).json()).toMatchObject({
      state: 'running',
      pauseReason: null,
    })
    expect((await command(campaignId, { command: 'rate', ratePerMinute: 7 })).json()).toMatchObject({
      ratePerMinute: 7,
    })
    const log = (await report(campaignId)).log.filter(({ by }) => by === 'operator')
    expect(log.map(({ event, why, claimed }) => [event, why, claimed])).toEqual([
      ['rate_changed', 'a test', false],
      ['resumed', 'a test', false],
      ['paused', 'too many calls', false],
      ['started', null, false],
    ])
  })

  it('starts once under its idempotency key, and another start under it is refused', async () => {
    const campaignId = newId()
    const key = randomUUID()
    const answers = await Promise.all(Array.from({ length: 5 }, () => start(campaignId, SLOW, { key })))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([201, 201, 201, 201, 201])
    expectProblem(await start(newId(), SLOW, { key }), 422, 'idempotency_key_reused')
    expectProblem(await start(campaignId, { ...SLOW, ratePerMinute: 77 }, { key }), 422, 'idempotency_key_reused')
    expect((await report(campaignId)).log.filter(({ event }) => event === 'started')).toHaveLength(1)
    // A start that was refused leaves its key free.
    const free = randomUUID()
    expectProblem(await start(newId(), SLOW, { key: free }), 409, 'other_campaign')
    expect((await start(campaignId, SLOW, { key: free })).statusCode).toBe(200)
  })

  it('counts once under its idempotency key, and another one under it is refused', async () => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    const key = randomUUID()
    const rate = (ratePerMinute: number, options: ApiCall = {}) =>
      command(campaignId, { command: 'rate', ratePerMinute }, { key, ...options })
    expect((await rate(5)).statusCode).toBe(200)
    expect((await command(campaignId, { command: 'rate', ratePerMinute: 9 })).statusCode).toBe(200)
    // Repeated: it was obeyed, and says what stands now.
    expect((await rate(5)).json()).toMatchObject({ ratePerMinute: 9 })
    expectProblem(await rate(6), 422, 'idempotency_key_reused')
    expect(await report(campaignId)).toMatchObject({ ratePerMinute: 9 })
    const log = (await report(campaignId)).log.filter(({ event }) => event === 'rate_changed')
    expect(log).toHaveLength(2)
  })

  it('wakes the campaign: the bake is skipped now, not in a minute', async () => {
    const campaignId = newId()
    await members(30)
    await start(campaignId, SLOW)
    await api.system.until(async () => (await report(campaignId)).phase === 'baking')
    const skipped = await command(campaignId, { command: 'skip-bake' })
    await api.system.until(async () => (await report(campaignId)).wave === 2, 10_000)
    expect(skipped.json()).toMatchObject({ phase: 'passed', wave: 1 })
  })

  it('brings a lost workflow back where something is left to do: an abort with rollback is carried out', async () => {
    const campaignId = newId()
    await members(60)
    await start(campaignId, planOf([50, 100], { bakeSeconds: 3_600 }))
    const enforced = async () => (await api.system.sql`select from enrollments`).length
    await api.system.until(async () => (await enforced()) > 5)
    await api.system.until(async () => (await report(campaignId)).phase === 'baking')
    await handleOf(campaignId).terminate('a test')
    // The next wave would be opened now, if somebody were there.
    const skip = { command: 'skip-bake', by: 'a test', why: 'a test' } as const
    await commandCampaign(api.system.sql, campaignId, randomUUID(), skip)
    expect((await command(campaignId, { command: 'abort', rollback: true })).statusCode).toBe(200)
    await api.system.until(async () => (await report(campaignId)).phase === 'ended')
    expect(await enforced()).toBe(0)
    expect(await report(campaignId)).toMatchObject({ wave: 1 })
  })

  it.each(['complete', 'abort'])('after %s exempts a member all the same, and takes all back', async (ending) => {
    const campaignId = newId()
    const member = { ...sampleMember(1), birthDate: '1980-01-01' }
    await addMembers(api.system, [member])
    await start(campaignId, planOf([100]))
    const memberPath = `${PATH}/${campaignId}/members/${member.memberId}`
    const standing = async () =>
      (await api.call('GET', memberPath, { as: 'operator' })).json<{ state: string; isSmsMandatory: boolean }>()
    await api.system.until(async () => (await standing()).state === 'enforced')
    await api.system.until(async () => (await report(campaignId)).phase === 'standing')
    expect((await command(campaignId, { command: ending })).json()).toMatchObject({ phase: 'ended' })
    await handleOf(campaignId).result()

    const exempt = (until: string) => command(campaignId, { command: 'exempt', memberId: member.memberId, until })
    expect((await exempt(new Date(Date.now() + 60_000).toISOString())).statusCode).toBe(200)
    expect(await standing()).toMatchObject({ state: 'enforced', isSmsMandatory: false })
    expect((await exempt('2026-01-01T00:00:00Z')).statusCode).toBe(200)
    expect(await standing()).toMatchObject({ isSmsMandatory: true })

    expectProblem(await command(campaignId, { command: 'abort' }), 409, 'campaign_ended')
    expect((await command(campaignId, { command: 'abort', rollback: true })).statusCode).toBe(200)
    await api.system.until(async () => (await report(campaignId)).phase === 'ended')
    expect(await standing()).toMatchObject({ state: 'rolled_back', isSmsMandatory: false })
    expectProblem(await command(campaignId, { command: 'abort', rollback: true }), 409, 'campaign_ended')
  })

  it('that is refused brings a lost workflow back all the same', async () => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    await handleOf(campaignId).terminate('a test')
    expectProblem(await command(campaignId, { command: 'complete' }), 409, 'waves_remain')
    await api.system.until(async () => (await handleOf(campaignId).describe()).status.name === 'RUNNING')
  })

  it('is obeyed while Temporal is away: the campaign finds it by itself', async () => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    const proxy = await startFlakyProxy(temporalAddress())
    const temporal = connectTemporal(
      api.system.config.temporal.codecKeys,
      bounded({ connectionOptions: { address: proxy.address }, namespace: api.system.namespace }),
    )
    const app = api.server({ temporal })
    await proxy.refuse()
    const call = (url: string, payload: object) =>
      app.inject({ method: 'POST', url, payload, headers: { authorization: `Bearer ${api.keys.operator}` } })
    const paused = await call(`${PATH}/${campaignId}/commands`, { command: 'pause', why: 'Temporal is away' })
    expect([paused.statusCode, paused.json()]).toMatchObject([200, { state: 'paused' }])
    await command(campaignId, { command: 'abort' })
    // A start is recorded, and says that it is not done.
    const other = newId()
    const answer = await call(PATH, { campaignId: other, plan: SLOW })
    expect([answer.statusCode, answer.json()]).toMatchObject([503, { code: 'unavailable' }])
    await app.close()
    await Promise.all([proxy.stop(), temporal.connection.close()])
    expect((await start(other, SLOW)).statusCode).toBe(200)
    started.add(other)
    expect((await handleOf(other).describe()).status.name).toBe('RUNNING')
  })
})

describe('a member in a campaign', () => {
  const memberAt = (campaignId: string, memberId: string) =>
    api.call('GET', `${PATH}/${campaignId}/members/${memberId}`, { as: 'watcher' })

  it('is shown with their wave, what was done and when, and nothing of where it went', async () => {
    const member = { ...sampleMember(1), birthDate: '1980-01-01', notificationPreference: 'email' as const }
    await addMembers(api.system, [member])
    const campaignId = newId()
    const { memberId } = member
    await start(campaignId, planOf([100]))
    await api.system.until(
      async () => (await memberAt(campaignId, memberId)).json<{ state: string }>().state === 'enforced',
    )
    const answer = await memberAt(campaignId, memberId)
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string
    expect(answer.json()).toMatchObject({
      memberId,
      wave: 1,
      state: 'enforced',
      reason: null,
      takenAt: time,
      announcedAt: time,
      enforceAt: time,
      enforcedAt: time,
      isSmsMandatory: true,
      notices: [{ kind: 'announcement', state: 'accepted', channel: 'sms', acceptedAt: time }],
    })
    for (const secret of [member.phone!, member.email!]) expect(answer.body).not.toContain(secret)

    const until = new Date(Date.now() + 86_400_000).toISOString()
    await command(campaignId, { command: 'exempt', memberId, until, why: 'hospital' })
    expect((await memberAt(campaignId, memberId)).json()).toMatchObject({
      isSmsMandatory: false,
      exemption: { until, by: 'operator', claimed: false, why: 'hospital' },
    })
  })

  it('whom it has not taken yet has a wave and no state', async () => {
    const campaignId = newId()
    const later = Array.from({ length: 50 }, (_, index) => sampleMember(index)).find(
      ({ memberId, status }) => status === 'active' && cohort(campaignId, memberId) >= 5_000,
    )!
    await addMembers(api.system, [later])
    await start(campaignId, SLOW)
    expect((await memberAt(campaignId, later.memberId)).json()).toMatchObject({ wave: 2, state: null, takenAt: null })
  })

  it.each(['42', 'a%00b', '%ff', 'x'.repeat(100)])('who is not known is 404: %s', async (memberId) => {
    const campaignId = newId()
    await start(campaignId, SLOW)
    expectProblem(await memberAt(campaignId, encodeURIComponent(memberId)), 404, 'unknown_member')
  })
})

it.each<[string, unknown]>([
  ['nothing', null],
  ['a text', 'autumn'],
  ['no plan', {}],
  ['a wave that is none', { plan: planOf([100], { waves: [null as never] }) }],
  ['half a message', { plan: planOf([100], { gate: { ...OPEN_GATE, minMessages: 0.5 } }) }],
  ['more messages than there are numbers', { plan: planOf([100], { gate: { ...OPEN_GATE, minMessages: 1e12 } }) }],
  ['more than all', { plan: planOf([100], { gate: { ...OPEN_GATE, maxSendFailurePercent: 1_000 } }) }],
  ['half a second', { plan: planOf([100], { bakeSeconds: 0.5 }) }],
  ['millions of years', { plan: planOf([100], { bakeSeconds: 1e14 }) }],
  ['a wave of nobody', { plan: planOf([1e-9, 100]) }],
  ['a NUL in the plan', { plan: { ...planOf([100]), note: 'a\0b' } }],
  ['a NUL as a name', { plan: planOf([100]), by: 'a\0b' }],
  ['a name that is none', { plan: planOf([100]), by: 7 }],
])('a start by a Temporal client with %s is refused, and records nothing', async (_, input) => {
  const campaignId = newId()
  const given = typeof input === 'object' && input !== null ? { campaignId, ...input } : input
  const options = { workflowId: campaignWorkflowId(campaignId), taskQueue: 'sms-campaign', args: [given] }
  await expect(api.system.temporal.workflow.execute('smsEnrollmentCampaign', options)).rejects.toMatchObject({
    cause: expect.toSatisfy((cause: { type?: string; cause?: { type?: string } }) =>
      [cause.type, cause.cause?.type].includes('invalid_request'),
    ),
  })
  expect(await api.system.sql`select from campaigns where campaign_id = ${campaignId}`).toHaveLength(0)
})

it('a wave of a campaign that was aborted does not bake', async () => {
  const campaignId = newId()
  await start(campaignId, SLOW)
  await command(campaignId, { command: 'abort', rollback: true })
  await api.system.sql`update campaign_waves set bake_until = null where campaign_id = ${campaignId}`
  await startBake(api.system.sql, campaignId, 1)
  expect((await report(campaignId)).waves[0]).toMatchObject({ bakeUntil: null })
})

it('a campaign that an older version started with odd numbers is shown all the same', async () => {
  const campaignId = newId()
  const plan = planOf([100], {
    bakeSeconds: 0.5,
    gate: { ...OPEN_GATE, minMessages: 0.5, maxSendFailurePercent: 1_000 },
  })
  await startCampaign(api.system.sql, { campaignId, plan })
  started.add(campaignId)
  const { log, counts } = await report(campaignId)
  expect(log.at(-1)).toMatchObject({ event: 'started', claimed: true })
  expect(counts.every(({ state }) => MEMBER_STATES.includes(state))).toBe(true)
})
