/**
 * D1: what the real SDKs put on the wire is what the providers' published descriptions take, in every language and on
 * both channels; and the check that says so bites. The schemas stand in `local/simulators/requests/`.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import type { Channel } from '../domain/challenge.ts'
import { undeliverableCondition } from '../domain/email-address.ts'
import answers from '../local/simulators/requests/answers.json' with { type: 'json' }
import { createRequestCheck, mailSendMistakes, smsSendMistakes } from '../local/simulators/requests/check.ts'
import { catalogs } from '../messages/catalog.ts'
import { renderMessage } from '../messages/code-message.ts'
import { toMobileNumber } from '../phones/mobile-number.ts'
import type { Provider } from '../providers/provider.ts'
import { createSendGrid } from '../providers/sendgrid.ts'
import { createVonage } from '../providers/vonage.ts'
import { recordingServer, type Recorded } from './support/recording-server.ts'
import { begin } from './support/endings.ts'
import { startSimulators, type Simulators } from './support/simulators.ts'
import { startSystem } from './support/system.ts'

type Json = Record<string, unknown>

let server: Awaited<ReturnType<typeof recordingServer>>
/** Whose credentials our requests carry, so that what one of them sent to the recording server is good for the other. */
let simulators: Simulators
let providers: Record<Channel, Provider>
beforeAll(async () => {
  server = await recordingServer({
    status: 202,
    headers: { 'x-message-id': 'abc' },
    body: { message_uuid: randomUUID() },
  })
  simulators = await startSimulators()
  const {
    SENDGRID_API_KEY: apiKey,
    VONAGE_APPLICATION_ID: applicationId,
    VONAGE_PRIVATE_KEY: privateKey,
  } = simulators.env
  const options = { baseUrl: server.url, timeoutMs: 5_000 }
  providers = {
    email: createSendGrid({ apiKey, ...options }),
    sms: createVonage({ applicationId, privateKey, ...options }),
  }
})
afterAll(() => Promise.all([server[Symbol.asyncDispose](), simulators.stop()]))
beforeEach(() => void server.requests.splice(0))

const MISTAKES = { email: mailSendMistakes, sms: smsSendMistakes }
const CALLS = { email: 'POST /v3/mail/send', sms: 'POST /v1/messages' }
const DESTINATIONS = {
  email: ['hanako@example.jp', 'jmb_confirmation@jal.com'],
  sms: ['+819012345678', '22471'],
} as const
const LANGUAGES = catalogs.map(({ language }) => language)
/** One that only the configuration knows is among them. */
const PURPOSES = [...loadConfig(['policy'], {}).policy.purposes, 'close_account']

/** Sends the message of a challenge by the real SDK. @returns what came over the wire */
async function wire(channel: Channel, language: string, purpose = 'redeem_benefit', from?: string): Promise<Recorded> {
  const [to, sender] = DESTINATIONS[channel]
  await providers[channel].send({
    reference: randomUUID(),
    to,
    from: from ?? sender,
    ...renderMessage({ channel, language, code: '012345', purpose, originHost: 'www.jal.co.jp', ttlMinutes: 10 }),
  })
  return server.requests.at(-1)!
}

const everyMessage = (['email', 'sms'] as const).flatMap((channel) =>
  LANGUAGES.map((language) => ({ channel, language })),
)

describe('a request over the wire', () => {
  it.each(everyMessage)(
    'is one that the provider takes: $channel, in $language, for every purpose',
    async (message) => {
      for (const purpose of PURPOSES) {
        const { call, headers, body } = await wire(message.channel, message.language, purpose)
        expect(MISTAKES[message.channel](body)).toEqual([])
        expect(call).toBe(CALLS[message.channel])
        expect(headers['content-type']).toMatch(/^application\/json/)
        expect(headers.authorization).toMatch(/^Bearer \S+$/)
      }
    },
  )

  it('is in five languages at least', () => {
    expect(LANGUAGES).toEqual(expect.arrayContaining(['ja', 'en', 'zh-Hans', 'zh-Hant', 'ko']))
  })

  it.each([
    [583, 583],
    [20, 20],
    [4, 20],
  ])(
    'says of an SMS that is worth %i s that it is worth %i s, the least that the provider takes',
    async (life, ttl) => {
      const [to, from] = DESTINATIONS.sms
      await providers.sms.send({ reference: randomUUID(), to, from, text: '012345', ttlSeconds: life })
      const { body } = server.requests.at(-1)!
      expect(body).toMatchObject({ ttl })
      expect(smsSendMistakes(body)).toEqual([])
    },
  )

  it.each(['22471', '0354600124'])('has the sender %s, which the provider takes', async (from) => {
    expect(smsSendMistakes((await wire('sms', 'ja', 'redeem_benefit', from)).body)).toEqual([])
  })
})

it('the SMS of a challenge says that it is worth delivering for as long as its code lives (D6)', async () => {
  const system = await startSystem({ VONAGE_BASE_URL: server.url, OTP_CODE_TTL_SECONDS: '300' })
  try {
    await system.process('workers/challenge-worker.ts')
    const challengeId = await begin(system, { memberId: await system.addMember({ email: null }) })
    const body = await system.until(async () =>
      server.requests.map((request) => request.body as Json).find((sent) => sent['client_ref'] === challengeId),
    )
    expect(body['ttl']).toBeGreaterThan(290)
    expect(body['ttl']).toBeLessThanOrEqual(300)
  } finally {
    await system.stop()
  }
})

describe('a destination that we hold for usable', () => {
  it('is an address that SendGrid’s description takes, whatever its characters', () => {
    const local = fc.stringMatching(/^[A-Za-z0-9.!#$%&'*+\-/=?^_{|}~]{1,66}$/)
    fc.assert(
      fc.property(local, (characters) => {
        const email = `${characters}@example.jp`
        fc.pre(undeliverableCondition(email) === undefined)
        const mail = {
          personalizations: [{ to: [{ email }] }],
          from: { email: 'jmb_confirmation@jal.com' },
          subject: 's',
          content: [{ type: 'text/plain', value: 'v' }],
        }
        expect(mailSendMistakes(mail)).toEqual([])
      }),
    )
  })

  it.each(['090-1234-5678', '+886912345678', '+8613812345678', '+12025550123', '+4915123456789'])(
    'is a number that Vonage’s description takes: %s',
    (written) => {
      const { e164 } = toMobileNumber(written, 'JP')!
      const sms = { channel: 'sms', message_type: 'text', to: e164.slice(1), from: '22471', text: 't' }
      expect(smsSendMistakes(sms)).toEqual([])
    },
  )
})

/** Ways to send what a provider refuses; each is made to a request that the SDK really sent. */
const SPOILT: [channel: Channel, what: string, spoil: (body: Json) => unknown, field: string][] = [
  ['email', 'no personalizations', (body) => ({ ...body, personalizations: undefined }), 'personalizations'],
  ['email', 'nobody to send to', (body) => ({ ...body, personalizations: [{ to: [] }] }), 'personalizations.0.to'],
  [
    'email',
    'a domain beyond ASCII',
    (body) => ({ ...body, personalizations: [{ to: [{ email: 'a@例え.jp' }] }] }),
    'personalizations.0.to.0.email',
  ],
  [
    'email',
    'an address as a bare string',
    (body) => ({ ...body, personalizations: [{ to: ['a@example.jp'] }] }),
    'personalizations.0.to.0',
  ],
  [
    'email',
    'a custom argument that is no string',
    (body) => ({ ...body, personalizations: [{ to: [{ email: 'a@example.jp' }], custom_args: { reference: 1 } }] }),
    'personalizations.0.custom_args.reference',
  ],
  ['email', 'a custom argument at the top', (body) => ({ ...body, custom_args: { reference: 'x' } }), 'custom_args'],
  ['email', 'no sender', (body) => ({ ...body, from: undefined }), 'from'],
  ['email', 'an empty subject', (body) => ({ ...body, subject: '' }), 'subject'],
  ['email', 'no content', (body) => ({ ...body, content: [] }), 'content'],
  [
    'email',
    'HTML before text',
    (body) => ({ ...body, content: (body['content'] as []).toReversed() }),
    'content.1.type',
  ],
  ['email', 'a name in camel case', (body) => ({ ...body, trackingSettings: {} }), 'trackingSettings'],
  [
    'email',
    'a switch that is no boolean',
    (body) => ({ ...body, tracking_settings: { open_tracking: { enable: 'false' } } }),
    'tracking_settings.open_tracking.enable',
  ],
  ['sms', 'a plus before the number', (body) => ({ ...body, to: '+819012345678' }), 'to'],
  ['sms', 'a national number', (body) => ({ ...body, to: '09012345678' }), 'to'],
  ['sms', 'a number as a number', (body) => ({ ...body, to: 819012345678 }), 'to'],
  ['sms', 'no sender', (body) => ({ ...body, from: undefined }), 'from'],
  ['sms', 'a sender of 12 letters', (body) => ({ ...body, from: 'JalMileageBk' }), 'from'],
  ['sms', 'no type', (body) => ({ ...body, message_type: undefined }), 'message_type'],
  ['sms', 'another channel', (body) => ({ ...body, channel: 'whatsapp' }), 'channel'],
  ['sms', 'a text of 1,001 characters', (body) => ({ ...body, text: 'x'.repeat(1_001) }), 'text'],
  ['sms', 'a reference of 101 characters', (body) => ({ ...body, client_ref: 'x'.repeat(101) }), 'client_ref'],
  ['sms', 'a name in camel case', (body) => ({ ...body, clientRef: 'x' }), 'clientRef'],
  ['sms', 'a life of 19 s', (body) => ({ ...body, ttl: 19 }), 'ttl'],
  ['sms', 'an unknown encoding', (body) => ({ ...body, sms: { encoding_type: 'gsm7' } }), 'sms.encoding_type'],
]

describe('the check', () => {
  it.each(SPOILT)('refuses %s with %s', async (channel, _what, spoil, field) => {
    const { body } = await wire(channel, 'ja')
    const mistakes = MISTAKES[channel](spoil(body as Json))
    expect(mistakes.map((mistake) => mistake.field)).toEqual([field])
  })

  it.each([null, undefined, [], 'text', 1])('refuses %j for a body', (body) => {
    expect(mailSendMistakes(body)).toHaveLength(1)
    expect(smsSendMistakes(body)).toHaveLength(1)
  })
})

describe('what the simulators answer', () => {
  const PATHS = { email: '/v3/mail/send', sms: '/v1/messages' }
  const isAsDescribed = (name: keyof (typeof answers)['$defs'], body: unknown) =>
    createRequestCheck({ $defs: answers.$defs, $ref: `#/$defs/${name}` })(body)

  /** The status and body of each refusal that a provider documents. */
  async function refusals(channel: Channel, statuses: readonly number[]) {
    const { headers, body } = await wire(channel, 'ja')
    const post = async (authorization: string, payload: unknown) => {
      const answer = await fetch(`${simulators.url}${PATHS[channel]}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: typeof payload === 'string' ? payload : JSON.stringify(payload),
      })
      return { status: answer.status, body: await answer.json() }
    }
    const right = headers.authorization!
    const refused = [await post('Bearer wrong', body), await post(right, '{'), await post(right, {})]
    for (const status of statuses) {
      await simulators.faults({ status, times: 1 })
      refused.push(await post(right, body))
    }
    return refused
  }

  it('has the shape that SendGrid’s description gives its errors', async () => {
    const refused = await refusals('email', [401, 403, 413, 429, 500])
    expect(refused.map(({ status }) => status)).toEqual([401, 400, 400, 401, 403, 413, 429, 500])
    for (const { body } of refused) expect(isAsDescribed('sendgrid-error', body)).toEqual([])
  })

  it('has the shape that Vonage’s description gives its errors', async () => {
    const refused = await refusals('sms', [401, 402, 422, 429, 500])
    expect(refused.map(({ status }) => status)).toEqual([401, 400, 422, 401, 402, 422, 429, 500])
    for (const { body } of refused) expect(isAsDescribed('vonage-error', body)).toEqual([])
  })

  it('has the shape that Vonage’s description gives its acceptance', async () => {
    const { VONAGE_APPLICATION_ID: applicationId, VONAGE_PRIVATE_KEY: privateKey } = simulators.env
    const sender = createVonage({ applicationId, privateKey, baseUrl: simulators.url, timeoutMs: 5_000 })
    const id = await sender.send({ reference: 'r', to: '+819012345678', from: '22471', text: 't' })
    expect(isAsDescribed('vonage-accepted', { message_uuid: id })).toEqual([])
  })
})
