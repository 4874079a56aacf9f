/**
 * What all pages have in common: the document around them, and what a browser may do with it.
 */
import { html, type SafeHtml } from '@remix-run/html-template'

/** Nothing runs, nothing is sent, and nothing comes from anywhere but here. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export interface Document {
  readonly title: string
  /** The path of the style sheet. */
  readonly style: string
  /** The pages above this one. */
  readonly above?: readonly { readonly title: string; readonly href: string }[]
  /** After how many seconds it is loaded anew; absent where nothing changes. */
  readonly renewSeconds?: number
  readonly content: SafeHtml
}

/** A whole page. */
export function renderDocument({ title, style, above = [], renewSeconds, content }: Document): string {
  const renewal = renewSeconds === undefined ? null : html`<meta http-equiv="refresh" content="${renewSeconds}">`
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${renewal}
<title>${[title, ...above.map((page) => page.title).reverse(), 'One-time passwords'].join(' · ')}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${style}">
</head>
<body>
<header class="top">
<nav aria-label="You are here"><ol>
<li>One-time passwords</li>
${above.map((page) => html`<li><a href="${page.href}">${page.title}</a></li>\n`)}<li aria-current="page">${title}</li>
</ol></nav>
</header>
<main>
${content}
</main>
</body>
</html>
`)
}
