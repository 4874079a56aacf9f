/**
 * C10, D1, O4, P2: after a run of more than two hundred challenges, by HTTP, Update, signal and on the members' pages, where
 * some change where their codes go, with faults that make every process complain, no code that was sent stands anywhere, and no phone number, name or address outside the columns and
 * the topic that are for them (`member-events`, and its dead letters, which are the same events).
 *
 * Codes have eight digits here, so that one hardly occurs by chance; many more codes that were never sent tell how often
 * one does. And each place is given a secret of its own to be found.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Client } from '@temporalio/client'
import { Partitioners } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MEMBER_EVENTS, OTP_EVENTS } from '../kafka/topics.ts'
import { verifyCodeSignal, verifyCodeUpdate } from '../workflows/messages.ts'
import { begin, executionOf } from './support/endings.ts'
import { startOwnStack, type OwnStack } from './support/own-stack.ts'
import { createMemberBrowser, formOf } from './support/member-browser.ts'
import { remoteApp } from './support/remote-app.ts'
import { NAME_MARK, noCandidates, scan, type Candidates } from './support/secret-scan.ts'
import { codeOf } from './support/simulators.ts'
import { patience } from './support/speed.ts'
import { until } from './support/until.ts'

const MEMBERS = 220
const AT_ONCE = 20
/** One of so many changes on our pages where their codes go. */
const ONE_WHO_CHANGES_OF = 22
/** As many never sent for each that was. */
const CONTROLS = 200

let stack: OwnStack
let members: readonly Member[]
let sent: ReadonlySet<string>
/** One secret of each kind, put into every place. */
const planted = { code: eightDigits(), phone: somePhone(), name: someName(), ip: '2001:db8::ffff' }

interface Member {
  readonly memberId: string
  /** Without country code or leading zero. */
  readonly phone: string
  /** The one that some of them register. */
  readonly newPhone: string
  readonly name: string
  readonly ip: string
}

function eightDigits(): string {
  return String(randomInt(100_000_000)).padStart(8, '0')
}

/** No mobile number of Japan has a 0 there. */
function somePhone(): string {
  return `90${randomInt(1, 10)}${eightDigits().slice(1)}`
}

function someName(): string {
  return NAME_MARK + Array.from({ length: 8 }, () => String.fromCharCode(randomInt(97, 123))).join('')
}

beforeAll(async () => {
  stack = await startOwnStack({
    OTP_CODE_DIGITS: '8',
    OTP_LOG_LEVEL: 'trace',
    OTP_PROVIDER_TIMEOUT_SECONDS: '1',
    // As an operator would who looks for a fault.
    DEBUG: '*',
  })
  await Promise.all(
    (['challenge-worker', 'member-consumer', 'outbox-relay', 'api', 'codec-server'] as const).map((name) =>
      stack.run(name),
    ),
  )
  members = await registerMembers()
  await runChallenges()
  await changeDestinations()
  const messages = (await stack.simulators.messages()).filter(({ text }) => EIGHT_DIGITS.test(text))
  sent = new Set(messages.map(codeOf))
  await plant()
}, patience(300))
afterAll(() => stack?.stop())

/** Through the topic, with some events that cannot be read. */
async function registerMembers(): Promise<Member[]> {
  const all = Array.from({ length: MEMBERS }, (_, index) => ({
    memberId: `M${index}-${eightDigits().slice(4)}`,
    phone: somePhone(),
    newPhone: somePhone(),
    name: someName(),
    ip: `2001:db8::${index.toString(16)}`,
  }))
  const producer = stack.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const events = all.map((member, index) => memberEvent(member, index))
  const bad = events.slice(0, 40).map(({ key, value }, index) => ({
    key,
    value: index % 2 === 0 ? value.slice(0, -1) : value.replace('"version":1', '"version":"1"'),
  }))
  await producer.send({ topic: MEMBER_EVENTS, messages: [...bad, ...events] })
  await producer.disconnect()
  await until(async () => (await stack.sql`select from members`).length === MEMBERS)
  return all
}

function memberEvent({ memberId, phone, name }: Member, index: number) {
  const event = {
    specversion: '1.0',
    id: randomUUID(),
    source: '/membership',
    type: 'member.registered',
    subject: memberId,
    time: '2026-11-01T00:00:00Z',
    data: {
      memberId,
      version: 1,
      email: `${name}@example.jp`,
      mobilePhone: `0${phone.slice(0, 2)}-${phone.slice(2, 6)}-${phone.slice(6)}`,
      mobileCarrier: 'docomo',
      birthDate: '1990-04-01',
      familyCard: false,
      country: 'JP',
      language: ['ja', 'en', 'ko'][index % 3],
      notificationPreference: index % 2 === 0 ? 'sms' : 'email',
    },
  }
  return { key: memberId, value: JSON.stringify(event) }
}

/** Where the code goes, and where it would go by the other channel. */
const destinationsOf = ({ name, phone }: Member, index: number): [first: string, other: string] => {
  const [sms, email] = [`+81${phone}`, `${name}@example.jp`]
  return index % 2 === 0 ? [sms, email] : [email, sms]
}

/** A call to the API; what is answered with 5xx is asked again with the same key, as callers do. */
async function call(method: string, path: string, body?: object) {
  const headers = {
    authorization: `Bearer ${stack.apiKey}`,
    'idempotency-key': randomUUID(),
    ...(body && { 'content-type': 'application/json' }),
  }
  return until(async () => {
    const url = `http://127.0.0.1:${stack.env['PORT']}${path}`
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    const json = (await answer.json().catch(() => ({}))) as Record<string, string>
    return answer.status < 500 && { status: answer.status, json }
  }, 60_000)
}

/** What happens to a challenge's message, by its number; most are simply taken. */
const FAULTS: Readonly<Record<number, object>> = {
  3: { status: 500, times: 1 },
  5: { drop: 'after', times: 1 },
  7: { latencyMs: 2_000, times: 1 },
  9: { status: 429, retryAfterSeconds: 1, times: 1 },
  11: { status: 422 },
  13: { status: 422 },
}
/** Refused on both channels, so that nothing is left. */
const REFUSED_EVERYWHERE = 11

async function runChallenges() {
  const queue = members.entries()
  const take = async () => {
    for (const [index, member] of queue) {
      // More than once: at one moment a process may have nothing under way.
      if (index > 0 && index % 40 === 0) await cutSessions()
      await runOne(member, index)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, take))
}

/** Whatever our processes ask of Postgres fails in the middle of it. */
const cutSessions = () => stack.sql`
  select pg_terminate_backend(pid) from pg_stat_activity
  where application_name in ('challenge-worker', 'api', 'member-consumer', 'outbox-relay')`

async function runOne(member: Member, index: number) {
  const [first, other] = destinationsOf(member, index)
  const fault = FAULTS[index % 20]
  if (fault) await stack.simulators.faults({ to: first, ...fault })
  if (index % 20 === REFUSED_EVERYWHERE) await stack.simulators.faults({ to: other, ...fault })
  const byTemporal = index % 4 === 3
  const challengeId = byTemporal ? await begin(stack, { memberId: member.memberId }) : await startByHttp(member)
  if (challengeId === undefined) return
  const code = await until(async () => {
    const [message] = [...(await stack.simulators.messages(first)), ...(await stack.simulators.messages(other))]
    const [closed] = await stack.sql`select from challenges where challenge_id = ${challengeId} and outcome is not null`
    return message ? codeOf(message) : closed && ''
  }, 60_000)
  if (code === '') return
  if (byTemporal) await submitByTemporal(member, index, challengeId, code)
  else await submitByHttp(index, challengeId, code)
}

async function startByHttp({ memberId, ip: endUserIp }: Member) {
  const { json } = await call('POST', '/v1/challenges', { memberId, purpose: 'redeem_benefit', endUserIp })
  return json['challengeId']
}

async function submitByHttp(index: number, challengeId: string, code: string) {
  const path = `/v1/challenges/${challengeId}`
  const submit = (body: object) => call('POST', `${path}/verify`, body)
  await submit({ code: eightDigits() })
  // Right, but for what makes it no code: whoever complains must not repeat it.
  await submit({ code: `${code}x` })
  await submit({ code: [code], [code]: code })
  await call('GET', path)
  if (index % 20 === 0) await call('POST', `${path}/resend`)
  else if (index % 20 === 2) await call('DELETE', path)
  else expect((await submit({ code })).json).toMatchObject({ result: 'verified' })
}

async function submitByTemporal({ memberId }: Member, index: number, challengeId: string, code: string) {
  const execution = executionOf(stack, memberId)
  await execution.signal(verifyCodeSignal, { challengeId, code: eightDigits() })
  await execution.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code: `${code}x` }] }).catch(() => {})
  await execution.signal('verifyCode', { wrong: 'shape', code })
  if (index % 8 === 3) await execution.signal(verifyCodeSignal, { challengeId, code })
  else await execution.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code }] })
  expect(await execution.result()).toMatchObject({ outcome: 'verified' })
}

/** Some members register another number, in the four steps of the page; it is called with what it refuses, too. */
async function changeDestinations() {
  const changing = members.filter((_, index) => index % ONE_WHO_CHANGES_OF === 0)
  for (const member of changing) await changeDestination(member)
  await until(async () => {
    const rows = await stack.sql`select state from member_notices`
    return rows.length >= 3 * changing.length && rows.every(({ state }) => state === 'accepted')
  }, 60_000)
}

async function changeDestination({ memberId, phone, newPhone, name }: Member) {
  const inbox = async (to: readonly string[]) => {
    const messages = await Promise.all(to.map((each) => stack.simulators.messages(each)))
    return messages.flat().filter(({ text }) => EIGHT_DIGITS.test(text))
  }
  const current = [`+81${phone}`, `${name}@example.jp`]
  const known = (await inbox(current)).map(({ id }) => id)
  const newest = (to: readonly string[]) =>
    until(async () => {
      const message = (await inbox(to)).find(({ id }) => !known.includes(id))
      return message && EIGHT_DIGITS.exec(message.text)![0]
    }, 60_000)

  const { json } = await call('POST', '/v1/page-links', { memberId, page: 'notification-destination' })
  const browser = createMemberBrowser(remoteApp(`http://127.0.0.1:${stack.env['PORT']}`))
  const path = String((await browser.open(json['url']!)).headers['location'])
  const send = async (step: string, fields: Record<string, string>) => {
    const { body } = await browser.get(`${path}${step}`)
    const answer = await browser.post(`${path}${step}`, { ...formOf(body, `${path}${step}`), ...fields })
    return String(answer.headers['location'])
  }
  await send('/number', { number: `0${newPhone}x` })
  expect(await send('/number', { number: `0${newPhone}` })).toBe(`${path}/identity`)
  expect(await send('/identity', { code: await newest(current) })).toBe(`${path}/code`)
  expect(await send('/code', { code: await newest([`+81${newPhone}`]) })).toBe(`${path}/choice`)
  expect(await send('/choice', { choice: 'sms' })).toBe(`${path}/done`)
}

const EIGHT_DIGITS = /(?<!\d)\d{8}(?!\d)/

/** The planted secrets in every place: as text, and once more below base64. */
async function plant() {
  const { code, phone, name, ip } = planted
  const secrets = { code, phone: `+81${phone}`, email: `${name}@example.jp`, ip }
  const nested = Buffer.from(JSON.stringify({ again: Buffer.from(JSON.stringify(secrets)).toString('base64') }))
  const plain = new Client({ connection: stack.temporal.connection })
  await plain.workflow.start('planted', {
    workflowId: 'planted',
    taskQueue: 'planted',
    args: [secrets],
    memo: { nested: nested.toString('base64') },
  })
  await stack.sql`create table planted (note text, raw bytea)`
  await stack.sql`insert into planted values (${JSON.stringify(secrets)}, ${nested})`
  await stack.sql`checkpoint`
  const producer = stack.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  for (const topic of [OTP_EVENTS, MEMBER_EVENTS]) {
    await producer.send({ topic, messages: [{ key: 'planted', value: JSON.stringify(secrets) }] })
  }
  await producer.disconnect()
  await appendFile(join(stack.folder, 'logs', 'planted.log'), `${JSON.stringify(secrets)}\n`)
}

/** Every file below a folder that `wanted` takes. */
async function* filesOf(folder: string, wanted: (path: string) => boolean = () => true): AsyncGenerator<Buffer> {
  const entries = await readdir(join(stack.folder, folder), { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    // Postgres and Kafka remove files while they run.
    if (entry.isFile() && wanted(path)) yield await readFile(path).catch(() => Buffer.alloc(0))
  }
}

const isMemberTopic = (path: string) => /\/member-events(\.dlq)?-\d+\/[^/]*$/.test(path)
/** Records; the indexes beside them are large, and hold numbers. */
const isKafkaLog = (path: string) => path.endsWith('.log')

/** Every row of Temporal's database. Its file keeps a long value in pieces, which here are whole. */
async function* temporalRows(): AsyncGenerator<Buffer> {
  const database = new DatabaseSync(join(stack.folder, 'temporal', 'temporal.db'), { readOnly: true })
  const tables = database.prepare(`select name from sqlite_master where type = 'table'`).all()
  for (const { name } of tables) {
    for (const row of database.prepare(`select * from "${String(name)}"`).iterate()) {
      for (const value of Object.values(row)) {
        yield value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value))
      }
    }
  }
  database.close()
}

/** The columns that are for personal data. */
const PERSONAL: Readonly<Record<string, readonly string[]>> = {
  members: ['email', 'phone'],
  challenges: ['destination'],
  destinations: ['phone'],
  destination_visits: ['phone'],
  member_notices: ['destination', 'new_phone'],
}

/** Every row of every table, without the columns for personal data. */
async function* postgresRows(): AsyncGenerator<Buffer> {
  const tables = await stack.sql<{ schema: string; name: string }[]>`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`
  for (const { schema, name } of tables) {
    const rows = await stack.sql`
      select (to_jsonb(t) - ${PERSONAL[name] ?? []}::text[])::text as row from ${stack.sql(`${schema}.${name}`)} t`
    for (const { row } of rows) yield Buffer.from(String(row))
  }
}

/** What the Web UI shows of a member's execution. */
async function decoded({ memberId }: Member): Promise<Buffer> {
  const { events } = await executionOf(stack, memberId).fetchHistory()
  const payloads = JSON.stringify(events).matchAll(/\{"metadata":\{[^}]*\},"data":"[^"]*"\}/g)
  const answer = await fetch(`http://127.0.0.1:${stack.env['OTP_CODEC_SERVER_PORT']}/decode`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"payloads":[${[...payloads].map(([payload]) => payload).join(',')}]}`,
  })
  const { payloads: readable } = (await answer.json()) as { payloads: { data: string }[] }
  return Buffer.from(readable.map(({ data }) => Buffer.from(data, 'base64').toString()).join('\n'))
}

const startedByTemporal = () => members.filter((_, index) => index % 4 === 3)

/** What the API tells of itself, and what the Web UI shows of the executions. */
async function* shown(): AsyncGenerator<Buffer> {
  const metrics = await fetch(`http://127.0.0.1:${stack.env['PORT']}/metrics`)
  yield Buffer.from(await metrics.arrayBuffer())
  for (const member of startedByTemporal()) yield await decoded(member)
}

interface Place {
  readonly name: string
  readonly contents: () => AsyncGenerator<Buffer>
  /** Personal data may stand there. */
  readonly isPersonal?: true
  /** Nothing can be put there. */
  readonly cannotBePlanted?: true
}

const PLACES: readonly Place[] = [
  { name: "Temporal's database file", contents: () => filesOf('temporal', (path) => path.includes('temporal.db')) },
  { name: "Temporal's tables", contents: temporalRows },
  { name: "Postgres' tables", contents: postgresRows },
  { name: "Postgres' files", contents: () => filesOf('postgres/data'), isPersonal: true },
  {
    name: "Kafka's member topic",
    contents: () => filesOf('kafka/data', (path) => isKafkaLog(path) && isMemberTopic(path)),
    isPersonal: true,
  },
  {
    name: "Kafka's other topics",
    contents: () => filesOf('kafka/data', (path) => isKafkaLog(path) && !isMemberTopic(path)),
  },
  { name: 'the output of our processes', contents: () => filesOf('logs') },
  {
    name: 'the output of the parts',
    contents: () => filesOf('.', (path) => /\/(postgres|temporal|kafka)\/[a-z]+\.log$/.test(path)),
    cannotBePlanted: true,
  },
  { name: 'what is shown', contents: shown, cannotBePlanted: true },
]

it('the run was one that could have told', async () => {
  expect(sent.size).toBeGreaterThanOrEqual(200)
  const outcomes = await stack.sql<{ outcome: string }[]>`
    select distinct outcome from challenges where outcome is not null order by outcome`
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['cancelled', 'superseded', 'undeliverable', 'verified'])
  const logs = Object.fromEntries(
    await Promise.all(
      ['api', 'challenge-worker', 'member-consumer'].map(
        async (name) => [name, await readFile(join(stack.folder, 'logs', `${name}.log`), 'utf8')] as const,
      ),
    ),
  )
  // Each of them had something to complain about.
  for (const log of Object.values(logs)) expect(log).toMatch(/"level":[45]0/)
  expect((await decoded(startedByTemporal()[0]!)).toString()).toContain('"code":"[redacted]"')
})

describe('of what is kept, written and shown', () => {
  const findings = new Map<string, Candidates>()
  const foundIn = (name: string) => findings.get(name)!
  beforeAll(async () => {
    for (const { name, contents } of PLACES) {
      const found = noCandidates()
      for await (const bytes of contents()) scan(bytes, found)
      findings.set(name, found)
    }
  })

  it.each(PLACES)('$name: holds none of the codes that were sent', ({ name }) => {
    expect([...sent].filter((code) => foundIn(name).codes.has(code))).toEqual([])
  })

  it.each(PLACES)('$name: would not hold one by chance', ({ name }) => {
    const never = Array.from({ length: CONTROLS * sent.size }, eightDigits).filter((code) => !sent.has(code))
    const byChance = never.filter((code) => foundIn(name).codes.has(code) && code !== planted.code)
    // A false alarm in every hundred runs, at most.
    expect(byChance.length / CONTROLS).toBeLessThanOrEqual(0.01)
  })

  it.each(PLACES.filter(({ isPersonal }) => !isPersonal))('$name: holds no number, address or name', ({ name }) => {
    const found = foundIn(name)
    const holdsDataOf = (member: Member) =>
      [member.phone, member.newPhone].some((phone) => found.phones.has(phone)) ||
      found.names.has(member.name) ||
      found.ips.has(member.ip)
    expect(members.filter(holdsDataOf)).toEqual([])
  })

  it.each(PLACES.filter(({ cannotBePlanted }) => !cannotBePlanted))('$name: one would be found out', ({ name }) => {
    const found = foundIn(name)
    expect(found.codes).toContain(planted.code)
    expect(found.phones).toContain(planted.phone)
    expect(found.names).toContain(planted.name)
    expect(found.ips).toContain(planted.ip)
  })
})
