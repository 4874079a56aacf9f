/**
 * Code entry (P1).
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import { maskDestination } from '../../domain/mask.ts'
import type { Catalog } from '../../messages/catalog.ts'
import type { CodeEntry } from '../../postgres/page-visits.ts'

export interface CodeEntryPage {
  readonly catalog: Catalog
  /** Of the page: forms go below it. */
  readonly path: string
  readonly entry: CodeEntry | undefined
  /** The id of the attempt that this page's form makes. */
  readonly attempt: string
  readonly digits: number
}

export function renderCodeEntry(page: CodeEntryPage): { title: string; content: SafeHtml } {
  const { catalog, path, entry, attempt, digits } = page
  const title = catalog.text('pages.code.title')
  const { channel = null, destination = null } = entry?.challenge ?? {}
  const to = channel !== null && destination !== null ? maskDestination(channel, destination) : ''
  return {
    title,
    content: html`<h1>${title}</h1>
<p>${to}</p>
<form method="post" action="${path}">
<input type="hidden" name="attempt" value="${attempt}">
<label for="code">${catalog.text('pages.code.label')}</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="64" size="${digits}" required>
<button type="submit">${catalog.text('pages.code.submit')}</button>
</form>`,
  }
}
