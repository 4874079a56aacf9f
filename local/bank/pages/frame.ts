/**
 * The document around each of the bank's pages.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { html, type SafeHtml } from '@remix-run/html-template'
import { LANGUAGES, TEXTS, type Language } from '../texts.ts'

export const STYLE = readFileSync(new URL('style.css', import.meta.url), 'utf8')
export const STYLE_PATH = `/style-${createHash('sha256').update(STYLE).digest('hex').slice(0, 12)}.css`

export interface Frame {
  readonly language: Language
  readonly isLoggedIn: boolean
  /** Where the messages of this demo are to be read; a real bank knows of no such place. */
  readonly outbox: string | undefined
}

export interface Page {
  readonly title: string
  /** After how many seconds it is loaded anew. */
  readonly renewSeconds?: number
  readonly content: SafeHtml
}

const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { ja: '日本語', en: 'English' }

export function renderFrame({ language, isLoggedIn, outbox }: Frame, { title, renewSeconds, content }: Page): string {
  const texts = TEXTS[language]
  const logOut = html`<form method="post" action="/logout"><button class="plain">${texts.logOut}</button></form>`
  const languages = LANGUAGES.map(
    (each) =>
      html`<button class="plain" name="language" value="${each}" lang="${each}" aria-pressed="${String(each === language)}">${LANGUAGE_NAMES[each]}</button>\n`,
  )
  return String(html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${renewSeconds === undefined ? null : html`<meta http-equiv="refresh" content="${renewSeconds}">`}
<title>${title} · ${texts.bank}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${STYLE_PATH}">
</head>
<body>
<header>
<a class="mark" href="/">${texts.bank}</a>
<form method="post" action="/language">${languages}</form>
${isLoggedIn ? logOut : null}
</header>
<main>
<h1>${title}</h1>
${content}
</main>
<footer>
<p>${texts.demo}</p>
${outbox === undefined ? null : html`<p><a href="${outbox}" target="_blank" rel="noreferrer">${texts.outbox}</a></p>`}
</footer>
</body>
</html>
`)
}
