/**
 * D6: "What is about our account (401, 403, sender not provisioned, quota, content refused) is an alarm of ours and never a
 * mark against a number": a metric by itself, from 0 on, and a line in the log with nothing of the message.
 */
import { Writable } from 'node:stream'
import { Registry } from 'prom-client'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { createLog } from '../logging/create-log.ts'
import { createSenders } from '../providers/senders.ts'
import { observeSenders } from '../workers/observe-senders.ts'
import { startSimulators, type Simulators } from './support/simulators.ts'

let simulators: Simulators
beforeAll(async () => {
  simulators = await startSimulators()
})
afterEach(() => simulators.clear())
afterAll(() => simulators?.stop())

const SMS = { to: '+819012345678', from: '22471' }
const EMAIL = { to: 'hanako@example.jp', from: 'jmb_confirmation@jal.com', subject: 's' }

function observed() {
  const lines: string[] = []
  const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) })
  const registry = new Registry()
  const { env } = simulators
  const senders = createSenders({
    sendgrid: { apiKey: env.SENDGRID_API_KEY, baseUrl: env.SENDGRID_BASE_URL },
    vonage: {
      applicationId: env.VONAGE_APPLICATION_ID,
      privateKey: env.VONAGE_PRIVATE_KEY,
      baseUrl: env.VONAGE_BASE_URL,
    },
    timeoutMs: 5_000,
  })
  const count = async (provider: string, result: string) => {
    const line = (await registry.metrics())
      .split('\n')
      .find((each) => each.startsWith(`otp_provider_requests_total{provider="${provider}",result="${result}"}`))
    return line === undefined ? undefined : Number(line.split(' ')[1])
  }
  return {
    senders: observeSenders(senders, registry, createLog({ level: 'info' }, sink)),
    count,
    log: () => lines.join(''),
  }
}

it.each([
  ['sms', 'vonage'],
  ['email', 'sendgrid'],
] as const)(
  'an account that is refused, by %s, is counted by itself and told in the log',
  async (channel, provider) => {
    const { senders, count, log } = observed()
    expect(await count(provider, 'account')).toBe(0)
    const message = { reference: 'r', text: 'code 481516', ...(channel === 'sms' ? SMS : EMAIL) }
    for (const fault of [{ status: 401 }, { status: 403 }, { status: 404 }, { status: 422, about: 'from' }] as const) {
      await simulators.faults({ ...fault, times: 1 })
      await expect(senders[channel].send(message)).rejects.toMatchObject({ kind: 'account' })
    }
    expect(await count(provider, 'account')).toBe(4)
    expect(log().match(/a provider refuses our account or our request/g)).toHaveLength(4)
    expect(log()).toContain(`${provider} answered 403`)
    for (const secret of ['481516', '9012345678', 'hanako']) expect(log()).not.toContain(secret)
  },
)

it('a bad destination is none of these', async () => {
  const { senders, count, log } = observed()
  await simulators.faults({ status: 422, times: 1 })
  await expect(senders.sms.send({ reference: 'r', text: 't', ...SMS })).rejects.toMatchObject({ kind: 'permanent' })
  expect([await count('vonage', 'permanent'), await count('vonage', 'account')]).toEqual([1, 0])
  expect(log()).toBe('')
})
