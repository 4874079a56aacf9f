/**
 * Code entry (P1): where the code went and how long it lives, the field for it, and what to do when it does not come.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Channel } from '../../domain/challenge.ts'
import { maskDestination } from '../../domain/mask.ts'
import type { Catalog } from '../../messages/catalog.ts'
import { codeNotice, type CodeNotice } from './code-notice.ts'
import { acceptsCode, liveStateOf, maySendAgain, stateOf, type Notice, type Standing } from './code-state.ts'
import { renderButtonLink, renderNotice } from './components.ts'
import { helpPath } from './frame.ts'
import { formatTime, renderCountdown } from './time.ts'

export interface CodeEntryModel {
  readonly catalog: Catalog
  /** Takes the code; `<path>/send` and `<path>/state` are below it. */
  readonly path: string
  readonly standing: Standing | undefined
  readonly notice: Notice | undefined
  readonly digits: number
  /** New ids for what this page's forms ask: sent twice, they mean it once. */
  readonly attempt: string
  readonly request: string
}

export interface CodeEntryPage extends CodeEntryModel {
  /** What the code is for, where no challenge tells. */
  readonly purpose: string | null
  /** To the upstream's site. */
  readonly back: string | undefined
}

/** The page of an upstream's link. */
export function renderCodeEntryPage(page: CodeEntryPage): { title: string; content: SafeHtml } {
  const { catalog, standing, back } = page
  if (stateOf(standing) === 'verified') return renderDone(page)
  const title = catalog.text('pages.code.title')
  return {
    title,
    content: html`<h1>${title}</h1>
${renderPurpose(catalog, standing?.challenge.purpose ?? page.purpose)}
${renderCodeEntry(page)}
${back === undefined ? null : html`<p class="leave"><a href="${back}">${catalog.text('pages.code.leave')}</a></p>`}`,
  }
}

/** All of code entry but the page around it: what it says is of this challenge alone. */
export function renderCodeEntry(model: CodeEntryModel): SafeHtml {
  const { catalog, path, standing } = model
  const state = stateOf(standing)
  const notice = codeNotice(catalog, model)
  return html`<div data-live="${path}/state" data-version="${liveStateOf(standing).version}">
${notice === undefined ? null : renderBox(catalog, notice)}
${standing !== undefined && acceptsCode(state) ? renderForm(model, standing, notice !== undefined) : null}
${renderSendAgain(model)}
</div>`
}

/** With an id, so that the field is described by it. */
const renderBox = (catalog: Catalog, { kind, title, advice }: CodeNotice): SafeHtml =>
  html`<div id="notice">${
    advice === undefined
      ? renderNotice({ catalog, kind, content: title })
      : renderNotice({ catalog, kind, title, content: advice })
  }</div>`

function renderPurpose(catalog: Catalog, purpose: string | null): SafeHtml | null {
  if (purpose === null) return null
  const key = `purposes.${purpose}`
  const text = catalog.text(catalog.has(key) ? key : 'purposes.other')
  return html`<p class="purpose">${catalog.text('pages.code.purpose', { purpose: text })}</p>`
}

function renderForm(model: CodeEntryModel, standing: Standing, isDescribed: boolean): SafeHtml {
  const { catalog, path, attempt, digits, notice } = model
  const verdict = standing.said?.verdict
  const isRefused = notice?.kind === 'invalid' || verdict === 'wrong_code' || verdict === 'older_code'
  return html`${renderDestination(catalog, path, standing)}
<form method="post" action="${path}">
<input type="hidden" name="attempt" value="${attempt}">
<label for="code">${catalog.text('pages.code.label')}</label>
<p class="hint" id="code-hint">${catalog.text('pages.code.hint', { digits })}</p>
<input class="code" id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" maxlength="64" size="${digits + 2}" required autofocus aria-describedby="${isDescribed ? 'notice code-hint' : 'code-hint'}"${isRefused ? html` aria-invalid="true"` : null} data-code-digits="${digits}">
${renderTimeLeft(catalog, standing)}
<button>${catalog.text('pages.code.submit')}</button>
</form>
<p class="quiet">${catalog.text('pages.code.newest')}</p>`
}

/** Where no script asks, the member does: a page that loads itself anew would lose what is being typed. */
function renderDestination(catalog: Catalog, path: string, standing: Standing): SafeHtml | null {
  const { channel, destination } = standing.challenge
  if (channel === null || destination === null) return null
  const to = { destination: maskDestination(channel, destination) }
  const isSending = stateOf(standing) === 'sending'
  const words = catalog.text(isSending ? `pages.code.sending.${channel}` : `pages.code.sent.${channel}`, to)
  if (!isSending) return html`<p class="destination">${words}</p>`
  return html`<p class="destination" role="status">${words}</p>
<noscript><p><a href="${path}">${catalog.text('pages.code.check')}</a></p></noscript>`
}

/** C4: while the code only waits to be sent no clock runs. */
function renderTimeLeft(catalog: Catalog, { challenge, secondsLeft }: Standing): SafeHtml | null {
  if (challenge.expiresAt === null) return null
  const until = catalog.text('pages.code.until', { time: formatTime(catalog, new Date(challenge.expiresAt)) })
  return html`<p class="countdown">${catalog.text('pages.code.left')} ${renderCountdown('expiry', secondsLeft)} ${until}</p>`
}

/** What to do when no code comes. */
function renderSendAgain(model: CodeEntryModel): SafeHtml | null {
  const { catalog, path, standing } = model
  const state = stateOf(standing)
  const help = html`<p><a href="${helpPath('/help', path)}">${catalog.text('pages.code.help')}</a></p>`
  if (standing === undefined) {
    return html`${renderSendForm(model, catalog.text('pages.code.begin'), { isPrimary: true })}\n${help}`
  }
  const { resendSeconds, otherChannel } = standing
  const isSending = state === 'sending'
  if (isSending ? otherChannel === undefined : !maySendAgain(state)) return help
  const isPrimary = !acceptsCode(state)
  const title = catalog.text(isPrimary ? 'pages.code.again.instead' : 'pages.code.again.title')
  const again = () => renderSendForm(model, catalog.text('pages.code.again.button'), { isPrimary, resendSeconds })
  const other = (channel: Channel) =>
    // While its provider takes its time, the other one's is all that there is to do.
    renderSendForm(model, catalog.text(`pages.code.again.${channel}`), { channel, ...(isSending && { resendSeconds }) })
  return html`<section class="actions" aria-labelledby="again">
<h2 id="again">${title}</h2>
${isSending ? null : again()}
${otherChannel === undefined ? null : other(otherChannel)}
${help}
</section>`
}

/** With a cooldown the button works all the same: without a script nothing could free it, and a refusal tells when. */
function renderSendForm(
  { catalog, path, request }: CodeEntryModel,
  label: string,
  how: { isPrimary?: boolean; resendSeconds?: number; channel?: Channel },
): SafeHtml {
  const { isPrimary = false, resendSeconds = 0, channel } = how
  const isWaiting = resendSeconds > 0
  return html`<form method="post" action="${path}/send"${isWaiting ? html` data-waits-for="resend"` : null}>
<input type="hidden" name="request" value="${request}">
${channel === undefined ? null : html`<input type="hidden" name="channel" value="${channel}">`}
<button${isPrimary ? null : html` class="secondary"`}>${label}</button>
${isWaiting ? html`<p class="quiet wait">${catalog.text('pages.code.again.wait')} ${renderCountdown('resend', resendSeconds)}</p>` : null}
</form>`
}

function renderDone({ catalog, standing, back }: CodeEntryPage): { title: string; content: SafeHtml } {
  const title = catalog.text('pages.code.done.title')
  const hasProof = standing !== undefined && standing.proofSeconds > 0
  const ifBack = hasProof ? 'go_on' : 'late'
  const content = catalog.text(`pages.code.done.${back === undefined ? 'close' : ifBack}`)
  const leave = catalog.text(hasProof ? 'pages.code.done.continue' : 'pages.code.leave')
  return {
    title,
    content: html`<h1>${catalog.text('pages.code.title')}</h1>
${renderNotice({ catalog, kind: 'success', title, content })}
${back === undefined ? null : html`<p>${renderButtonLink(back, leave)}</p>`}`,
  }
}
