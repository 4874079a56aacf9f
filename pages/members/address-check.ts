/**
 * Whether an e-mail address is one that codes can be sent to (D3), asked by a member: a form, and its verdict. With
 * scripts the verdict comes while one types.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { UndeliverableCondition } from '../../domain/email-address.ts'
import type { Catalog } from '../../messages/catalog.ts'
import { renderNotice } from './components.ts'

export type CheckVerdict = UndeliverableCondition | 'deliverable'

export interface AddressCheck {
  /** As it was typed. */
  readonly address: string
  readonly verdict: CheckVerdict
}

const TEXTS = {
  1: 'one',
  2: 'two',
  3: 'three',
  invalid: 'invalid',
  deliverable: 'deliverable',
} as const

export function renderVerdict(catalog: Catalog, verdict: CheckVerdict): SafeHtml {
  return renderNotice({
    catalog,
    kind: verdict === 'deliverable' ? 'success' : 'warning',
    content: catalog.text(`pages.help.check.${TEXTS[verdict]}`),
  })
}

export interface AddressCheckForm {
  readonly catalog: Catalog
  /** The page that it stands on. */
  readonly action: '/help' | '/help/email'
  /** What was asked last, where something was. */
  readonly check?: AddressCheck
  /** Where the reader of the page came from. */
  readonly back?: string
}

export function renderAddressCheck({ catalog, action, check, back }: AddressCheckForm): SafeHtml {
  const text = (key: 'title' | 'label' | 'hint' | 'button') => catalog.text(`pages.help.check.${key}`)
  const isRefused = check !== undefined && check.verdict !== 'deliverable'
  return html`<form class="check" id="check" method="post" action="${action}#check" data-check="/help/verdict">
${back === undefined ? null : html`<input type="hidden" name="back" value="${back}">`}
<h3>${text('title')}</h3>
<label for="address">${text('label')}</label>
<p class="hint" id="address-hint">${text('hint')}</p>
<div class="line">
<input id="address" name="address" type="text" inputmode="email" autocomplete="email" autocapitalize="none" spellcheck="false" maxlength="320" required aria-describedby="address-hint verdict"${isRefused ? html` aria-invalid="true"` : null} value="${check?.address ?? ''}">
<button class="small">${text('button')}</button>
</div>
<div id="verdict" role="status">${check === undefined ? null : renderVerdict(catalog, check.verdict)}</div>
</form>`
}
