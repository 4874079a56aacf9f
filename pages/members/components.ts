/**
 * What the members' pages are made of. Nothing is told by colour alone: a notice has a picture and a word for its kind.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'

export type NoticeKind = 'info' | 'success' | 'warning' | 'error'

const SIGNS: Readonly<Record<NoticeKind, SafeHtml>> = {
  info: html`<circle cx="10" cy="10" r="8.25"/><path d="M10 9v5M10 6v.01"/>`,
  success: html`<circle cx="10" cy="10" r="8.25"/><path d="m6.5 10.2 2.4 2.4 4.6-5"/>`,
  warning: html`<path d="M10 2.6 18.4 17H1.6ZM10 8v4M10 14.5v.01"/>`,
  error: html`<circle cx="10" cy="10" r="8.25"/><path d="M10 5.5v5.5M10 14v.01"/>`,
}

export interface Notice {
  readonly catalog: Catalog
  readonly kind: NoticeKind
  /** In a few words; the content says the rest. */
  readonly title?: string
  readonly content: SafeHtml | string
}

/** What has happened, or is to be heeded. An error is an alert, which is read out where it appears; the others are not. */
export function renderNotice({ catalog, kind, title, content }: Notice): SafeHtml {
  const role = kind === 'error' ? html` role="alert"` : null
  return html`<div class="notice ${kind}"${role}>
<svg viewBox="0 0 20 20" role="img" aria-label="${catalog.text(`pages.frame.kind.${kind}`)}">${SIGNS[kind]}</svg>
<div>${title === undefined ? null : html`<p><strong>${title}</strong></p>`}
${typeof content === 'string' ? html`<p>${content}</p>` : content}</div>
</div>`
}

/** Where one is in a procedure. @param now from 0 */
export function renderSteps(catalog: Catalog, steps: readonly string[], now: number): SafeHtml {
  const item = (step: string, index: number) => {
    if (index === now) return html`<li aria-current="step"><span>${step}</span></li>\n`
    if (index > now) return html`<li><span>${step}</span></li>\n`
    return html`<li class="done"><span>${step} <small>(${catalog.text('pages.frame.step_done')})</small></span></li>\n`
  }
  const where = catalog.text('pages.frame.step', { number: now + 1, count: steps.length })
  return html`<div class="steps"><p>${where} <b aria-hidden="true">${steps[now]}</b></p>
<ol>
${steps.map(item)}</ol></div>`
}

/** Terms, and what stands for each. */
export function renderFacts(facts: readonly { readonly term: string; readonly detail: SafeHtml | string }[]): SafeHtml {
  return html`<dl class="facts">
${facts.map(({ term, detail }) => html`<div><dt>${term}</dt><dd>${detail}</dd></div>\n`)}</dl>`
}

/** A link that looks like the other buttons, since it leads on. */
export function renderButtonLink(href: string, text: string, kind: 'primary' | 'secondary' = 'primary'): SafeHtml {
  return html`<a class="button ${kind}" href="${href}">${text}</a>`
}
