/**
 * What all pages of members have in common: the document, who speaks, the languages, and where help is.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'
import { renderLanguages } from './languages.ts'

export interface Frame {
  readonly catalog: Catalog
  readonly title: string
  readonly content: SafeHtml
  /** Paths of the style and the script, and what the page's policy knows them by. */
  readonly assets: { readonly style: string; readonly script: string; readonly nonce: string }
  /** The path, with its query, at which this page is shown again: in another language, or after a look at the help. */
  readonly here: string
}

/** A whole page. */
export function renderFrame({ catalog, title, content, assets, here }: Frame): string {
  const text = (key: 'brand' | 'product' | 'skip' | 'help' | 'email' | 'staff') => catalog.text(`pages.frame.${key}`)
  return String(html`<!doctype html>
<html lang="${catalog.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="format-detection" content="telephone=no">
<title>${title} | ${text('brand')}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assets.style}" nonce="${assets.nonce}">
<script src="${assets.script}" nonce="${assets.nonce}" defer></script>
</head>
<body>
<a class="skip" href="#main">${text('skip')}</a>
<header class="top"><div>
<p class="mark"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 21 21 3v18Z"/></svg>${text('brand')}</p>
${renderLanguages(catalog, here)}
</div></header>
<main id="main" tabindex="-1">
${content}
</main>
<footer><div>
<p>${text('staff')}</p>
<nav aria-label="${text('product')}"><ul>
<li><a href="${helpPath('/help', here)}">${text('help')}</a></li>
<li><a href="${helpPath('/help/email', here)}">${text('email')}</a></li>
</ul></nav>
</div></footer>
</body>
</html>
`)
}

/** The help, which leads back to where one came from. */
export function helpPath(page: '/help' | '/help/email', here: string): string {
  return here.startsWith('/help') ? page : `${page}?${new URLSearchParams({ back: here }).toString()}`
}
