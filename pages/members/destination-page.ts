/**
 * The notification destination (P2): what stands, and what every step of changing it has in common.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Channel } from '../../domain/challenge.ts'
import { maskDestination } from '../../domain/mask.ts'
import type { Catalog } from '../../messages/catalog.ts'
import { renderButtonLink, renderFacts, renderNotice, renderSteps } from './components.ts'

/** A member's destinations, as the page knows them: personal data, which it shows masked. */
export interface Destinations {
  readonly email: string | null
  readonly phone: string | null
  /** Whether a code could go there. */
  readonly usable: Readonly<Record<Channel, boolean>>
  /** Where codes go now. */
  readonly channel: Channel | undefined
  readonly smsMandatory: boolean
}

export interface DestinationModel {
  readonly catalog: Catalog
  /** Of the visit; the steps are below it. */
  readonly path: string
  readonly destinations: Destinations
  /** The number that is being registered. */
  readonly pending: string | null
  /** To the upstream's site. */
  readonly back: string | undefined
}

export interface RenderedPage {
  readonly title: string
  readonly content: SafeHtml
}

export const maskPhone = (phone: string): string => maskDestination('sms', phone)
export const maskEmail = (email: string): string => maskDestination('email', email)

const STEPS = ['current', 'number', 'verify', 'choice'] as const
export type DestinationStep = (typeof STEPS)[number]

/** A step of the four, with its place among them. */
export function renderStep(
  { catalog, back }: DestinationModel,
  step: DestinationStep,
  heading: string,
  content: SafeHtml,
): RenderedPage {
  const names = STEPS.map((name) => catalog.text(`pages.destination.steps.${name}`))
  return {
    title: heading,
    content: html`${renderSteps(catalog, names, STEPS.indexOf(step))}
<h1>${heading}</h1>
${content}
${renderLeave(catalog, back)}`,
  }
}

export function renderLeave(catalog: Catalog, back: string | undefined): SafeHtml | null {
  if (back === undefined) return null
  return html`<p class="leave"><a href="${back}">${catalog.text('pages.destination.back')}</a></p>`
}

/** STEP 1: what stands, and what can be done about it. */
export function renderOverview(model: DestinationModel): RenderedPage {
  const { catalog, path, destinations, pending } = model
  const { phone, usable, smsMandatory } = destinations
  const maySwitch = usable.sms && usable.email && !smsMandatory
  const register = catalog.text(`pages.destination.overview.${phone === null ? 'register' : 'change'}`)
  return renderStep(
    model,
    'current',
    catalog.text('pages.destination.title'),
    html`<p class="lead">${catalog.text('pages.destination.lead')}</p>
${smsMandatory ? renderMandatory(catalog) : null}
<h2>${catalog.text('pages.destination.settings')}</h2>
${renderStanding(catalog, destinations)}
${pending === null ? null : renderPending(catalog, path, pending)}
<p>${catalog.text('pages.destination.overview.ready')}</p>
<div class="actions">
${renderButtonLink(`${path}/number`, register, pending === null ? 'primary' : 'secondary')}
${maySwitch ? renderButtonLink(`${path}/choice`, catalog.text('pages.destination.overview.choose'), 'secondary') : null}
</div>`,
  )
}

export function renderMandatory(catalog: Catalog): SafeHtml {
  return renderNotice({
    catalog,
    kind: 'info',
    title: catalog.text('pages.destination.mandatory.title'),
    content: catalog.text('pages.destination.mandatory.why'),
  })
}

function renderPending(catalog: Catalog, path: string, phone: string): SafeHtml {
  const link = html`<a href="${path}/code">${catalog.text('pages.destination.overview.continue')}</a>`
  return renderNotice({
    catalog,
    kind: 'warning',
    title: catalog.text('pages.destination.overview.pending', { phone: maskPhone(phone) }),
    content: html`<p>${link}</p>`,
  })
}

/** The destinations, and which of them codes go to. */
export function renderStanding(catalog: Catalog, { email, phone, usable, channel }: Destinations): SafeHtml {
  const shown = (masked: string | undefined, isUsable: boolean) => {
    if (masked === undefined) return catalog.text('pages.destination.none')
    if (isUsable) return html`<span class="number">${masked}</span>`
    return catalog.text('pages.destination.unusable', { destination: masked })
  }
  const to = channel === undefined ? 'none' : channel === 'sms' ? 'phone' : 'email'
  return renderFacts([
    {
      term: catalog.text('pages.destination.to'),
      detail: html`<strong>${catalog.text(`pages.destination.${to}`)}</strong>`,
    },
    {
      term: catalog.text('pages.destination.phone'),
      detail: shown(phone === null ? undefined : maskPhone(phone), usable.sms),
    },
    {
      term: catalog.text('pages.destination.email'),
      detail: shown(email === null ? undefined : maskEmail(email), usable.email),
    },
  ])
}

/** After a change: what stands now, and who was told. */
export function renderChanged(model: DestinationModel): RenderedPage {
  const { catalog, path, destinations, back } = model
  const { channel, phone, email } = destinations
  const title = catalog.text('pages.destination.done.title')
  const from =
    channel === 'sms'
      ? catalog.text('pages.destination.done.sms', { phone: maskPhone(phone ?? '') })
      : catalog.text('pages.destination.done.email', { email: maskEmail(email ?? '') })
  return {
    title,
    content: html`<h1>${catalog.text('pages.destination.title')}</h1>
${renderNotice({ catalog, kind: 'success', title, content: from })}
${renderStanding(catalog, destinations)}
<p>${catalog.text('pages.destination.done.told')}</p>
<div class="actions">
${back === undefined ? null : renderButtonLink(back, catalog.text('pages.destination.back'))}
${renderButtonLink(path, catalog.text('pages.destination.done.settings'), 'secondary')}
</div>`,
  }
}

/** Who cannot do it here: the Center does it for them. */
export function renderCenter(
  { catalog, back }: Pick<DestinationModel, 'catalog' | 'back'>,
  why: 'abroad' | 'unreachable',
  centerUrl: string,
): RenderedPage {
  const title = catalog.text('pages.destination.center.title')
  return {
    title,
    content: html`<h1>${title}</h1>
<p>${catalog.text(`pages.destination.center.${why}`)}</p>
<div class="actions">
${renderButtonLink(centerUrl, catalog.text('pages.destination.center.link'))}
</div>
${renderLeave(catalog, back)}`,
  }
}
