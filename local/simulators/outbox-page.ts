/**
 * The outbox as a page: SMS as on a phone, e-mail as in a mailbox.
 */
import { randomBytes } from 'node:crypto'
import type { OutboxMessage } from './outbox.ts'

export interface OutboxPage {
  readonly headers: Readonly<Record<string, string>>
  readonly html: string
}

/** The page for these messages, newest first. It renews itself every two seconds, by itself where scripts may run. */
export function renderOutboxPage(messages: readonly OutboxMessage[], to: string): OutboxPage {
  const nonce = randomBytes(16).toString('base64')
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    `script-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-store',
  }
  const list = messages.length > 0 ? messages.map(renderMessage).join('\n') : renderNothing(to)
  return { headers, html: renderFrame(list, to, nonce) }
}

function renderMessage(message: OutboxMessage): string {
  return message.channel === 'sms' ? renderSms(message) : renderEmail(message)
}

function renderSms({ to, from, text, language, at }: OutboxMessage): string {
  return `<article class="sms"${lang(language)}>
<header><b>${escapeHtml(from)}</b> <span>to ${escapeHtml(to)}</span>${renderTime(at)}</header>
<p class="bubble">${escapeHtml(text)}</p>
</article>`
}

function renderEmail({ to, from, subject = '', text, html, language, at }: OutboxMessage): string {
  // Sandboxed, and under this page's policy: a message can do nothing but be seen.
  const body = html
    ? `<iframe sandbox title="${escapeHtml(subject)}" srcdoc="${escapeHtml(html)}"></iframe>
<details><summary>Text part</summary><pre>${escapeHtml(text)}</pre></details>`
    : `<pre>${escapeHtml(text)}</pre>`
  return `<article class="email"${lang(language)}>
<header><b>${escapeHtml(from)}</b> <span>to ${escapeHtml(to)}</span>${renderTime(at)}</header>
<h2>${escapeHtml(subject)}</h2>
${body}
</article>`
}

function renderNothing(to: string): string {
  return `<p class="nothing">${to ? `No messages to ${escapeHtml(to)} yet.` : 'No messages yet.'}</p>`
}

function renderTime(at: string): string {
  const shown = new Date(at).toLocaleTimeString('en-GB', { timeZone: 'Asia/Tokyo' })
  return `<time datetime="${at}">${shown} JST</time>`
}

function lang(language: string | null): string {
  return language ? ` lang="${escapeHtml(language)}"` : ''
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}

function renderFrame(list: string, to: string, nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="2"></noscript>
<title>Outbox</title>
<style>${STYLE}</style>
</head>
<body>
<header class="top">
<h1>Outbox</h1>
<form><label>To <input name="to" value="${escapeHtml(to)}" placeholder="+8190… or an address" autocomplete="off"></label>
<button>Show</button>${to ? '<a href="/">All</a>' : ''}</form>
</header>
<main aria-live="polite">
${list}
</main>
<script nonce="${nonce}">${RENEW}</script>
</body>
</html>
`
}

/** Only what changed is replaced, so that nothing flickers while somebody reads. */
const RENEW = `
const main = document.querySelector('main')
let shown = main.innerHTML
setInterval(async () => {
  try {
    const answer = await fetch(location.href)
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const fresh = page.querySelector('main').innerHTML
    if (fresh !== shown) main.innerHTML = shown = fresh
  } catch {}
}, 2000)
`

const STYLE = `
:root { color-scheme: light dark; --ground: #f2f3f5; --card: #fff; --ink: #1b1d21; --faint: #5d636c; --line: #dfe2e6;
  --bubble: #e5e7eb; --accent: #b3001b }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --card: #212429; --ink: #eceef1; --faint: #a3aab4;
  --line: #343941; --bubble: #33383f; --accent: #ff8a97 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
.top { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center;
  padding: .75rem 1.25rem; background: var(--card); border-bottom: 1px solid var(--line) }
h1 { margin: 0; font-size: 1.1rem; color: var(--accent) }
form { display: flex; gap: .5rem; align-items: center; flex: 1 }
input, button { font: inherit; padding: .3rem .6rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--ground); color: inherit }
input { width: min(20rem, 50vw) }
a { color: var(--accent) }
main { max-width: 40rem; margin: 0 auto; padding: 1.25rem; display: grid; gap: 1rem }
article header { display: flex; flex-wrap: wrap; gap: .25rem .6rem; align-items: baseline; font-size: .85rem }
article span, time { color: var(--faint) }
time { margin-left: auto; font-variant-numeric: tabular-nums }
.bubble { margin: .4rem 0 0; width: fit-content; max-width: 24rem; padding: .7rem 1rem; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--bubble); border-radius: 1.2rem 1.2rem 1.2rem .3rem }
.email { padding: 1rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .8rem }
h2 { margin: .4rem 0 .8rem; font-size: 1.05rem }
iframe { width: 100%; height: 31rem; border: 1px solid var(--line); border-radius: .5rem; background: #fff }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit }
summary { cursor: pointer; color: var(--faint); font-size: .85rem }
.nothing { color: var(--faint); text-align: center; padding: 3rem 0 }
`
