/**
 * The messages that carry a code (D5).
 *
 * An SMS is one segment in every language and ends with the origin-bound line of the WICG's "Origin-bound one-time
 * codes delivered via SMS" (`@host #code`, on a last line of its own; text before it is for people), by which a phone
 * offers the code to that site only. The code comes early, so that a notification shows it. There is no link in any
 * message, so that one with a link is known for a fraud. The code is not in an e-mail's subject: providers and mail
 * servers keep subjects in their logs (C10).
 */
import type { Channel } from '../domain/challenge.ts'
import { catalogFor, catalogs, type Catalog } from './catalog.ts'
import { emailHtml, emailText, type Email } from './email.ts'
import { smsSize } from './sms-size.ts'

export interface MessageInput {
  readonly channel: Channel
  /** Any BCP 47 tag, or nothing: see {@link catalogFor}. */
  readonly language?: string | null | undefined
  readonly code: string
  readonly purpose: string
  /** The host of the origin-bound line. */
  readonly originHost: string
  /** How long the code lives, in minutes; shown as whole minutes, rounded down, at least 1. */
  readonly ttlMinutes: number
}

export interface RenderedMessage {
  readonly text: string
  /** E-mail only. */
  readonly subject?: string
  readonly html?: string
}

/** The message for one code. Holds the code: it goes to the provider and nowhere else. */
export function renderMessage(input: MessageInput): RenderedMessage {
  const catalog = catalogFor(input.language)
  if (input.channel === 'sms') return { text: smsText(catalog, input) }
  const email = codeEmail(catalog, input)
  return { subject: email.subject, text: emailText(email), html: emailHtml(email) }
}

/**
 * The languages whose SMS would need a second segment with this host, code length and life. A process that sends asks
 * at its start, and refuses a configuration for which any is named.
 */
export function languagesOverOneSegment(
  settings: Pick<MessageInput, 'originHost' | 'ttlMinutes'> & { readonly digits: number },
): string[] {
  const code = '0'.repeat(settings.digits)
  return catalogs
    .filter((catalog) => smsSize(smsText(catalog, { ...settings, code })).segments > 1)
    .map(({ language }) => language)
}

function smsText(
  catalog: Catalog,
  { code, originHost, ttlMinutes }: Omit<MessageInput, 'channel' | 'purpose'>,
): string {
  return `${catalog.text('code.sms', { code, minutes: wholeMinutes(ttlMinutes) })}\n@${originHost} #${code}`
}

function codeEmail(catalog: Catalog, { code, purpose, ttlMinutes }: MessageInput): Email {
  const key = `purposes.${purpose}`
  return {
    language: catalog.language,
    subject: catalog.text('code.email.subject'),
    lead: catalog.text('code.email.lead'),
    code,
    facts: [
      catalog.text('code.email.valid', { minutes: wholeMinutes(ttlMinutes) }),
      catalog.text('code.email.purpose', {
        purpose: catalog.text(catalog.has(key) ? key : 'purposes.other'),
      }),
    ],
    advice: [catalog.text('code.email.newest'), catalog.text('code.email.screen')],
    warnings: [catalog.text('code.email.staff'), catalog.text('code.email.noLinks'), catalog.text('code.email.ignore')],
    sender: catalog.text('code.email.sender'),
  }
}

function wholeMinutes(minutes: number): number {
  return Math.max(1, Math.floor(minutes))
}
