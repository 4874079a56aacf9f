/**
 * Sending the notices of a campaign (R2, R4).
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { smsSender } from '../domain/destination.ts'
import { undeliverableCondition } from '../domain/email-address.ts'
import { catalogFor } from '../messages/catalog.ts'
import { renderNotice } from '../messages/notice.ts'
import { recordNotices, takeNotices, type SendingRules, type Notice, type NoticeResult } from '../postgres/campaigns.ts'
import type { Sql } from '../postgres/connect.ts'
import { SendError, type BatchProvider, type Provider } from '../providers/provider.ts'

export interface NoticeSenderOptions {
  readonly sql: Sql
  readonly rules: SendingRules
  readonly providers: { readonly sms: Provider; readonly email: BatchProvider }
  readonly delivery: Config<'providers'>['providers']
  /** How many are in hand, taken and not yet recorded: a worker that dies sends so many twice at most. */
  readonly noticesAtOnce: number
}

/** How long notices are sent at a stretch, before decisions have their turn. */
const STRETCH_MS = 1_000
/** Shares of what is in hand: while one waits for the provider, the other talks to Postgres. */
const LANES = 2
/** Between two tries to record what the providers said. */
const RECORD_AGAIN_MS = 500

/**
 * @returns a function that takes notices that are due, hands them to their providers and records the answers, until none
 *   is due or its stretch is over; it gives the number that it took. Cancelled, it takes no more, and finishes what is in
 *   hand: a message that is given up on its way may arrive all the same, and would be sent again
 */
export function createNoticeSender({ sql, rules, providers, delivery, noticesAtOnce }: NoticeSenderOptions) {
  // Taken while they are at work: an attempt that the server believes dead may still be here beside its successor.
  const free = Array.from({ length: LANES }, (_, lane) => Math.floor((noticesAtOnce + lane) / LANES)).filter(Boolean)

  return async (campaignId: string, signal: AbortSignal): Promise<number> => {
    const until = Date.now() + STRETCH_MS
    const goesOn = () => !signal.aborted && Date.now() < until
    // All to their end, whichever fails: what another has in hand was sent, and must be recorded.
    const mine = free.splice(0)
    const lanes = await Promise.allSettled(mine.map((share) => sendWhile(goesOn, campaignId, share)))
    free.push(...mine)
    return lanes.reduce((total, lane) => {
      if (lane.status === 'rejected') throw lane.reason
      return total + lane.value
    }, 0)
  }

  async function sendWhile(goesOn: () => boolean, campaignId: string, most: number): Promise<number> {
    for (let total = 0; ;) {
      const notices = await takeNotices(sql, campaignId, rules, most)
      if (notices.length === 0) return total
      await record(campaignId, await sendAll(notices))
      total += notices.length
      // Fewer than asked for: that was all, or all that the rate allows.
      if (notices.length < most || !goesOn()) return total
    }
  }

  /** What was said must not be lost with a connection: within the lease it is still news. */
  async function record(campaignId: string, results: readonly NoticeResult[]): Promise<void> {
    const until = Date.now() + (rules.leaseSeconds * 1_000) / 2
    for (;;) {
      try {
        return await recordNotices(sql, campaignId, rules, results)
      } catch (error) {
        if (Date.now() > until) throw error
      }
      await wait(RECORD_AGAIN_MS)
    }
  }

  async function sendAll(notices: readonly Notice[]): Promise<NoticeResult[]> {
    const byWay = Map.groupBy(notices, wayOf)
    // The same text for all who read one language: one request.
    const byLanguage = Map.groupBy(byWay.get('email') ?? [], ({ language }) => catalogFor(language).language)
    const answers = await Promise.all([
      ...(byWay.get('sms') ?? []).map(sendSms),
      ...[...byLanguage.values()].map(sendEmails),
    ])
    const dropped = (byWay.get('nowhere') ?? []).map(({ noticeId }) => ({ noticeId, result: 'dropped' }) as const)
    return [...answers.flat(), ...dropped]
  }

  async function sendSms(notice: Notice): Promise<NoticeResult[]> {
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
    return answer([notice], 'sms', providers.sms.id, () => providers.sms.send(message))
  }

  async function sendEmails(notices: readonly Notice[]): Promise<NoticeResult[]> {
    const { language } = notices[0]!
    const recipients = notices.map(({ noticeId, email }) => ({ reference: noticeId, to: email! }))
    const content = renderNotice({ kind: 'own_settings', channel: 'email', language })
    const message = { from: delivery.sendgrid.from, ...content }
    const results = await answer(notices, 'email', providers.email.id, () =>
      providers.email.sendBatch(recipients, message),
    )
    // One address that the provider refuses has all of its request refused: then each goes by itself.
    if (notices.length === 1 || results[0]!.result !== 'refused') return results
    return (await Promise.all(notices.map((notice) => sendEmails([notice])))).flat()
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
    const { kind, retryAfterMs: waitMs = 0 } = error
    if (kind === 'permanent') return all((noticeId) => ({ noticeId, result: 'refused', channel }))
    if (kind === 'account') return all((noticeId) => ({ noticeId, result: 'account_refused', provider }))
    return all((noticeId) => ({ noticeId, result: 'later', waitMs }))
  }
}
