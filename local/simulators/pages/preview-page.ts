/**
 * Every message in every language, side by side: for whoever writes or translates one (D5).
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Config } from '../../../config.ts'
import { catalogs, type Catalog } from '../../../messages/catalog.ts'
import { renderMessage } from '../../../messages/code-message.ts'
import { renderPage, type Page } from './frame.ts'
import { renderAutofill, renderBubble, renderMailBody, renderMailHead, renderSize } from './message.ts'

/** What the messages say beside their texts; the code is an example. */
export type PreviewSettings = Config<'messages'>['messages']

/** The page, complete in itself: it can be served, or be a file. */
export function renderPreviewPage(settings: PreviewSettings): Page {
  const { originHost, digits, ttlMinutes, purposes } = settings
  return renderPage({
    title: 'All texts',
    tools: html`<p>${catalogs.length} languages · ${digits} digits · ${ttlMinutes} minutes · ${originHost}</p>`,
    content: html`<main class="preview">
<section>
<h2>SMS, for every purpose</h2>
${renderRow((catalog) => renderSms(catalog, settings))}
</section>
${purposes.map((purpose) => html`${renderEmails(purpose, settings)}\n`)}</main>`,
  })
}

function renderEmails(purpose: string, settings: PreviewSettings): SafeHtml {
  return html`<section>
<h2>E-mail, purpose <code>${purpose}</code></h2>
${renderRow((catalog) => renderEmail(catalog, purpose, settings))}
</section>`
}

function renderRow(renderCell: (catalog: Catalog) => SafeHtml): SafeHtml {
  const cells = catalogs.map((catalog) => {
    const { language } = catalog
    return html`<div class="cell">
<h3><span lang="${language}">${catalog.text('language.name')}</span> <code>${language}</code></h3>
${renderCell(catalog)}
</div>`
  })
  return html`<div class="row">
${cells.map((cell) => html`${cell}\n`)}</div>`
}

function renderSms({ language }: Catalog, settings: PreviewSettings): SafeHtml {
  // No purpose stands in an SMS.
  const { text } = renderMessage({ channel: 'sms', language, purpose: '', ...exampleOf(settings) })
  return html`<div class="phone">
<div class="thread">
<p class="about"><b>${settings.smsFrom}</b></p>
${renderBubble(text, language)}
<p class="about">${renderSize(text)}</p>
</div>
${renderAutofill(text)}
</div>`
}

function renderEmail({ language }: Catalog, purpose: string, settings: PreviewSettings): SafeHtml {
  const { subject = '', ...parts } = renderMessage({ channel: 'email', language, purpose, ...exampleOf(settings) })
  const mail = { from: settings.emailFrom, subject, language, ...parts }
  return html`<div class="mailbox">
<p class="mail">${renderMailHead(mail)}</p>
${renderMailBody(mail)}
</div>`
}

function exampleOf({ originHost, ttlMinutes, digits }: PreviewSettings) {
  return { originHost, ttlMinutes, code: '01234567'.slice(0, digits) }
}
