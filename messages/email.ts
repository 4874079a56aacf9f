/**
 * An e-mail, laid out: the same sentences as text and as HTML.
 */
import { html } from '@remix-run/html-template'

/** What the e-mail says, in its order. */
export interface Email {
  readonly language: string
  readonly subject: string
  readonly lead: string
  readonly code?: string
  readonly facts: readonly string[]
  readonly advice: readonly string[]
  readonly warnings: readonly string[]
  readonly sender: string
}

export function emailText({ lead, code, facts, advice, warnings, sender }: Email): string {
  const blocks = [code === undefined ? [lead] : [lead, code], facts, advice, warnings, [sender]]
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

/**
 * One column without tables or pictures, as wide as the client lets it be up to 480 px.
 *
 * - What must not be lost is inline; clients that drop the style element lose the dark colours and finer line breaks.
 * - Nothing is hidden: the first words of the body, which an inbox shows beside the subject, are the lead and the code.
 * - The code's digits stand apart by letter spacing, so that they copy as digits; `format-detection` keeps clients from
 *   making them a telephone number.
 * - No font is named that draws Chinese characters: the client chooses by `lang`, which tells Japanese from Chinese.
 */
export function emailHtml({ language, subject, lead, code, facts, advice, warnings, sender }: Email): string {
  const paragraphs = (lines: readonly string[]) =>
    lines.map((line, index) => html`${index === 0 ? null : '\n'}<p style="${LOOK.line}">${line}</p>`)
  return String(html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>${subject}</title>
<style>${html.raw`${STYLE}`}</style>
</head>
<body class="ground" style="${LOOK.body}">
<div class="ground" style="${LOOK.ground}">
<div class="card" style="${LOOK.card}">
<h1 style="${LOOK.lead}">${lead}</h1>
${code === undefined ? null : html`<p class="code" style="${LOOK.code}">${code}</p>`}
${paragraphs(facts)}
<div class="rule" style="${LOOK.rule}">
${paragraphs(advice)}
</div>
<div class="warning" style="${LOOK.warning}">
${paragraphs(warnings)}
</div>
<p class="faint" style="${LOOK.sender}">${sender}</p>
</div>
</div>
</body>
</html>
`)
}

const LOOK = {
  body: 'margin:0;padding:0;background-color:#f3f4f6',
  ground: 'padding:16px 10px;background-color:#f3f4f6',
  card: [
    'max-width:480px;margin:0 auto;padding:24px 20px 16px;box-sizing:border-box',
    'background-color:#ffffff;color:#1b1d21;border-top:4px solid #c8102e;border-radius:4px',
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:16px;line-height:1.6",
    'overflow-wrap:break-word',
  ].join(';'),
  lead: 'margin:0;font-size:16px;line-height:1.5;font-weight:600',
  code: [
    'margin:4px 0 12px;font-size:36px;line-height:1.4;font-weight:700',
    'font-variant-numeric:tabular-nums;letter-spacing:5px;white-space:nowrap',
    '-webkit-user-select:all;user-select:all',
  ].join(';'),
  line: 'margin:0 0 8px',
  rule: 'margin:20px 0 0;padding:16px 0 0;border-top:1px solid #d9dce1',
  warning: 'margin:12px 0 0;padding:12px 16px 4px;background-color:#fdf1f2;border-left:3px solid #c8102e',
  sender: 'margin:20px 0 0;font-size:14px;color:#5b616b',
}

const STYLE = `
:root { color-scheme: light dark }
:lang(ja) .card { line-break: strict; word-break: auto-phrase }
:lang(ko) .card { word-break: keep-all }
p { text-wrap: pretty }
@media (prefers-color-scheme: dark) {
  .ground { background-color: #131519 !important }
  .card { background-color: #1e2126 !important; border-top-color: #f0596f !important; color: #eceef1 !important }
  .rule { border-top-color: #3a3f47 !important }
  .warning { background-color: #2c2024 !important; border-left-color: #f0596f !important }
  .faint { color: #a9b0ba !important }
}
`
