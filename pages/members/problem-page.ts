import { html, type SafeHtml } from '@remix-run/html-template'
import type { Catalog, Key } from '../../messages/catalog.ts'

type Kind<K extends Key> = K extends `pages.problem.${infer P}.title` ? P : never

/** Why there is no page, and what to do now. */
export function renderProblem(catalog: Catalog, kind: Kind<Key>): { title: string; content: SafeHtml } {
  const title = catalog.text(`pages.problem.${kind}.title`)
  return { title, content: html`<h1>${title}</h1>\n<p>${catalog.text(`pages.problem.${kind}.advice`)}</p>` }
}
