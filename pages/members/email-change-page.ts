/**
 * Changing the e-mail address (P3): not here, but by the mileage bank's own page, or by its Center.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'
import { renderAddressCheck, type AddressCheck } from './address-check.ts'
import { renderButtonLink } from './components.ts'
import { renderEmailAdvice, type Senders } from './help-page.ts'

export interface EmailChangePage {
  readonly catalog: Catalog
  readonly senders: Senders
  /** Where residents of Japan change it themselves. */
  readonly emailChangeUrl: string
  readonly centerUrl: string
  readonly check?: AddressCheck
  readonly back?: string
}

type TextKey = 'lead' | 'before.title' | `${'japan' | 'abroad'}.${'title' | 'text' | 'link'}`

export function renderEmailChange(page: EmailChangePage): { title: string; content: SafeHtml } {
  const { catalog, senders, emailChangeUrl, centerUrl, back } = page
  const text = (key: TextKey) => catalog.text(`pages.email.${key}`)
  const title = catalog.text('pages.email.title')
  return {
    title,
    content: html`<article class="wide">
${back === undefined ? null : html`<p><a href="${back}">${catalog.text('pages.help.return')}</a></p>`}
<h1>${title}</h1>
<p class="lead">${text('lead')}</p>
<section aria-labelledby="japan"><h2 id="japan">${text('japan.title')}</h2>
<p>${text('japan.text')}</p>
${renderButtonLink(emailChangeUrl, text('japan.link'))}</section>
<section aria-labelledby="abroad"><h2 id="abroad">${text('abroad.title')}</h2>
<p>${text('abroad.text')}</p>
${renderButtonLink(centerUrl, text('abroad.link'), 'secondary')}</section>
<section aria-labelledby="before"><h2 id="before">${text('before.title')}</h2>
${renderEmailAdvice(catalog, senders)}
<p>${catalog.text('pages.help.missing.email.written')}</p>
${renderAddressCheck({ ...page, action: '/help/email' })}</section>
</article>`,
  }
}
