/**
 * STEP 2 to 4 of the notification destination (P2): the number, the proofs, the choice.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Channel } from '../../domain/challenge.ts'
import type { Key } from '../../messages/catalog.ts'
import { renderNotice } from './components.ts'
import {
  maskEmail,
  maskPhone,
  renderMandatory,
  renderStep,
  type DestinationModel,
  type RenderedPage,
} from './destination-page.ts'

type Mistake<K extends Key> = K extends `pages.destination.number.mistakes.${infer M}` ? M : never
/** What is wrong with a number that was typed. */
export type ShownMistake = Mistake<Key>

export interface NumberForm {
  /** What was typed, where it has a mistake. */
  readonly typed: string
  readonly mistake: ShownMistake | undefined
  /** A new id for what the form asks: sent twice, it means it once. */
  readonly request: string
  /** Where a code goes first, masked; nothing where the member has just been proven. */
  readonly first: string | undefined
}

/** STEP 2 */
export function renderNumber(model: DestinationModel, form: NumberForm): RenderedPage {
  const { catalog, path } = model
  const { typed, mistake, request, first } = form
  const text = (key: 'title' | 'lead' | 'label' | 'hint' | 'family' | 'charges' | 'submit') =>
    catalog.text(`pages.destination.number.${key}`)
  const wrong =
    mistake === undefined
      ? null
      : html`<p class="mistake" id="number-mistake" role="alert">${catalog.text(`pages.destination.number.mistakes.${mistake}`)}</p>`
  const describedBy = mistake === undefined ? 'number-hint' : 'number-mistake number-hint'
  return renderStep(
    model,
    'number',
    text('title'),
    html`<p class="lead">${text('lead')}</p>
<form method="post" action="${path}/number" novalidate>
<input type="hidden" name="request" value="${request}">
<label for="number">${text('label')}</label>
<p class="hint" id="number-hint">${text('hint')}</p>
${wrong}
<input id="number" name="number" type="tel" inputmode="tel" autocomplete="tel-national" maxlength="64" required value="${typed}" aria-describedby="${describedBy}"${mistake === undefined ? null : html` aria-invalid="true"`}>
${first === undefined ? null : html`<p class="hint first">${catalog.text('pages.destination.number.first', { destination: first })}</p>`}
<button type="submit">${text('submit')}</button>
</form>
<ul class="remarks">
<li>${text('family')}</li>
<li>${text('charges')}</li>
</ul>`,
  )
}

/** STEP 3, first: that it is the member. @param entry the entry of the code */
export function renderIdentity(model: DestinationModel, entry: SafeHtml, isExpired: boolean): RenderedPage {
  const { catalog } = model
  return renderStep(
    model,
    'verify',
    catalog.text('pages.destination.identity.title'),
    html`${
      isExpired
        ? renderNotice({
            catalog,
            kind: 'warning',
            title: catalog.text('pages.destination.identity.expired.title'),
            content: catalog.text('pages.destination.identity.expired.advice'),
          })
        : null
    }
<p class="lead">${catalog.text('pages.destination.identity.lead')}</p>
${entry}`,
  )
}

/** STEP 3: that the number is the member's. @param entry the entry of the code */
export function renderNumberCode(model: DestinationModel & { pending: string }, entry: SafeHtml): RenderedPage {
  const { catalog, path, pending } = model
  return renderStep(
    model,
    'verify',
    catalog.text('pages.destination.code.title'),
    html`<p class="lead">${catalog.text('pages.destination.code.lead', { phone: maskPhone(pending) })}</p>
${entry}
<div class="actions">
<a class="button secondary" href="${path}/number">${catalog.text('pages.destination.code.other')}</a>
<form method="post" action="${path}/number/forget"><button type="submit" class="secondary">${catalog.text('pages.destination.code.keep')}</button></form>
</div>`,
  )
}

export interface ChoiceForm {
  /** Of the settings that the form was drawn from. */
  readonly version: number
  /** The challenge that proved the number which the form sets; empty where it sets none. */
  readonly registered: string
  /** What may be chosen, each with where it leads to. */
  readonly options: readonly { readonly channel: Channel; readonly destination: string }[]
  readonly chosen: Channel | undefined
  /** SMS is mandatory, at the latest with the number that was proven. */
  readonly smsOnly: boolean
  readonly notice: 'changed_meanwhile' | 'refused' | undefined
}

/** STEP 4 */
export function renderChoice(model: DestinationModel, form: ChoiceForm): RenderedPage {
  const { catalog, path, pending } = model
  const { version, registered, notice, smsOnly } = form
  return renderStep(
    model,
    'choice',
    catalog.text('pages.destination.choice.title'),
    html`${notice === undefined ? null : renderChoiceNotice(model, notice)}
${
  pending === null
    ? null
    : renderNotice({
        catalog,
        kind: 'success',
        content: catalog.text('pages.destination.choice.verified', { phone: maskPhone(pending) }),
      })
}
${smsOnly ? renderMandatory(catalog) : null}
<form method="post" action="${path}/choice">
<input type="hidden" name="version" value="${version}">
<input type="hidden" name="registered" value="${registered}">
${renderOptions(model, form)}
<button type="submit">${catalog.text('pages.destination.choice.submit')}</button>
</form>`,
  )
}

function renderChoiceNotice({ catalog }: DestinationModel, notice: 'changed_meanwhile' | 'refused'): SafeHtml {
  return renderNotice({
    catalog,
    kind: notice === 'refused' ? 'error' : 'warning',
    title: catalog.text(`pages.destination.choice.${notice}.title`),
    content: catalog.text(`pages.destination.choice.${notice}.advice`),
  })
}

function renderOptions({ catalog }: DestinationModel, { options, chosen }: ChoiceForm): SafeHtml {
  const wordsOf = ({ channel, destination }: ChoiceForm['options'][number]) => {
    const masked = channel === 'sms' ? maskPhone(destination) : maskEmail(destination)
    const name = catalog.text(`pages.destination.${channel === 'sms' ? 'phone' : 'email'}`)
    return html`${name} <span class="number">${masked}</span>`
  }
  const [only, ...others] = options
  if (only !== undefined && others.length === 0) {
    return html`<input type="hidden" name="choice" value="${only.channel}">
<p>${catalog.text('pages.destination.choice.only')}</p>
<p class="only"><strong>${wordsOf(only)}</strong></p>`
  }
  return html`<fieldset class="options">
<legend>${catalog.text('pages.destination.choice.legend')}</legend>
${options.map((option) => {
  const { channel } = option
  const recommended =
    channel === 'sms' ? html` <small class="tag">${catalog.text('pages.destination.choice.recommended')}</small>` : null
  return html`<label><input type="radio" name="choice" value="${channel}" required${channel === chosen ? html` checked` : null}> <span>${wordsOf(option)}${recommended}</span></label>\n`
})}</fieldset>`
}
