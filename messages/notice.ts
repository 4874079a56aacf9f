/**
 * The notices of a campaign (R2, R4): neither a code nor a link stands in them, and an SMS is one segment.
 */
import { tokyoDay } from '../domain/eligibility.ts'
import { catalogFor } from './catalog.ts'
import type { RenderedMessage } from './code-message.ts'
import { emailHtml, emailText } from './email.ts'

export type NoticeInput = {
  /** Any BCP 47 tag, or nothing. */
  readonly language: string | null
} & (
  | { readonly kind: 'announcement'; readonly channel: 'sms'; readonly enforceAt: Date }
  | { readonly kind: 'own_settings'; readonly channel: 'sms' | 'email' }
)

/** The same for every member of a language, so that e-mails go out in batches. */
export function renderNotice(notice: NoticeInput): RenderedMessage {
  const catalog = catalogFor(notice.language)
  if (notice.kind === 'announcement') {
    return { text: catalog.text('notice.announcement.sms', { day: tokyoDay(notice.enforceAt) }) }
  }
  if (notice.channel === 'sms') return { text: catalog.text('notice.own_settings.sms') }
  const email = {
    language: catalog.language,
    subject: catalog.text('notice.own_settings.email.subject'),
    lead: catalog.text('notice.own_settings.email.lead'),
    facts: [catalog.text('notice.own_settings.email.why'), catalog.text('notice.own_settings.email.you')],
    advice: [catalog.text('notice.own_settings.email.how')],
    warnings: [catalog.text('notice.own_settings.email.staff')],
    sender: catalog.text('code.email.sender'),
  }
  return { subject: email.subject, text: emailText(email), html: emailHtml(email) }
}
