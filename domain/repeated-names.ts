/**
 * JSON in which a name stands twice in one object: readers differ on which of the two counts (RFC 8259 §4), so that what one
 * has checked is not what the other does.
 */

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c

/**
 * Whether a name stands twice in one object of `text`, however it is escaped.
 *
 * @param text valid JSON
 * @param value what JSON.parse made of it
 */
export const hasRepeatedName = (text: string, value: unknown): boolean => countWritten(text) !== countKept(value)

/** Each colon outside of a string follows a name. By hand: a regular expression costs twice what JSON.parse does. */
function countWritten(text: string): number {
  let names = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character === COLON) names++
    else if (character === QUOTE) at = endOfString(text, at)
  }
  return names
}

/** Where the string that begins at `start` ends: at the next quote that no backslash escapes. */
function endOfString(text: string, start: number): number {
  for (let at = start; ;) {
    at = text.indexOf('"', at + 1)
    let escapes = at
    while (text.charCodeAt(escapes - 1) === BACKSLASH) escapes--
    if ((at - escapes) % 2 === 0) return at
  }
}

function countKept(value: unknown): number {
  let names = 0
  // Not by recursion: it may be nested thousands deep.
  const open = [value]
  while (open.length > 0) {
    const each = open.pop()
    if (typeof each !== 'object' || each === null) continue
    const fields: unknown[] = Object.values(each)
    if (!Array.isArray(each)) names += fields.length
    for (const field of fields) if (typeof field === 'object') open.push(field)
  }
  return names
}
