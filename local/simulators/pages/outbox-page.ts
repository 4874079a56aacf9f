/**
 * The outbox as a page: each destination a phone or a mailbox, with what it received and what became of it (D9).
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import { destinationKey, type OutboxEntry } from '../outbox.ts'
import { renderPage, type Page } from './frame.ts'
import { renderAutofill, renderBubble, renderMailBody, renderMailHead, renderSize } from './message.ts'

const STATES: Readonly<Record<OutboxEntry['state'], string>> = {
  accepted: 'Accepted',
  deferred: 'Delayed',
  delivered: 'Delivered',
  failed: 'Not delivered',
}

/**
 * The page for these messages, newest first, and so the destinations. It renews itself: `renew.js` replaces what has
 * changed; without scripts the browser loads it anew.
 *
 * @param to the destination that was asked for, or ''
 */
export function renderOutboxPage(entries: readonly OutboxEntry[], to: string): Page {
  const groups = Map.groupBy(entries, ({ to }) => destinationKey(to))
  return renderPage({
    title: 'Outbox',
    tools: renderTools(entries, to),
    head: html`<noscript><meta http-equiv="refresh" content="2"></noscript>
<script defer src="/outbox/idiomorph.js"></script>
<script defer src="/outbox/renew.js"></script>`,
    content: html`<main class="outbox">
${groups.size > 0 ? [...groups.values()].map((group) => html`${renderGroup(group)}\n`) : renderNothing(to)}
</main>`,
  })
}

function renderTools(entries: readonly OutboxEntry[], to: string): SafeHtml {
  const destinations = [...new Set(entries.map((entry) => entry.to))]
  return html`<form action="/">
<label>To <input name="to" value="${to}" placeholder="+8190… or an address" list="destinations" autocomplete="off"></label>
<datalist id="destinations">${destinations.map((destination) => html`<option value="${destination}">`)}</datalist>
<button>Show</button>
${to === '' ? null : html`<a href="/">All</a>`}
</form>
<nav><a href="/preview">All texts</a></nav>`
}

function renderGroup(entries: readonly OutboxEntry[]): SafeHtml {
  return entries[0]!.channel === 'sms' ? renderPhone(entries) : renderMailbox(entries)
}

/** The newest at the bottom, as on a phone, where its code is offered. */
function renderPhone(entries: readonly OutboxEntry[]): SafeHtml {
  const [newest] = entries
  return html`<section class="phone" id="${groupId(newest!)}">
<header><span class="avatar" aria-hidden="true">✆</span> <h2>${renderDestination(newest!.to)}</h2></header>
<div class="thread" tabindex="0" role="group" aria-label="Messages, newest first">
${entries.map((entry) => html`${renderSms(entry)}\n`)}</div>
${renderAutofill(newest!.text)}
</section>`
}

function renderSms(entry: OutboxEntry): SafeHtml {
  return html`<article id="message-${entry.number}">
<p class="about"><b>${entry.from}</b> ${renderTime(entry.at)}</p>
${renderBubble(entry.text, entry.language)}
<p class="about">${renderState(entry)} ${renderSize(entry.text)}</p>
</article>`
}

function renderMailbox(entries: readonly OutboxEntry[]): SafeHtml {
  const [newest] = entries
  return html`<section class="mailbox" id="${groupId(newest!)}">
<header><span class="avatar" aria-hidden="true">✉</span> <h2>${renderDestination(newest!.to)}</h2></header>
${entries.map((entry) => html`${renderMail(entry, entry === newest)}\n`)}</section>`
}

function renderMail(entry: OutboxEntry, isOpen: boolean): SafeHtml {
  const mail = { ...entry, subject: entry.subject ?? '' }
  return html`<article id="message-${entry.number}">
<details${isOpen ? html` open` : null}>
<summary class="mail">${renderMailHead(mail)} ${renderTime(entry.at)} ${renderState(entry)}</summary>
${renderMailBody(mail)}
</details>
</article>`
}

function renderNothing(to: string): SafeHtml {
  if (to !== '') {
    return html`<div class="nothing"><p>No messages to ${to} yet.</p><p><a href="/">Show all destinations</a></p></div>`
  }
  return html`<div class="nothing">
<p>No messages yet.</p>
<p>Ask for a code for one of the sample members: <code>npm start</code> has printed the command, and
<code>.local/endpoints.json</code> holds the API’s address and key. What the member would receive appears here by itself.</p>
<p>To see how every message reads in every language, look at <a href="/preview">all texts</a>.</p>
</div>`
}

function renderDestination(to: string): SafeHtml {
  return html`<a href="/?to=${encodeURIComponent(to)}">${to}</a>`
}

function renderState({ state }: OutboxEntry): SafeHtml {
  return html`<span class="state ${state}">${STATES[state]}</span>`
}

function renderTime(at: string): SafeHtml {
  const shown = new Date(at).toLocaleTimeString('en-GB', { timeZone: 'Asia/Tokyo' })
  return html`<time datetime="${at}">${shown} JST</time>`
}

/** Stays while messages come and go, so that the page is renewed in place. */
function groupId({ to }: OutboxEntry): string {
  return `to-${Buffer.from(destinationKey(to)).toString('hex')}`
}
