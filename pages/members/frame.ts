/**
 * What all pages of members have in common.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'

export interface Frame {
  readonly catalog: Catalog
  readonly title: string
  readonly content: SafeHtml
  /** Paths of the style and the script. */
  readonly assets: { readonly style: string; readonly script: string }
  /** After how many seconds the page is loaded anew where no script runs. */
  readonly renewSeconds?: number
}

/** A whole page. */
export function renderFrame({ catalog, title, content, assets, renewSeconds }: Frame): string {
  const renewal =
    renewSeconds === undefined ? null : html`<noscript><meta http-equiv="refresh" content="${renewSeconds}"></noscript>`
  return String(html`<!doctype html>
<html lang="${catalog.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${renewal}
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assets.style}">
<script src="${assets.script}" defer></script>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`)
}
