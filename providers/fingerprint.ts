import { createHash } from 'node:crypto'

/** The id of an event that has none of its own: the same for the same event, and nothing can be read from it. */
export const fingerprint = (element: unknown): string =>
  createHash('sha256').update(JSON.stringify(element)).digest('base64url')
