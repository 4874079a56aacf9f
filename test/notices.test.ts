/**
 * R2, R4: what a campaign writes to members: one SMS segment in every language, no code, no link, one request for many.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalogs } from '../messages/catalog.ts'
import { renderNotice } from '../messages/notice.ts'
import { smsSize } from '../messages/sms-size.ts'
import { SendError } from '../providers/provider.ts'
import { createSendGrid } from '../providers/sendgrid.ts'
import { startSimulators, type Simulators } from './support/simulators.ts'

const languages = catalogs.map(({ language }) => language)
const enforceAt = new Date('2026-12-08T00:00:00Z')

describe.each(languages)('in %s', (language) => {
  const notices = [
    renderNotice({ kind: 'announcement', channel: 'sms', language, enforceAt }),
    renderNotice({ kind: 'own_settings', channel: 'sms', language }),
    renderNotice({ kind: 'own_settings', channel: 'email', language }),
  ] as const

  it('an SMS is one segment', () => {
    for (const { text } of notices.slice(0, 2)) expect(smsSize(text).segments, text).toBe(1)
  })

  it('the announcement names the day in Japan', () => {
    expect(notices[0].text).toContain('2026-12-08')
  })

  it('nothing holds a link, or anything that looks like a code', () => {
    for (const { text, subject = '', html = '' } of notices) {
      expect(`${subject} ${text} ${html}`).not.toMatch(/https?:|www\.|href/i)
      expect(`${subject} ${text}`).not.toMatch(/\b\d{6}\b/)
    }
  })
})

describe('one message for many', () => {
  let simulators: Simulators
  beforeAll(async () => {
    simulators = await startSimulators()
  })
  afterAll(() => simulators?.stop())
  const provider = () =>
    createSendGrid({
      apiKey: simulators.env.SENDGRID_API_KEY,
      baseUrl: simulators.env.SENDGRID_BASE_URL,
      timeoutMs: 5_000,
    })
  const message = {
    from: 'jmb_confirmation@jal.com',
    ...renderNotice({ kind: 'own_settings', channel: 'email', language: 'ko' }),
  }
  const recipients = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ reference: randomUUID(), to: `n${index}@example.jp` }))

  it('is one request, and none of a thousand recipients sees another', async () => {
    const to = recipients(1_000)
    const before = simulators.connections()
    await provider().sendBatch(to, message)
    expect(simulators.connections() - before).toBe(1)
    const messages = await simulators.messages()
    expect(messages.map((sent) => sent.to).toSorted()).toEqual(to.map((recipient) => recipient.to).toSorted())
  })

  it('is refused whole where one address is none', async () => {
    await simulators.clear()
    const to = [...recipients(2), { reference: randomUUID(), to: 'no address' }]
    await expect(provider().sendBatch(to, message)).rejects.toThrow(SendError)
    expect(await simulators.messages()).toHaveLength(0)
  })
})
