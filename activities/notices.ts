/**
 * Sending the notices of a campaign (R2, R4).
 */
import type { Config } from '../config.ts'
import { smsSender } from '../domain/destination.ts'
import { undeliverableCondition } from '../domain/email-address.ts'
import { catalogFor } from '../messages/catalog.ts'
import { renderNotice } from '../messages/notice.ts'
import {
  recordNotices,
  takeNotices,
  type CampaignRules,
  type Notice,
  type NoticeResult,
} from '../postgres/campaigns.ts'
import type { Sql } from '../postgres/connect.ts'
import { SendError, type BatchProvider, type Provider } from '../providers/provider.ts'

export interface NoticeSenderOptions {
  readonly sql: Sql
  readonly rules: CampaignRules
  readonly providers: { readonly sms: Provider; readonly email: BatchProvider }
  readonly delivery: Config<'providers'>['providers']
  /** How many are taken at a time: a worker that dies sends so many twice at most. */
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
    const byWay = Map.groupBy(notices, wayOf)
    // The same text for all who read one language: one request.
    const byLanguage = Map.groupBy(byWay.get('email') ?? [], ({ language }) => catalogFor(language).language)
    const answers = await Promise.all([
      ...(byWay.get('sms') ?? []).map((notice) => sendSms(notice, signal)),
      ...[...byLanguage.values()].map((alike) => sendEmails(alike, signal)),
    ])
    const dropped = (byWay.get('nowhere') ?? []).map(({ noticeId }) => ({ noticeId, result: 'dropped' }) as const)
    await recordNotices(sql, campaignId, rules, [...answers.flat(), ...dropped])
    return notices.length
  }

  async function sendSms(notice: Notice, signal: AbortSignal): Promise<NoticeResult[]> {
    const { noticeId, kind, language, enforceAt, mobileCarrier } = notice
    const content = renderNotice(
      kind === 'announcement'
        ? { kind, channel: 'sms', language, enforceAt: new Date(enforceAt!) }
        : { kind, channel: 'sms', language },
    )
    const message = {
      reference: noticeId,
      to: notice.phone!,
      from: smsSender(mobileCarrier, delivery.vonage),
      ...content,
    }
    return answer([notice], 'sms', providers.sms.id, () => providers.sms.send(message, signal))
  }

  async function sendEmails(notices: readonly Notice[], signal: AbortSignal): Promise<NoticeResult[]> {
    const { language } = notices[0]!
    const recipients = notices.map(({ noticeId, email }) => ({ reference: noticeId, to: email! }))
    const content = renderNotice({ kind: 'own_settings', channel: 'email', language })
    const message = { from: delivery.sendgrid.from, ...content }
    const results = await answer(notices, 'email', providers.email.id, () =>
      providers.email.sendBatch(recipients, message, signal),
    )
    // One address that the provider refuses has all of its request refused: then each goes by itself.
    if (notices.length === 1 || results[0]!.result !== 'refused') return results
    return (await Promise.all(notices.map((notice) => sendEmails([notice], signal)))).flat()
  }
}

/** R4: an announcement goes to that very number; the other notice by e-mail, else by SMS, else nowhere. */
function wayOf({ kind, phone, email }: Notice): 'sms' | 'email' | 'nowhere' {
  if (kind === 'own_settings' && email !== null && undeliverableCondition(email) === undefined) return 'email'
  return phone === null ? 'nowhere' : 'sms'
}

async function answer(
  notices: readonly Notice[],
  channel: 'sms' | 'email',
  provider: string,
  send: () => Promise<string>,
): Promise<NoticeResult[]> {
  const all = (result: (noticeId: string) => NoticeResult) => notices.map(({ noticeId }) => result(noticeId))
  try {
    const messageId = await send()
    return all((noticeId) => ({ noticeId, result: 'accepted', channel, provider, messageId }))
  } catch (error) {
    if (!(error instanceof SendError)) throw error
    const { kind, retryAfterMs = RETRY_MS } = error
    if (kind === 'permanent') return all((noticeId) => ({ noticeId, result: 'refused', channel }))
    return all((noticeId) => ({ noticeId, result: 'later', waitMs: retryAfterMs }))
  }
}
