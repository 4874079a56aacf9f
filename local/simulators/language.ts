/**
 * Which of our languages a message is in. No provider is told it, so the outbox recognises it by our own texts.
 */
import { catalogs } from '../../domain/messages.ts'

const PLACEHOLDER = /\{[a-zA-Z]+\}/

const phrases = Object.entries(catalogs).map(([language, catalog]) => ({
  language,
  phrases: phrasesOf(catalog),
}))

/** The language most of whose phrases stand in the text; nothing where none does. */
export function languageOf(text: string): string | null {
  let best: { language: string | null; length: number } = { language: null, length: 0 }
  for (const { language, phrases: known } of phrases) {
    const length = known.filter((phrase) => text.includes(phrase)).reduce((sum, phrase) => sum + phrase.length, 0)
    if (length > best.length) best = { language, length }
  }
  return best.language
}

/** Every text of the catalog, cut where something is filled in; what is too short says nothing about a language. */
function phrasesOf(texts: object): string[] {
  return Object.values(texts).flatMap((value: unknown) => {
    if (typeof value === 'string') return value.split(PLACEHOLDER).filter((phrase) => phrase.trim().length >= 4)
    return typeof value === 'object' && value !== null ? phrasesOf(value) : []
  })
}
