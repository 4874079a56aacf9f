/**
 * Sending the notices of a campaign (R2, R4).
 */
import type { Config } from '../config.ts'
import type { Channel } from '../domain/challenge.ts'
import { smsSender } from '../domain/destination.ts'
import { undeliverableCondition } from '../domain/email-address.ts'
import { renderNotice } from '../domain/notices.ts'
import {
  recordNotices,
  takeNotices,
  type CampaignRules,
  type Notice,
  type NoticeResult,
} from '../postgres/campaigns.ts'
import type { Sql } from '../postgres/connect.ts'
import { SendError, type Message, type Provider } from '../providers/provider.ts'

export interface NoticeSenderOptions {
  readonly sql: Sql
  readonly rules: CampaignRules
  readonly providers: Readonly<Record<Channel, Provider>>
  readonly delivery: Config<'providers'>['providers']
  /** How many are sent at the same time: a worker that dies sends so many twice at most. */
  readonly noticesAtOnce: number
}

/** Between two tries of a notice, where the provider does not say. */
const RETRY_MS = 5_000

/**
 * @returns a function that takes the notices that are due, hands them to their providers, and records the answers; it
 *   gives the number that it took
 */
export function createNoticeSender({ sql, rules, providers, delivery, noticesAtOnce }: NoticeSenderOptions) {
  return async (campaignId: string, signal: AbortSignal): Promise<number> => {
    const notices = await takeNotices(sql, campaignId, rules, noticesAtOnce)
    if (notices.length === 0) return 0
    const results = await Promise.all(notices.map((notice) => send(notice, signal)))
    await recordNotices(sql, campaignId, rules, results)
    return notices.length
  }

  async function send(notice: Notice, signal: AbortSignal): Promise<NoticeResult> {
    const { noticeId } = notice
    const message = messageFor(notice)
    if (message === undefined) return { noticeId, result: 'dropped' }
    const { channel } = message
    const provider = providers[channel]
    try {
      const messageId = await provider.send(message, signal)
      return { noticeId, result: 'accepted', channel, provider: provider.id, messageId }
    } catch (error) {
      if (!(error instanceof SendError)) throw error
      if (error.kind === 'permanent') return { noticeId, result: 'refused', channel }
      return { noticeId, result: 'later', waitMs: error.retryAfterMs ?? RETRY_MS }
    }
  }

  /** R4: an announcement goes to that very number; the other notice by e-mail, else by SMS, else nowhere. */
  function messageFor(notice: Notice): (Message & { channel: Channel }) | undefined {
    const { noticeId, kind, enforceAt, phone, email, language, mobileCarrier } = notice
    const canMail = kind === 'own_settings' && email !== null && undeliverableCondition(email) === undefined
    const channel = canMail ? 'email' : 'sms'
    const to = canMail ? email : phone
    if (to === null) return undefined
    return {
      channel,
      reference: noticeId,
      to,
      from: channel === 'sms' ? smsSender(mobileCarrier, delivery.vonage) : delivery.sendgrid.from,
      ...renderNotice({ kind, channel, language, ...(enforceAt !== null && { enforceAt: new Date(enforceAt) }) }),
    }
  }
}
