/**
 * O2: the doctor names what is wrong, each fault made on real parts; and finds nothing where nothing is.
 */
import { spawn } from 'node:child_process'
import { randomBytes, randomUUID, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OTP_EVENTS } from '../kafka/topics.ts'
import { PROCESS_SECTIONS, type ConfiguredProcess } from '../config.ts'
import { diagnose } from '../operations/doctor.ts'
import type { Part as Looked } from '../operations/finding.ts'
import { startOwnStack, type OwnStack } from './support/own-stack.ts'
import { until } from './support/until.ts'

const PROGRAM = join(import.meta.dirname, '..', 'cli', 'otp.mjs')

let stack: OwnStack
let env: Record<string, string>
beforeAll(async () => {
  stack = await startOwnStack({
    OTP_PROOF_KEYS: `test-proof:${randomBytes(32).toString('base64')}`,
    OTP_SWEEP_INTERVAL_SECONDS: '3600',
  })
  env = { ...stack.env, OTP_API_URL: `http://127.0.0.1:${stack.env['PORT']}`, OTP_API_KEY: stack.apiKey }
  await Promise.all([stack.run('api'), stack.run('challenge-worker'), stack.run('campaign-worker')])
})
afterAll(() => stack?.stop())

async function otp(args: readonly string[], changed: Record<string, string | undefined> = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...env, NO_COLOR: '1', ...changed } })
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.once('exit', resolve)),
  ])
  return { code, out, err }
}
async function doctor(changed: Record<string, string | undefined> = {}) {
  const processes = Object.keys(PROCESS_SECTIONS) as ConfiguredProcess[]
  return diagnose({ ...env, ...changed }, processes)
}
const found = async (changed: Record<string, string | undefined> = {}) => (await doctor(changed)).findings
/** This one, and nothing beside. */
const only = (part: Looked, code: string, words: string) => [
  { part, code, what: expect.stringContaining(words) as string, todo: expect.stringMatching(/\.$/) as string },
]

it('finds nothing where nothing is wrong, and has looked at every part', async () => {
  const { looked, findings } = await until(async () => {
    const diagnosis = await doctor()
    return diagnosis.findings.length === 0 && diagnosis
  }, 30_000)
  expect(findings).toEqual([])
  expect(looked).toEqual(['configuration', 'postgres', 'temporal', 'kafka', 'sendgrid', 'vonage', 'api'])
})

it('tells people in words, and ends with 0', async () => {
  const { code, out } = await otp(['doctor'])
  expect([code, out.match(/^ok/gm)?.length]).toEqual([0, 7])
})

describe('it names', () => {
  it('a wrong namespace', async () =>
    expect(await found({ TEMPORAL_NAMESPACE: 'elsewhere' })).toEqual(
      only('temporal', 'wrong_namespace', 'no namespace elsewhere'),
    ))

  it('a missing search attribute, which the set-up brings back', async () => {
    const { operatorService } = stack.temporal.connection
    const namespace = 'default'
    await operatorService.removeSearchAttributes({ namespace, searchAttributes: ['Outcome', 'Wave'] })
    await until(async () => (await doctor()).findings.length === 2)
    const { findings } = await doctor()
    expect(findings.map(({ code, what }) => [code, /attribute (\w+)/.exec(what)?.[1]])).toEqual([
      ['search_attribute_missing', 'Outcome'],
      ['search_attribute_missing', 'Wave'],
    ])
    const setUp = await otp(['setup', 'temporal'])
    expect([setUp.code, setUp.out]).toEqual([0, expect.stringContaining('default: Outcome, Wave.')])
    await until(async () => (await doctor()).findings.length === 0)
    const again = await otp(['setup', 'temporal', '--json'])
    expect(JSON.parse(again.out)).toEqual({ namespace, searchAttributes: [], nexusEndpoint: 'unchanged' })
  })

  it('a codec key that is missing', async () => {
    await stack.temporal.workflow.start('otpChallenge', {
      workflowId: `otp-challenge/${randomUUID()}`,
      taskQueue: 'nowhere',
      args: [{}],
      workflowExecutionTimeout: '10m',
    })
    // Newer, and many: what has no payload says nothing of keys, and hides nothing.
    for (let n = 0; n < 25; n++) {
      await stack.temporal.workflow.start('challengeSweep', {
        workflowId: `sweep/${n}`,
        taskQueue: 'nowhere',
        workflowExecutionTimeout: '10m',
      })
    }
    await until(async () => (await stack.temporal.workflow.count("WorkflowType = 'challengeSweep'")).count >= 25)
    await until(async () => {
      const other = { OTP_CODEC_KEYS: `another:${randomBytes(32).toString('base64')}` }
      return (await doctor(other)).findings.length > 0
    })
    expect(
      await found({
        OTP_CODEC_KEYS: `another:${randomBytes(32).toString('base64')}`,
      }),
    ).toEqual(only('temporal', 'codec_key_missing', 'test-codec'))
  })

  it('that it could not look at the keys where Temporal lists slowly, which is not "unreachable"', async () => {
    const proxy = await neverAnswering(env['TEMPORAL_ADDRESS']!, 'ListWorkflowExecutions')
    expect(await found({ TEMPORAL_ADDRESS: proxy.address })).toEqual(only('temporal', 'not_examined', 'OTP_CODEC_KEYS'))
    proxy.stop()
  })

  it('a codec key that is not set at all, and looks at the rest', async () => {
    const { findings, looked } = await doctor({ OTP_CODEC_KEYS: undefined })
    expect(looked).toEqual(expect.arrayContaining(['temporal', 'kafka']))
    expect(findings).toMatchObject([{ part: 'configuration', what: expect.stringMatching(/^OTP_CODEC_KEYS: wants /) }])
  })

  it('what makes a process exit with 2, whatever the section', async () => {
    const { findings } = await doctor({
      OTP_LOG_LEVEL: 'loud',
      OTP_METRICS_PORT: 'many',
      OTEL_TRACES_SAMPLER: 'some',
      OTP_CODEC_SERVER_CALLERS: 'known',
      OTP_JWT_ISSUER: 'https://login.example',
    })
    const variables = findings.map(({ what }) => what.split(':')[0]!)
    expect(variables.toSorted()).toEqual([
      'OTEL_TRACES_SAMPLER',
      'OTP_JWT_AUDIENCE',
      'OTP_JWT_JWKS_URL',
      'OTP_LOG_LEVEL',
      'OTP_METRICS_PORT',
    ])
  })

  it('the callers that the codec server lacks, only where it asks who calls', async () => {
    const codecServer = (changed: Record<string, string>) =>
      diagnose({ ...env, OTP_API_KEYS: undefined, ...changed }, ['codec-server'])
    expect((await codecServer({})).findings).toEqual([])
    expect((await codecServer({ OTP_CODEC_SERVER_CALLERS: 'known' })).findings).toEqual(
      only('configuration', 'configuration', 'OTP_API_KEYS: wants '),
    )
  })

  it.each([
    ['a Temporal profile that is in no file', { TEMPORAL_PROFILE: 'typo' }],
    [
      'a file of TLS that is not there',
      { TEMPORAL_TLS_CLIENT_CERT_PATH: '/nowhere', TEMPORAL_TLS_CLIENT_KEY_PATH: '/nowhere' },
    ],
  ])('%s, and looks at the rest', async (_what, changed) => {
    const { looked, findings } = await doctor(changed)
    expect(findings).toEqual(only('configuration', 'configuration', 'TEMPORAL_…'))
    expect(looked).toEqual(['configuration', 'postgres', 'kafka', 'sendgrid', 'vonage', 'api'])
  })

  it('a topic that is missing', async () => {
    const admin = stack.kafka.admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [OTP_EVENTS] })
    await until(async () => !(await admin.listTopics()).includes(OTP_EVENTS))
    expect(await found()).toEqual(only('kafka', 'topic_missing', OTP_EVENTS))
    await admin.createTopics({ topics: [{ topic: OTP_EVENTS, numPartitions: 6 }], waitForLeaders: true })
    await admin.disconnect()
  })

  it('a schema that is behind', async () => {
    const [newest] = await stack.sql<[{ version: string }]>`select max(version) as version from schema_migrations`
    await stack.sql`delete from schema_migrations where version = ${newest.version}`
    expect(await found()).toEqual(only('postgres', 'schema_behind', newest.version))
    await stack.sql`insert into schema_migrations (version) values (${newest.version})`
  })

  it('a provider’s key that is wrong', async () => {
    expect(await found({ SENDGRID_API_KEY: 'SG.wrong' })).toEqual(only('sendgrid', 'key_wrong', 'SENDGRID_API_KEY'))
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    expect(await found({ VONAGE_PRIVATE_KEY: privateKey })).toEqual(
      only('vonage', 'key_wrong', 'does not let this application in'),
    )
    expect(await found({ VONAGE_APPLICATION_ID: randomUUID() })).toEqual(
      only('vonage', 'key_wrong', 'does not let this application in'),
    )
    expect(await found({ VONAGE_PRIVATE_KEY: '-----BEGIN nothing' })).toEqual(only('vonage', 'key_wrong', 'no RSA key'))
  })

  it('a provider’s key that may not send', async () => {
    const { url, stop } = await provider({ body: { scopes: ['alerts.read'] } })
    expect(await found({ SENDGRID_BASE_URL: url })).toEqual(only('sendgrid', 'key_wrong', 'lacks the scope mail.send'))
    await stop()
  })

  it('a clock that is off, in Postgres and against a provider', async () => {
    const { url, stop } = await provider({ date: new Date(Date.now() - 60_000) })
    expect(await found({ SENDGRID_BASE_URL: url })).toEqual(
      only('sendgrid', 'clock_off', 'sendgrid and that of this machine are'),
    )
    await stop()
    const clock = (now: string) =>
      stack.sql.unsafe(`create or replace function challenge_now() returns timestamptz language sql volatile
        as $$ select ${now} $$`)
    await clock("clock_timestamp() + interval '90 seconds'")
    expect(await found()).toEqual(only('postgres', 'clock_off', 'Postgres and that of this machine are 9'))
    await clock('clock_timestamp()')
  })

  it('a master key that open challenges need', async () => {
    await stack.sql`
      insert into challenges (challenge_id, member_id, seq, purpose, caller, chain_id, admitted_at, key_id)
      values (gen_random_uuid(), 'm', 1, 'view_membership', 'test', gen_random_uuid(), now(), 'lost')`
    expect(await found()).toEqual(only('postgres', 'master_key_missing', 'master key lost'))
    await stack.sql`delete from challenges`
  })

  it('events that wait for a relay', async () => {
    await stack.sql`insert into outbox (type, subject, data, occurred_at) values ('x', 'm', '{}', now() - interval '5 minutes')`
    expect(await found()).toEqual(only('postgres', 'outbox_waits', '300 s'))
    await stack.sql`delete from outbox`
  })

  it('what is down, all at once, and what to do', async () => {
    await Promise.all([stack.kill('temporal'), stack.kill('kafka'), stack.kill('postgres')])
    const { findings } = await doctor({ VONAGE_BASE_URL: 'http://127.0.0.1:1' })
    expect(findings.map(({ part, code }) => [part, code])).toEqual([
      ['postgres', 'unreachable'],
      ['temporal', 'unreachable'],
      ['kafka', 'unreachable'],
      ['vonage', 'unreachable'],
      ['api', 'not_ready'],
    ])
    const told = await otp(['doctor', '--for', 'outbox-relay'])
    expect([told.code, told.err]).toEqual([1, ''])
    const scripts = await otp(['doctor', '--for', 'outbox-relay', '--json'])
    expect(JSON.parse(scripts.out)).toMatchObject({ looked: ['configuration', 'postgres', 'kafka', 'api'] })
    expect(told.out).toMatch(/^ok {4}configuration\nWRONG postgres: .*\n +→ .*DATABASE_URL/)
    expect(told.out).not.toContain('temporal')
    const setUp = await otp(['setup', 'temporal'])
    expect([setUp.code, setUp.out]).toEqual([3, ''])
    const secrets = [env['DATABASE_URL']!.split(':')[2]!.split('@')[0]!, env['SENDGRID_API_KEY']!]
    for (const secret of secrets) expect(JSON.stringify(findings) + told.out).not.toContain(secret)
  })
})

/** Answers every request alike. */
async function provider({ body = {}, date = new Date() }: { body?: object; date?: Date }) {
  const scopes = { scopes: ['mail.send'], ...body }
  const server = createServer((_request, response) => {
    response.setHeader('date', date.toUTCString()).setHeader('content-type', 'application/json')
    response.end(JSON.stringify(scopes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
}

/** Passes gRPC on, but for one method, whose calls hang. */
async function neverAnswering(target: string, method: string) {
  const upstream = connectHttp2(`http://${target}`)
  const proxy = createHttp2Server().on(
    'stream',
    (stream, { ':scheme': _scheme, ':authority': _authority, ...headers }) => {
      if (headers[':path']!.endsWith(`/${method}`)) return
      const call = upstream.request(headers)
      call.on('response', (answer) => stream.respond(answer, { waitForTrailers: true }))
      call.on('trailers', (trailers) => stream.on('wantTrailers', () => stream.sendTrailers(trailers)))
      stream.pipe(call).pipe(stream)
      for (const side of [stream, call]) side.on('error', () => {})
    },
  )
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    stop: () => {
      upstream.destroy()
      proxy.close()
    },
  }
}

describe('otp keys rotate', () => {
  const key = randomBytes(32).toString('base64')
  it('makes a key, shows no other, and says what to put where in which order', async () => {
    const { code, out } = await otp(['keys', 'rotate', 'master'], { OTP_MASTER_KEYS: `first:${key},second:${key}` })
    expect(code).toBe(0)
    const entry = /^ {2}(master-[\d-]+):([A-Za-z0-9+/]{43}=)$/m.exec(out)
    expect(out).toContain(`1. Append it in the API and the challenge worker`)
    expect(out).toContain(`OTP_MASTER_KEYS=first:…,second:…,${entry?.[1]}:…`)
    expect(out).toContain(`OTP_MASTER_KEYS=${entry?.[1]}:…,first:…,second:…`)
    expect(out).not.toContain(key)
    expect(out.match(/[A-Za-z0-9+/]{43}=/g)).toHaveLength(1)
  })

  it('makes a new one each time, under an id that the ring has not', async () => {
    const today = `codec-${new Date().toISOString().slice(0, 10)}`
    const OTP_CODEC_KEYS = `${today}:${key}`
    const made = await Promise.all([1, 2].map(() => otp(['keys', 'rotate', 'codec', '--json'], { OTP_CODEC_KEYS })))
    const keys = made.map(({ out }) => JSON.parse(out) as { id: string; entry: string; variable: string })
    expect(keys).toMatchObject([
      { id: `${today}-2`, variable: 'OTP_CODEC_KEYS' },
      { id: `${today}-2`, variable: 'OTP_CODEC_KEYS' },
    ])
    expect(keys[0]!.entry).not.toBe(keys[1]!.entry)
  })

  it.each([
    [['keys', 'rotate', 'api'], 'Allowed choices are master, codec, proof'],
    [['keys', 'rotate', 'proof', '--id', 'a b'], 'An id has 1 to 32'],
    [['keys', 'rotate', 'proof', '--id', 'test-proof'], 'an id is used once'],
    [['doctor', '--for', 'everything'], 'Allowed choices are api'],
    [['setup', 'kafka'], 'unknown command'],
  ])('%j cannot be used', async (args, words) => {
    const { code, out, err } = await otp(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(words)
  })
})
