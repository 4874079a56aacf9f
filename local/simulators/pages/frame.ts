/**
 * What the simulators' pages have in common: one document with its style inside, so that it can also be a file.
 */
import { readFileSync } from 'node:fs'
import { html, type SafeHtml } from '@remix-run/html-template'

export interface Page {
  readonly headers: Readonly<Record<string, string>>
  readonly html: string
}

const STYLE = ['../../../pages/base.css', 'style.css']
  .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
  .join('')

/**
 * Nothing is fetched and nothing runs but our own script: the pages show what anybody may have sent. Styles may be
 * inline, since an e-mail's are, and a sandboxed frame is under its page's policy.
 */
const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "script-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
].join('; ')

export function renderPage({
  title,
  tools,
  head,
  content,
}: {
  title: string
  tools: SafeHtml
  head?: SafeHtml
  content: SafeHtml
}): Page {
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `${POLICY}; frame-ancestors 'none'`,
      'cache-control': 'no-store',
    },
    html: String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${html.raw`${STYLE}`}</style>
${head}
</head>
<body>
<header class="top">
<h1>${title}</h1>
${tools}
</header>
${content}
</body>
</html>
`),
  }
}
