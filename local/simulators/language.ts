/**
 * Which of our languages a message is in. No provider is told it, so the outbox recognises it by our own texts.
 */
import { catalogs } from '../../messages/catalog.ts'

/** Our messages are of these; and what is too short says nothing about a language. */
const languages = catalogs.map((catalog) => ({
  language: catalog.language,
  phrases: [...catalog.pieces('code.'), ...catalog.pieces('purposes.')].filter((piece) => piece.trim().length >= 4),
}))

/** The language most of whose phrases stand in the text; nothing where none does. */
export function languageOf(text: string): string | null {
  let best: { language: string | null; length: number } = { language: null, length: 0 }
  for (const { language, phrases } of languages) {
    const length = phrases.filter((phrase) => text.includes(phrase)).reduce((sum, phrase) => sum + phrase.length, 0)
    if (length > best.length) best = { language, length }
  }
  return best.language
}
