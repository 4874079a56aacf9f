/**
 * Keys with ids, so that they can be replaced while what was made with older ones is still read.
 */

/** A key ring: `current` makes new things, every key reads old ones. 32 bytes each. */
export interface KeyRing {
  readonly current: string
  readonly keys: ReadonlyMap<string, Uint8Array>
}

const KEY = /^[A-Za-z0-9+/]{43}=$/
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/

/**
 * Reads `id:key[,id:key…]`, each key 32 bytes in base64; the first is the current one.
 *
 * @returns `undefined` for anything else
 */
export function parseKeyRing(value: string): KeyRing | undefined {
  const keys = new Map<string, Uint8Array>()
  for (const entry of value.split(',')) {
    const separator = entry.indexOf(':')
    const id = entry.slice(0, separator).trim()
    const key = entry.slice(separator + 1).trim()
    if (separator < 1 || !KEY_ID.test(id) || !KEY.test(key) || keys.has(id)) return undefined
    keys.set(id, Buffer.from(key, 'base64'))
  }
  const [current] = keys.keys()
  return { current: current!, keys }
}
