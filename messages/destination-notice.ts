/**
 * What a member is told when the notification destination of their codes was changed (P2): what, when, and whom to turn to. The
 * number is masked, there is no link in it, and an SMS is one segment.
 */
import type { Channel } from '../domain/challenge.ts'
import { catalogFor, type Catalog } from './catalog.ts'
import type { RenderedMessage } from './code-message.ts'
import { emailHtml, emailText } from './email.ts'

export interface DestinationNotice {
  readonly channel: Channel
  /** Any BCP 47 tag, or nothing. */
  readonly language: string | null
  /** A number was registered; or that is where codes go from now on. */
  readonly about: 'phone' | Channel
  /** The number of `phone` and `sms`, masked. */
  readonly phone: string
  /** When it was changed. */
  readonly at: Date
}

export function renderDestinationNotice({ channel, language, about, phone, at }: DestinationNotice): RenderedMessage {
  const catalog = catalogFor(language)
  const time = tokyoTime(at)
  // An SMS comes with a year of its own.
  if (channel === 'sms') return { text: smsText(catalog, about, phone, time.slice('2026-'.length)) }
  const what =
    about === 'email'
      ? catalog.text('notice.destination_changed.email.email')
      : catalog.text(`notice.destination_changed.email.${about}`, { phone })
  const email = {
    language: catalog.language,
    subject: catalog.text('notice.destination_changed.email.subject'),
    lead: catalog.text('notice.destination_changed.email.lead'),
    facts: [what, catalog.text('notice.destination_changed.email.when', { time })],
    advice: [catalog.text('notice.destination_changed.email.unknown')],
    warnings: [catalog.text('notice.destination_changed.email.staff')],
    sender: catalog.text('code.email.sender'),
  }
  return { subject: email.subject, text: emailText(email), html: emailHtml(email) }
}

function smsText(catalog: Catalog, about: DestinationNotice['about'], phone: string, time: string): string {
  return about === 'email'
    ? catalog.text('notice.destination_changed.sms.email', { time })
    : catalog.text(`notice.destination_changed.sms.${about}`, { time, phone })
}

const TOKYO = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'Asia/Tokyo',
  dateStyle: 'short',
  timeStyle: 'short',
})

/** `2026-11-24 12:03`: read alike in every language, and of GSM-7. */
const tokyoTime = (at: Date): string => TOKYO.format(at)
