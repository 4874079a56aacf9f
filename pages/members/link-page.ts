import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'

/** The page of a link: one button, which the script presses. */
export function renderLink(catalog: Catalog, path: string): { title: string; content: SafeHtml } {
  const title = catalog.text('pages.link.title')
  return {
    title,
    content: html`<h1>${title}</h1>
<p>${catalog.text('pages.link.lead')}</p>
<form method="post" action="${path}" data-submit-at-once>
<button type="submit">${catalog.text('pages.link.continue')}</button>
</form>`,
  }
}
