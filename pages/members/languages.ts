/**
 * The choice of a language (P4): Japanese and English are buttons, the others stand in a pull-down. Each is named in
 * itself, for whoever reads no other.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import { catalogs, type Catalog } from '../../messages/catalog.ts'

const LANGUAGES = catalogs.map((catalog) => ({
  tag: catalog.language,
  name: catalog.text('language.name'),
  short: catalog.text('language.short'),
}))
const BUTTONS = ['ja', 'en'].flatMap((wanted) => LANGUAGES.filter(({ tag }) => tag === wanted))
const OTHERS = LANGUAGES.filter((language) => !BUTTONS.includes(language))

/** @param here where the choice leads back to */
export function renderLanguages(catalog: Catalog, here: string): SafeHtml {
  const back = html`<input type="hidden" name="back" value="${here}">`
  const other = OTHERS.find(({ tag }) => tag === catalog.language)
  return html`<div class="languages" role="group" aria-label="${catalog.text('pages.frame.language')}">
<form method="post" action="/language">
${back}
${BUTTONS.map(({ tag, name }) => {
  const chosen = tag === catalog.language ? html` aria-current="true"` : null
  return html`<button name="language" value="${tag}" lang="${tag}"${chosen}>${name}</button>\n`
})}</form>
<details${other === undefined ? null : html` class="chosen"`}>
<summary>${other?.name ?? OTHERS.map(({ tag, short }) => html`<span lang="${tag}">${short}</span> `)}</summary>
<form method="post" action="/language">
${back}
<label for="language">${catalog.text('pages.frame.other_languages')}</label>
<div class="choose">
<select id="language" name="language">
${OTHERS.map(({ tag, name }) => {
  const chosen = tag === other?.tag ? html` selected` : null
  return html`<option value="${tag}" lang="${tag}"${chosen}>${name}</option>\n`
})}</select>
<button>${catalog.text('pages.frame.next')}</button>
</div>
</form>
</details>
</div>`
}
