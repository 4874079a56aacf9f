/**
 * O4: one trace shows the whole of a challenge, from the request that starts it through Temporal to the provider, and
 * on to the verdict and the receipt; nothing in it is a code, or of a member.
 */
import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCollector, type Collector, type CollectedSpan } from './support/otlp-collector.ts'
import { recordingServer } from './support/recording-server.ts'
import { startByClient, startSystem, type System, type WorkerProcess } from './support/system.ts'
import { sendGridEvent, sendGridPost, WEBHOOK_ENV } from './support/webhooks.ts'

const KEY = randomBytes(24).toString('base64url')
const LANGUAGES = ['ja', 'en']

let collector: Collector
let system: System
let api: WorkerProcess
let worker: WorkerProcess
let url: string

beforeAll(async () => {
  collector = await startCollector()
  system = await startSystem({
    ...WEBHOOK_ENV,
    PORT: '0',
    OTP_API_KEYS: `web:${createHash('sha256').update(KEY).digest('hex')}:challenges:start+challenges:read+challenges:verify`,
    OTP_IP_HASH_KEY: randomBytes(32).toString('base64'),
    OTP_PROOF_KEYS: `test-proof:${randomBytes(32).toString('base64')}`,
    OTP_LOG_LEVEL: 'trace',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
  })
  ;[api, worker] = await Promise.all([
    system.process('api/main.ts'),
    system.process('workers/challenge-worker.ts', { OTP_PROVIDER_TIMEOUT_SECONDS: '1' }),
  ])
  url = /"url":"([^"]+)"/.exec(api.output())![1]!
})
afterAll(async () => {
  await system?.stop()
  await collector?.[Symbol.asyncDispose]()
})

async function call(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, json: (await answer.json().catch(() => ({}))) as Record<string, string> }
}

const place = () => ({ traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') })
const header = ({ traceId, spanId }: ReturnType<typeof place>, flags = '01') => ({
  traceparent: `00-${traceId}-${spanId}-${flags}`,
})

const spansOf = (traceId: string) => collector.spans().filter((span) => span.traceId === traceId)
const namesOf = (spans: readonly CollectedSpan[]) => spans.map(({ name }) => name).toSorted()

/** Waits until a trace has spans of all these names. */
const traceWith = (traceId: string, ...names: string[]) =>
  system.until(async () => {
    const spans = spansOf(traceId)
    return names.every((name) => spans.some((span) => span.name === name)) && spans
  })

async function start(memberId: string, headers: Record<string, string> = {}) {
  const { status, json } = await call('POST', '/v1/challenges', { memberId, purpose: 'redeem_benefit' }, headers)
  expect(status).toBe(201)
  return json['challengeId']!
}

const traceOfRow = async (challengeId: string) => {
  const [row] = await system.sql<[{ traceparent: string | null }]>`
    select traceparent from challenges where challenge_id = ${challengeId}`
  return row.traceparent?.split('-')[1]
}

describe('nothing leaves but what is allowed', () => {
  it('no code, destination, name or member id is in any span or log, also where parts fail', async () => {
    const members = await Promise.all(
      LANGUAGES.map((language) =>
        system.addMember({ channel: 'email', language, email: `zqx${randomUUID()}@example.jp` }),
      ),
    )
    const secrets: string[] = []
    for (const memberId of members) {
      const [row] = await system.sql<[{ email: string; phone: string }]>`
        select email, phone from members where member_id = ${memberId}`
      await system.simulators.faults({ to: row.email, status: 500, times: 1 })
      const challengeId = await start(memberId)
      const [code] = await system.codes(memberId)
      const wrong = code === '000000' ? '000001' : '000000'
      await call('POST', `/v1/challenges/${challengeId}/verify`, { code: wrong })
      await call('POST', `/v1/challenges/${code}/verify?code=${code}`, { code })
      await call(
        'POST',
        `/v1/${row.email}/${code}`,
        { code },
        { tracestate: `vendor=${code}`, baggage: `mail=${row.email}` },
      )
      await call('POST', `/v1/challenges/${challengeId}/verify`, { code })
      const traceId = await traceOfRow(challengeId)
      await traceWith(traceId!, 'workflow otpChallenge')
      secrets.push(code!, row.email, row.phone.slice(3), memberId)
    }
    const told = collector.raw()
    // Nanoseconds and ids hold runs of digits by chance.
    const words = told
      .replaceAll(/"\d{19}"/g, '')
      .replaceAll(/[0-9a-f]{16,32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '')
    expect(secrets.filter((secret) => words.includes(secret))).toEqual([])
    // Ids of members stand in workflow ids, which the workers' logs name; codes and destinations nowhere.
    const logged = `${api.output()}${worker.output()}`.replaceAll(
      /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,32}/g,
      '',
    )
    const isMember = new Set(members)
    const inLogs = secrets.filter(
      (secret) => !isMember.has(secret) && new RegExp(`(?<!\\d)${secret}(?!\\d)`).test(logged),
    )
    expect(inLogs).toEqual([])
    expect(collector.spans().some(({ status }) => status.code === 2)).toBe(true)
    for (const { events, status } of collector.spans())
      expect({ events, message: status.message }).toEqual({ events: [] })
  })

  it('a span is named by a route, never by a path', async () => {
    await call('GET', `/v1/challenges/${uuidv7()}`)
    await call('GET', '/no/such/route/12345678')
    await system.until(async () => namesOf(collector.spans()).includes('GET none'))
    for (const name of namesOf(collector.spans())) expect(name).not.toMatch(/\d{2}/)
  })
})

describe('one trace', () => {
  it('shows a challenge from the request through Temporal to the provider, the verdict and the receipt', async () => {
    const memberId = await system.addMember({ channel: 'email' })
    const caller = place()
    const challengeId = await start(memberId, header(caller))
    const [code] = await system.codes(memberId)
    const post = sendGridPost([sendGridEvent(challengeId, 'delivered')])
    const receipt = await fetch(`${url}/v1/webhooks/sendgrid`, {
      method: 'POST',
      headers: post.headers,
      body: post.payload,
    })
    expect(receipt.status).toBe(204)
    const verified = await call('POST', `/v1/challenges/${challengeId}/verify`, { code }, header(place()))
    expect(verified.json).toMatchObject({ result: 'verified' })

    const spans = await traceWith(
      caller.traceId,
      ...'POST /v1/challenges,start otpChallenge,workflow otpChallenge,activity sendCode,send sendgrid'.split(','),
      ...'verify,signal attemptJudged,receipt'.split(','),
    )
    const parentOf = (name: string) => {
      const { parentSpanId } = spans.find((span) => span.name === name)!
      return spans.find(({ spanId }) => spanId === parentSpanId)?.name ?? parentSpanId
    }
    expect(parentOf('POST /v1/challenges')).toBe(caller.spanId)
    expect(parentOf('start otpChallenge')).toBe('POST /v1/challenges')
    expect(parentOf('workflow otpChallenge')).toBe('start otpChallenge')
    expect(parentOf('activity sendCode')).toBe('workflow otpChallenge')
    expect(parentOf('send sendgrid')).toBe('activity sendCode')
    expect(parentOf('verify')).toBe('POST /v1/challenges')
    expect(parentOf('signal attemptJudged')).toBe('verify')
    expect(parentOf('receipt')).toBe('POST /v1/challenges')
    expect(new Set(spans.map(({ process }) => process))).toEqual(new Set(['api', 'challenge-worker']))
    const told = spans.map(({ attributes }) => attributes['otp.challenge_id']).filter((id) => id !== undefined)
    expect(new Set(told)).toEqual(new Set([challengeId]))
    // The request that verified is in its own caller's trace, and the two are linked.
    expect(spans.find(({ name }) => name === 'verify')!.links).toHaveLength(1)
    expect(spans.find(({ name }) => name === 'receipt')!.links).toHaveLength(1)
  })

  it('is found in the logs of the request', async () => {
    const caller = place()
    await start(await system.addMember(), header(caller))
    await system.until(async () => api.output().includes(caller.traceId))
    expect(api.output()).toContain(`"traceId":"${caller.traceId}"`)
  })

  it('begins with the request where the caller has none, or one that is none', async () => {
    for (const headers of [
      {},
      { traceparent: 'ff-00000000000000000000000000000001-0000000000000001-01' },
      { traceparent: 'x' },
    ]) {
      const challengeId = await start(await system.addMember(), headers)
      const spans = await traceWith((await traceOfRow(challengeId))!, 'activity sendCode', 'POST /v1/challenges')
      expect(spans.find(({ name }) => name === 'POST /v1/challenges')!.parentSpanId ?? '').toBe('')
    }
  })

  it('has the id of the challenge where a plain Temporal client started it', async () => {
    const memberId = await system.addMember()
    const challengeId = uuidv7()
    const handle = await startByClient(system, { challengeId, memberId, purpose: 'redeem_benefit' })
    const code = await system.until(async () => (await system.codes(memberId))[0])
    await handle.executeUpdate('verifyCode', { args: [{ challengeId, code }] })
    const traceId = challengeId.replaceAll('-', '')
    const spans = await traceWith(
      traceId,
      'workflow otpChallenge',
      'activity sendCode',
      'send vonage',
      'activity checkCode',
    )
    const root = spans.find(({ name }) => name === 'workflow otpChallenge')!
    expect(spans.find(({ name }) => name === 'activity checkCode')!.parentSpanId).toBe(root.spanId)
  })

  it('is not recorded where its caller does not record it, and a header of another shape stops nothing', async () => {
    const caller = place()
    const memberId = await system.addMember()
    await start(memberId, header(caller, '00'))
    const traced = await start(await system.addMember())
    await traceWith((await traceOfRow(traced))!, 'activity sendCode')
    expect(spansOf(caller.traceId)).toEqual([])

    const challengeId = uuidv7()
    const other = await system.addMember()
    await system.temporal.connection.workflowService.startWorkflowExecution({
      namespace: system.namespace,
      workflowId: `otp-challenge/${other}`,
      workflowType: { name: 'otpChallenge' },
      taskQueue: { name: 'otp-challenge' },
      requestId: randomUUID(),
      input: {
        payloads: [
          {
            metadata: { encoding: Buffer.from('json/plain') },
            data: Buffer.from(JSON.stringify({ challengeId, memberId: other, purpose: 'redeem_benefit' })),
          },
        ],
      },
      header: {
        fields: { traceparent: { metadata: { encoding: Buffer.from('nothing/known') }, data: randomBytes(9) } },
      },
    })
    await system.until(async () => (await system.codes(other)).length > 0)
  })
})

describe('where spans cannot be sent', () => {
  it('the log says so once, and once that they can be again', async () => {
    const answer = { status: 400, body: {} }
    await using collects = await recordingServer(answer)
    const traced = await system.process('api/main.ts', { OTEL_EXPORTER_OTLP_ENDPOINT: collects.url })
    const at = /"url":"([^"]+)"/.exec(traced.output())![1]!
    const posted = async (count: number) => {
      await fetch(`${at}/v1/challenges/${uuidv7()}`, { headers: { authorization: `Bearer ${KEY}` } })
      await system.until(async () => collects.requests.length >= count)
    }
    const said = () => traced.output().match(/spans can(?:not)? be sent(?: again)?/g)
    await posted(1)
    await posted(2)
    answer.status = 200
    await posted(3)
    await system.until(async () => said()?.length === 2)
    expect(said()).toEqual(['spans cannot be sent', 'spans can be sent again'])
    await traced.kill('SIGTERM')
  })
})

describe('where tracing is off', () => {
  it('nothing is kept, and nothing of the SDK is loaded', async () => {
    const off = await system.process('api/main.ts', {
      OTEL_SDK_DISABLED: 'true',
      NODE_DEBUG: 'esm',
    })
    const at = /"url":"([^"]+)"/.exec(off.output())![1]!
    const answer = await fetch(`${at}/v1/challenges`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...header(place()) },
      body: JSON.stringify({ memberId: await system.addMember(), purpose: 'redeem_benefit' }),
    })
    const { challengeId } = (await answer.json()) as { challengeId: string }
    expect(await traceOfRow(challengeId)).toBeUndefined()
    expect(off.output()).toContain('tracing/start.ts')
    expect(off.output()).not.toContain('@opentelemetry/sdk-trace')
    await off.kill('SIGTERM')
  })

  it('a wrong variable is named', async () => {
    const wrong = { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_TRACES_SAMPLER: `always_${randomInt(9)}` }
    await expect(system.process('api/main.ts', wrong)).rejects.toThrow(
      /OTEL_EXPORTER_OTLP_ENDPOINT: wants[^]*OTEL_TRACES_SAMPLER: wants/,
    )
  })
})
