/**
 * A message as its member sees it: an SMS as a bubble on a phone, an e-mail as an item of a mailbox.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import { smsSize } from '../../../messages/sms-size.ts'

/** `lang` of an element, where the language is known: fonts and line breaks go by it. */
const langOf = (language: string | null) => (language === null ? null : html` lang="${language}"`)

export function renderBubble(text: string, language: string | null): SafeHtml {
  return html`<p class="bubble"${langOf(language)}>${text}</p>`
}

/** What the text takes: `1 segment · UCS-2 · 65 of 70, 5 left`. */
export function renderSize(text: string): SafeHtml {
  const { segments, encoding, used, room } = smsSize(text)
  if (segments > 1) return html`<span class="failed">${segments} segments · ${encoding} · ${used} characters</span>`
  return html`<span>1 segment · ${encoding} · ${used} of ${room}, ${room - used} left</span>`
}

/**
 * What a phone offers above its keyboard for an origin-bound text (WICG, "Origin-bound one-time codes delivered via
 * SMS"): the code, on that site only. Nothing where the last line is no such.
 */
export function renderAutofill(text: string): SafeHtml {
  const { host, code } = /(?:^|\n)@(?<host>[^\s@#]+) #(?<code>\S+)$/.exec(text)?.groups ?? {}
  if (code === undefined) return html``
  return html`<p class="autofill"><b>${code}</b> <span>From Messages, only on ${host}</span></p>`
}

/** The head of a mailbox's item: who wrote, the subject, and how the text begins. */
export function renderMailHead(mail: {
  from: string
  subject: string
  text: string
  language: string | null
}): SafeHtml {
  return html`<span class="avatar" aria-hidden="true">${mail.from.charAt(0).toUpperCase()}</span>
<span class="from">${mail.from}</span>
<b class="subject"${langOf(mail.language)}>${mail.subject}</b>
<span class="begin"${langOf(mail.language)}>${mail.text.slice(0, 120)}</span>`
}

/** Its parts. A sandboxed frame under the page's policy: what is shown can do nothing but be seen. */
export function renderMailBody(mail: {
  subject: string
  text: string
  html?: string
  language: string | null
}): SafeHtml {
  const text = html`<pre${langOf(mail.language)}>${mail.text}</pre>`
  if (mail.html === undefined) return text
  return html`<iframe sandbox title="${mail.subject}" srcdoc="${mail.html}"></iframe>
<details class="text"><summary>Text part</summary>${text}</details>`
}
