/**
 * Looks that cost Postgres seconds, shared by whoever asks: a page that renews itself in ten browsers is counted once.
 */

/** At least so long a look counts, however little it took. */
const FRESH_MS = 1_000
/** So many times as long as it took it counts: it takes a fifth of one connection at most. */
const FRESH_FOR = 4

/** @returns one look at a time for each key; what it found counts for a while, a failure does not */
export function createSharedLook<T>(look: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const known = new Map<string, { found: Promise<T>; until: number }>()
  return (key) => {
    const standing = known.get(key)
    if (standing !== undefined && performance.now() < standing.until) return standing.found
    const began = performance.now()
    const entry = { found: look(key), until: Number.POSITIVE_INFINITY }
    known.set(key, entry)
    entry.found.then(
      () => {
        const now = performance.now()
        entry.until = now + Math.max(FRESH_MS, FRESH_FOR * (now - began))
      },
      () => known.delete(key),
    )
    return entry.found
  }
}
