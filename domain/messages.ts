/**
 * The messages that carry a code (D5).
 *
 * An SMS is one segment in every language and ends with the origin-bound line of the WICG's "Origin-bound one-time
 * codes delivered via SMS" (`@host #code`, on a last line of its own; text before it is for people), by which a phone
 * offers the code to that site only. The code comes early, so that a notification shows it. There is no link in any
 * message, so that one with a link is known for a fraud.
 */
import * as files from './messages/catalogs.ts'

/** One language's texts. `{code}`, `{minutes}` and `{purpose}` stand where they are filled in. */
export interface Catalog {
  readonly sms: string
  readonly email: {
    readonly subject: string
    readonly lead: string
    readonly purpose: string
    readonly valid: string
    readonly newest: string
    readonly screen: string
    readonly staff: string
    readonly ignore: string
    readonly sender: string
  }
  /** By purpose; `other` stands for purposes that only the configuration knows. */
  readonly purposes: Readonly<Record<string, string>> & { readonly other: string }
}

/** Every language's texts, by BCP 47 tag. */
export const catalogs: Readonly<Record<string, Catalog>> = { ...files }

const FALLBACK = 'en'

export interface MessageInput {
  readonly channel: 'sms' | 'email'
  /** Any BCP 47 tag, or nothing: see {@link messageLanguage}. */
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
  const language = messageLanguage(input.language)
  const catalog = catalogs[language]!
  return input.channel === 'sms' ? { text: smsText(catalog, input) } : emailMessage(language, catalog, input)
}

/**
 * The language that a member reads, of those we write: the same tag, else the same script of Chinese (by script, or
 * by region: Taiwan, Hong Kong and Macau write Traditional), else the same language, else English.
 */
export function messageLanguage(tag: string | null | undefined): string {
  const subtags = (tag ?? '').toLowerCase().split(/[-_]/)
  const known = Object.keys(catalogs)
  const exact = known.find((language) => language.toLowerCase() === subtags.join('-'))
  if (exact) return exact
  if (subtags[0] === 'zh') return isTraditional(subtags) ? 'zh-Hant' : 'zh-Hans'
  return known.find((language) => language === subtags[0]) ?? FALLBACK
}

function isTraditional(subtags: readonly string[]): boolean {
  if (subtags.includes('hans')) return false
  return ['hant', 'tw', 'hk', 'mo'].some((subtag) => subtags.includes(subtag))
}

/**
 * The languages whose SMS would need a second segment with this host, code length and life. A process that sends asks
 * at its start, and refuses a configuration for which any is named.
 */
export function languagesOverOneSegment(
  settings: Pick<MessageInput, 'originHost' | 'ttlMinutes'> & { readonly digits: number },
): string[] {
  const code = '0'.repeat(settings.digits)
  return Object.keys(catalogs).filter((language) => !isOneSegment(smsText(catalogs[language]!, { ...settings, code })))
}

/** The characters of GSM 03.38's basic table that take one septet each, without its Greek and accented ones. */
const GSM_7 = /^[\n\r !"#$%&'()*+,\-./0-9:;<=>?@A-Z_a-z]*$/

/** One segment holds 160 characters where all are of GSM-7, else 70 UTF-16 units. */
export function isOneSegment(text: string): boolean {
  return text.length <= (GSM_7.test(text) ? 160 : 70)
}

function smsText(catalog: Catalog, input: Pick<MessageInput, 'code' | 'originHost' | 'ttlMinutes'>): string {
  return `${fill(catalog.sms, input)}\n@${input.originHost} #${input.code}`
}

function emailMessage(language: string, { email, purposes }: Catalog, input: MessageInput): RenderedMessage {
  const purpose = (Object.hasOwn(purposes, input.purpose) && purposes[input.purpose]) || purposes.other
  const about = [fill(email.purpose, input).replace('{purpose}', () => purpose)]
  const validity = [fill(email.valid, input), email.newest, email.screen]
  const warning = [email.staff, email.ignore]
  const paragraphs = [about, validity, warning, [email.sender]]
  return {
    subject: email.subject,
    text: [`${email.lead}${input.code}`, ...paragraphs.map((lines) => lines.join('\n'))].join('\n\n') + '\n',
    html: emailHtml(language, email, input.code, paragraphs),
  }
}

function emailHtml(
  language: string,
  { subject, lead }: Catalog['email'],
  code: string,
  paragraphs: readonly (readonly string[])[],
): string {
  const body = paragraphs.map((lines) => `<p>${lines.map(escapeHtml).join('<br>')}</p>`).join('\n')
  return `<!doctype html>
<html lang="${language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(subject)}</title></head>
<body style="margin:0;padding:24px;font-family:sans-serif;font-size:16px;line-height:1.6;color:#1a1a1a">
<p style="margin:0">${escapeHtml(lead.trim())}</p>
<p style="margin:8px 0 24px;font-size:32px;font-weight:bold;letter-spacing:4px">${escapeHtml(code)}</p>
${body}
</body>
</html>
`
}

function fill(template: string, { code, ttlMinutes }: Pick<MessageInput, 'code' | 'ttlMinutes'>): string {
  const minutes = String(Math.max(1, Math.floor(ttlMinutes)))
  return template.replaceAll('{code}', () => code).replaceAll('{minutes}', () => minutes)
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
