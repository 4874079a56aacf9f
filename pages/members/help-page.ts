/**
 * Help (P3): what the page of the mileage bank says about one-time passwords, and a check of the address.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'
import { renderFacts } from './components.ts'
import { renderAddressCheck, type AddressCheck } from './address-check.ts'

/** Whom messages come from, as members see it. */
export interface Senders {
  /** An address. */
  readonly email: string
  /** A number as it is written in Japan. */
  readonly sms: string
  /** What subscribers of SoftBank see. */
  readonly softbank: string
}

export interface HelpPage {
  readonly catalog: Catalog
  readonly senders: Senders
  readonly ttlMinutes: number
  readonly centerUrl: string
  /** What was checked, where an address was. */
  readonly check?: AddressCheck
  /** Where the reader came from: a path of ours. */
  readonly back?: string
}

const SECTIONS = ['what', 'notes', 'missing', 'addresses', 'register', 'faq'] as const
const STEPS = ['one', 'two', 'three', 'four'] as const
const QUESTIONS = ['several', 'expired', 'closed', 'locked', 'changed', 'asked'] as const
/** D3, in the order of the page; its examples are of each. */
const CONDITIONS = [
  { key: 'one', examples: ['.abcd@****.co.jp', 'abcd.@****.co.jp'] },
  { key: 'two', examples: ['ab..cd@****.co.jp', 'abcd..@****.co.jp'] },
  { key: 'three', examples: ['ab[cd@****.co.jp', 'ab@cd@****.co.jp'] },
] as const
const PERMITTED = ". ! # $ % & ' * + - / = ? ^ _ { | } ~"

export function renderHelp(page: HelpPage): { title: string; content: SafeHtml } {
  const { catalog, back } = page
  const title = catalog.text('pages.help.title')
  return {
    title,
    content: html`<article class="wide">
${back === undefined ? null : html`<p><a href="${back}">${catalog.text('pages.help.return')}</a></p>`}
<h1>${title}</h1>
<p class="lead">${catalog.text('pages.help.lead')}</p>
<nav class="contents" aria-labelledby="contents"><h2 id="contents">${catalog.text('pages.help.contents')}</h2>
<ul>
${SECTIONS.map((section) => html`<li><a href="#${section}">${catalog.text(`pages.help.${section}.title`)}</a></li>\n`)}</ul></nav>
${renderWhat(catalog)}
${renderNotes(page)}
${renderMissing(page)}
${renderAddresses(page)}
${renderRegistration(page)}
${renderQuestions(catalog)}
</article>`,
  }
}

const section = (catalog: Catalog, id: (typeof SECTIONS)[number], content: SafeHtml): SafeHtml =>
  html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${catalog.text(`pages.help.${id}.title`)}</h2>
${content}
</section>`

const list = (items: readonly (SafeHtml | string)[]): SafeHtml =>
  html`<ul>
${items.map((item) => html`<li>${item}</li>\n`)}</ul>`

/** The Center's name within a sentence of its own, as the way to it. */
const centerLink = ({ catalog, centerUrl }: Pick<HelpPage, 'catalog' | 'centerUrl'>): SafeHtml =>
  html`<p><a href="${centerUrl}">${catalog.text('pages.help.center')}</a></p>`

function renderWhat(catalog: Catalog): SafeHtml {
  const text = (key: 'when' | 'where' | 'sms' | 'charges') => catalog.text(`pages.help.what.${key}`)
  return section(
    catalog,
    'what',
    html`<p>${text('when')} ${text('where')}</p>
${list([text('sms'), text('charges')])}
<h3>${catalog.text('pages.help.mandatory.title')}</h3>
<p>${catalog.text('pages.help.mandatory.why')}</p>
<p>${catalog.text('pages.help.mandatory.own')}</p>`,
  )
}

function renderNotes({ catalog, ttlMinutes }: HelpPage): SafeHtml {
  return section(
    catalog,
    'notes',
    list([
      catalog.text('pages.help.notes.newest'),
      catalog.text('pages.help.notes.valid', { minutes: ttlMinutes }),
      catalog.text('pages.help.notes.screen'),
      catalog.text('pages.frame.staff'),
      catalog.text('pages.help.notes.links'),
    ]),
  )
}

function renderMissing({ catalog, senders }: HelpPage): SafeHtml {
  return section(
    catalog,
    'missing',
    html`<p>${catalog.text('pages.help.missing.update')}</p>
<h3>${catalog.text('pages.help.senders.title')}</h3>
${renderFacts([
  { term: catalog.text('pages.help.senders.email'), detail: senders.email },
  { term: catalog.text('pages.help.senders.sms'), detail: senders.sms },
  { term: catalog.text('pages.help.senders.softbank'), detail: senders.softbank },
])}
<h3>${catalog.text('pages.help.missing.sms.title')}</h3>
${list([
  catalog.text('pages.help.missing.sms.minutes'),
  catalog.text('pages.help.missing.sms.current'),
  catalog.text('pages.help.missing.sms.sender', { sender: senders.sms }),
  catalog.text('pages.help.missing.sms.softbank', { sender: senders.softbank }),
  catalog.text('pages.help.missing.sms.reception'),
])}
${renderEmailAdvice(catalog, senders)}`,
  )
}

/** What to see to where messages come by e-mail: also for whoever is about to change the address. */
export function renderEmailAdvice(catalog: Catalog, senders: Senders): SafeHtml {
  const domain = senders.email.slice(senders.email.indexOf('@'))
  return html`<h3>${catalog.text('pages.help.missing.email.title')}</h3>
${list([
  catalog.text('pages.help.missing.email.current'),
  catalog.text('pages.help.missing.email.sender', { sender: senders.email }),
  catalog.text('pages.help.missing.email.domain', { domain }),
  catalog.text('pages.help.missing.email.spam'),
])}`
}

function renderAddresses(page: HelpPage): SafeHtml {
  const { catalog } = page
  return section(
    catalog,
    'addresses',
    html`<p>${catalog.text('pages.help.addresses.lead')}</p>
<ol>
${CONDITIONS.map(
  ({ key, examples }) => html`<li><p>${catalog.text(`pages.help.addresses.${key}`)}</p>
${key === 'three' ? html`<p class="quiet">${catalog.text('pages.help.addresses.permitted', { symbols: PERMITTED })}</p>` : null}
${examples.map((address) => html`<p class="quiet">${catalog.text('pages.help.addresses.example', { address })}</p>\n`)}</li>
`,
)}</ol>
${centerLink(page)}
${renderAddressCheck({ ...page, action: '/help' })}`,
  )
}

function renderRegistration(page: HelpPage): SafeHtml {
  const { catalog } = page
  const text = (key: 'sms' | 'safer' | 'ready' | 'unable' | 'abroad' | 'residents' | (typeof STEPS)[number]) =>
    catalog.text(`pages.help.register.${key}`)
  return section(
    catalog,
    'register',
    html`<p><span class="tag">${text('residents')}</span></p>
${list([text('sms'), text('safer'), text('ready')])}
<ol class="stages">
${STEPS.map(
  (step, index) =>
    html`<li><b>${catalog.text('pages.help.register.step', { number: index + 1 })}</b> ${text(step)}</li>\n`,
)}</ol>
<p>${text('unable')} ${text('abroad')}</p>
${centerLink(page)}`,
  )
}

function renderQuestions(catalog: Catalog): SafeHtml {
  const question = (name: (typeof QUESTIONS)[number]) => {
    const text = (part: 'question' | 'answer') => catalog.text(`pages.help.faq.${name}.${part}`)
    return html`<details><summary>${text('question')}</summary>
<p>${text('answer')}</p></details>\n`
  }
  return section(catalog, 'faq', html`${QUESTIONS.map(question)}`)
}
