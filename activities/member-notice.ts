/**
 * Sending one notice to a member (P2).
 */
import { ApplicationFailure, Context } from '@temporalio/activity'
import type { Config } from '../config.ts'
import type { Channel } from '../domain/challenge.ts'
import { smsSender } from '../domain/destination.ts'
import { undeliverableCondition } from '../domain/email-address.ts'
import { maskDestination } from '../domain/mask.ts'
import { renderDestinationNotice } from '../messages/destination-notice.ts'
import type { Sql } from '../postgres/connect.ts'
import {
  recordMemberNotice,
  takeMemberNotice,
  type MemberNotice,
  type NoticeAnswer,
  type NoticeState,
} from '../postgres/member-notices.ts'
import { SendError, type Message, type Provider } from '../providers/provider.ts'

export interface MemberNoticeDependencies {
  readonly sql: Sql
  readonly providers: Readonly<Record<Channel, Provider>>
  readonly delivery: Config<'providers'>['providers']
}

export type MemberNoticeActivities = ReturnType<typeof createMemberNoticeActivities>

/** Longer than a try may take: after it, whoever has the notice in hand counts as dead. */
const LEASE_SECONDS = 20
/** Between two tries, where the provider does not say: doubled each time, up to the most. */
const FIRST_WAIT_MS = 2_000
const MOST_WAIT_MS = 60_000

export function createMemberNoticeActivities({ sql, providers, delivery }: MemberNoticeDependencies) {
  return {
    /**
     * Hands the notice to its provider, once: a second time only where the provider's answer was lost.
     *
     * @throws a retryable failure where it is to be tried again, after the time that it names
     */
    async sendMemberNotice({ noticeId }: { noticeId: string }): Promise<{ state: NoticeState | null }> {
      const taken = await takeMemberNotice(sql, noticeId, LEASE_SECONDS)
      if (taken.kind === 'settled') return { state: taken.state }
      if (taken.kind === 'wait') throw again('in_hand', taken.inMs)
      const answer = await send(noticeId, taken)
      const state = await recordMemberNotice(sql, noticeId, answer)
      if (answer.result === 'later' && state === 'due') throw again('provider', answer.waitMs)
      return { state: state === 'due' ? null : state }
    },
  }

  async function send(noticeId: string, notice: MemberNotice): Promise<NoticeAnswer> {
    const { channel, destination, tries } = notice
    if (channel === 'email' && undeliverableCondition(destination) !== undefined) return { result: 'dropped' }
    const provider = providers[channel]
    try {
      const messageId = await provider.send(messageOf(noticeId, notice), Context.current().cancellationSignal)
      return { result: 'accepted', provider: provider.id, messageId }
    } catch (error) {
      if (!(error instanceof SendError)) throw error
      if (error.kind === 'permanent') return { result: 'refused' }
      const backoff = Math.min(FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 10), MOST_WAIT_MS) * (0.75 + Math.random() / 2)
      return { result: 'later', waitMs: Math.max(Math.min(error.retryAfterMs ?? 0, delivery.pauseMostMs), backoff) }
    }
  }

  function messageOf(noticeId: string, notice: MemberNotice): Message {
    const { about, channel, destination, newPhone, mobileCarrier, language, changedAt } = notice
    return {
      reference: noticeId,
      to: destination,
      from: channel === 'sms' ? smsSender(mobileCarrier, delivery.vonage) : delivery.sendgrid.from,
      ...renderDestinationNotice({
        channel,
        language,
        about,
        phone: newPhone === null ? '' : maskDestination('sms', newPhone),
        at: new Date(changedAt),
      }),
    }
  }
}

const again = (type: string, inMs: number) =>
  ApplicationFailure.create({ message: 'the notice is tried again', type, nextRetryDelay: Math.ceil(inMs) })
