/**
 * The languages that members are written to in: one file each in `languages/`, named by its BCP 47 tag, with texts in
 * ICU MessageFormat (docs/messages.md). English is the measure: its keys are every language's keys, and the type of
 * them. A file that lacks one, or that fills in something else, is refused when the process starts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import {
  isArgumentElement,
  isLiteralElement,
  isPluralElement,
  isPoundElement,
  isSelectElement,
  parse,
  type MessageFormatElement,
} from '@formatjs/icu-messageformat-parser'
import { IntlMessageFormat } from 'intl-messageformat'
import { ARGUMENTS } from './arguments.ts'
import type english from './languages/en.json'

type PathsOf<T> = {
  [K in keyof T & string]: T[K] extends string ? K : `${K}.${PathsOf<T[K]>}`
}[keyof T & string]

/** The name of a text: `code.email.subject`. */
export type Key = PathsOf<typeof english>

type Arguments = typeof ARGUMENTS
type Value<Kind> = Kind extends 'number' ? number : string
/** What `text` wants beside the key: an object with the text's arguments, or nothing. */
type Values<K extends Key> = K extends keyof Arguments
  ? [values: { readonly [A in keyof Arguments[K]]: Value<Arguments[K][A]> }]
  : []

export interface Catalog {
  /** BCP 47 */
  readonly language: string
  /** The text in this language, with its arguments filled in. Plain text: HTML escapes it. */
  text<K extends Key>(key: K, ...values: Values<K>): string
  has(key: string): key is Key
  /** The pieces between the arguments of all texts whose key starts so: what a text of this language is known by. */
  pieces(prefix: string): readonly string[]
}

/** The catalogues cannot be used; `message` names every mistake, a line each. */
export class CatalogError extends Error {
  override name = 'CatalogError'
}

const REFERENCE = 'en'

/** Every language, by the name of its file. */
export const catalogs: readonly Catalog[] = readCatalogs(readFiles(new URL('languages/', import.meta.url)))

const readers = catalogs.map((catalog) => {
  const locale = new Intl.Locale(catalog.language)
  return { catalog, locale, script: scriptOf(locale) }
})

/**
 * The catalogue in the language that a member reads, of those that we write: the same tag, else the same script (of
 * Chinese, Taiwan, Hong Kong and Macau write the traditional one), else the same language, else English.
 *
 * @param tag any BCP 47 tag, `_` for `-` allowed, or nothing
 */
export function catalogFor(tag: string | null | undefined): Catalog {
  const wanted = localeOf(tag ?? '')
  const script = wanted && scriptOf(wanted)
  const nearest =
    readers.find(({ locale }) => locale.baseName === wanted?.baseName) ??
    readers.find((reader) => reader.script === script) ??
    readers.find(({ locale }) => locale.language === wanted?.language)
  return (nearest ?? readers.find(({ locale }) => locale.baseName === REFERENCE)!).catalog
}

/**
 * Catalogues of the texts in these files, by tag.
 *
 * @throws {CatalogError} naming all mistakes at once
 */
export function readCatalogs(files: Readonly<Record<string, string>>): Catalog[] {
  const read = Object.entries(files).map(([tag, content]) => readTexts(tag, content))
  const reference = new Set(read.find(({ tag }) => tag === REFERENCE)?.texts.keys())
  const mistakes = [
    ...(reference.size === 0 ? [`${REFERENCE}.json: is missing or empty; its keys are every language's`] : []),
    ...read.flatMap(({ tag, texts, mistakes }) => [
      ...mistakes,
      ...mistakesOf(texts, reference).map((mistake) => `${tag}.json: ${mistake}`),
    ]),
  ]
  if (mistakes.length > 0) throw new CatalogError(`The languages cannot be used:\n  ${mistakes.join('\n  ')}`)
  return read.map(({ tag, texts }) => createCatalog(tag, texts))
}

type Texts = ReadonlyMap<string, readonly MessageFormatElement[]>

function createCatalog(language: string, texts: Texts): Catalog {
  const formats = new Map([...texts].map(([key, parsed]) => [key, new IntlMessageFormat([...parsed], language)]))
  return {
    language,
    text: (key, ...[values]) => formats.get(key)!.format(values) as string,
    has: (key): key is Key => formats.has(key),
    pieces: (prefix) =>
      [...texts]
        .filter(([key]) => key.startsWith(prefix))
        .flatMap(([, parsed]) => parsed.filter(isLiteralElement))
        .map(({ value }) => value),
  }
}

function readFiles(directory: URL): Record<string, string> {
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'))
  const read = (name: string) => [name.slice(0, -'.json'.length), readFileSync(new URL(name, directory), 'utf8')]
  return Object.fromEntries(names.toSorted().map(read)) as Record<string, string>
}

function readTexts(tag: string, content: string) {
  const texts = new Map<string, MessageFormatElement[]>()
  const mistakes: string[] = []
  const refuse = (mistake: string) => void mistakes.push(`${tag}.json: ${mistake}`)
  if (localeOf(tag)?.baseName !== tag) refuse('wants a BCP 47 tag as its name, such as zh-Hans')
  for (const [key, text] of leavesOf(parseJson(content, refuse))) {
    if (typeof text !== 'string' || text.trim() === '') refuse(`${key}: wants a text`)
    else
      texts.set(
        key,
        parseText(text, (mistake) => refuse(`${key}: ${mistake}`)),
      )
  }
  return { tag, texts, mistakes }
}

function parseJson(content: string, refuse: (mistake: string) => void): unknown {
  try {
    return JSON.parse(content)
  } catch (error) {
    refuse(`is no JSON (${(error as Error).message})`)
    return {}
  }
}

/** Tags are text: what looks like HTML in a catalogue is shown, not obeyed. */
function parseText(text: string, refuse: (mistake: string) => void): MessageFormatElement[] {
  try {
    return parse(text, { ignoreTag: true, requiresOtherClause: true })
  } catch (error) {
    refuse(`is no ICU message (${(error as Error).message})`)
    return []
  }
}

function leavesOf(value: unknown, path = ''): [key: string, text: unknown][] {
  if (typeof value !== 'object' || value === null) return [[path, value]]
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, path === '' ? name : `${path}.${name}`))
}

function mistakesOf(texts: Texts, reference: ReadonlySet<string>): string[] {
  const missing = [...reference].filter((key) => !texts.has(key)).map((key) => `${key}: is missing`)
  const present = [...texts].flatMap(([key, parsed]) => {
    if (!reference.has(key)) return [`${key}: is no key of ${REFERENCE}.json`]
    return argumentMistakes(parsed, Object.hasOwn(ARGUMENTS, key) ? ARGUMENTS[key as keyof Arguments] : {}).map(
      (mistake) => `${key}: ${mistake}`,
    )
  })
  return [...missing, ...present]
}

function argumentMistakes(parsed: readonly MessageFormatElement[], wanted: Readonly<Record<string, string>>): string[] {
  const used = argumentsOf(parsed)
  const names = new Set(used.map(({ name }) => name))
  return [
    ...Object.keys(wanted)
      .filter((name) => !names.has(name))
      .map((name) => `{${name}} is not used`),
    ...used.flatMap(({ name, kinds }) => {
      const kind = Object.hasOwn(wanted, name) ? wanted[name] : undefined
      if (kind === undefined) return [`{${name}} is nothing that is filled in here`]
      return kinds.includes(kind) ? [] : [`{${name}} is a ${kind}, and is used in another way`]
    }),
  ]
}

/** Each use of an argument, with the kinds of value that may be used so. */
function argumentsOf(elements: readonly MessageFormatElement[]): { name: string; kinds: readonly string[] }[] {
  return elements.flatMap((element) => {
    if (isLiteralElement(element) || isPoundElement(element)) return []
    const name = element.value
    if (isArgumentElement(element)) return [{ name, kinds: ['string', 'number'] }]
    if (!isPluralElement(element) && !isSelectElement(element)) return [{ name, kinds: [] }]
    const inner = Object.values(element.options).flatMap(({ value }) => argumentsOf(value))
    return [{ name, kinds: [isPluralElement(element) ? 'number' : 'string'] }, ...inner]
  })
}

function localeOf(tag: string): Intl.Locale | undefined {
  try {
    return new Intl.Locale(tag.replaceAll('_', '-'))
  } catch {
    return undefined
  }
}

/** The language in the script that its region writes: `zh-TW` → `zh-Hant`. */
function scriptOf(tag: Intl.Locale): string {
  const { language, script } = tag.maximize()
  return `${language}-${script}`
}
