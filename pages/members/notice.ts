/**
 * What happened, or what is to be known, in a box of its own.
 */
import { html, type SafeHtml } from '@remix-run/html-template'

export interface NoticeBox {
  readonly kind: 'info' | 'success' | 'warning' | 'error'
  readonly title: string
  /** What to do now. */
  readonly advice?: string
}

/** @param id to describe a field by it */
export function renderNotice({ kind, title, advice }: NoticeBox, id = 'notice'): SafeHtml {
  const role = kind === 'error' || kind === 'warning' ? 'alert' : 'status'
  return html`<div class="notice notice-${kind}" role="${role}" id="${id}">
<p class="notice-title">${title}</p>
${advice === undefined ? null : html`<p>${advice}</p>`}
</div>`
}
