/**
 * Preloaded into a process of ours (`node --import`), so that its payloads are not encrypted: the codec is replaced by one that
 * does nothing. For the benchmark alone; no setting of ours does that.
 */
import { registerHooks } from 'node:module'

const CODEC = new URL('../../temporal/payload-codec.ts', import.meta.url).href
const NOTHING = new URL('no-codec.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    return resolved.url === CODEC ? { ...resolved, url: NOTHING } : resolved
  },
})
