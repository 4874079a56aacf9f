/**
 * A new key for a ring, and where to put it when (C10). It reads which ids there are, and shows no key but the new one.
 */
import { randomBytes } from 'node:crypto'

const KEY_BYTES = 32

interface Ring {
  readonly variable: 'OTP_MASTER_KEYS' | 'OTP_CODEC_KEYS' | 'OTP_PROOF_KEYS'
  /** The processes that hold it. */
  readonly holders: string
  /** Between the first step and the second: until every holder knows the key. */
  readonly beforeFirst: string
  /** Before the old key may go. */
  readonly beforeRemoval: string
}

export const RINGS = {
  master: {
    variable: 'OTP_MASTER_KEYS',
    holders: 'the API and the challenge worker',
    beforeFirst: 'once all of them run with it',
    beforeRemoval: 'half an hour later (a code lives ten minutes from when it is sent), and once otp doctor is content',
  },
  codec: {
    variable: 'OTP_CODEC_KEYS',
    holders: 'the API, both workers, the codec server, and upstreams with our codec',
    beforeFirst: 'once all of them run with it',
    beforeRemoval: "after the namespace's retention, when no workflow that began before is left",
  },
  proof: {
    variable: 'OTP_PROOF_KEYS',
    holders: 'the API',
    beforeFirst: 'ten minutes later: upstreams keep /.well-known/jwks.json for five',
    beforeRemoval: 'ten minutes later: a proof lives for two',
  },
} as const satisfies Record<string, Ring>
export type RingName = keyof typeof RINGS

export interface NewKey {
  readonly variable: string
  readonly id: string
  /** `id:key`, a secret. */
  readonly entry: string
  readonly steps: readonly string[]
}

/** @param known the ids that the ring has, the current one first; none where this machine does not hold it */
export function newKey(name: RingName, known: readonly string[], id = freeId(name, known)): NewKey {
  const { variable, holders, beforeFirst, beforeRemoval } = RINGS[name]
  const olds = known.length === 0 ? ['<what stands there>'] : known.map((old) => `${old}:…`)
  const ring = (...entries: readonly string[]) => `${variable}=${entries.join(',')}`
  return {
    variable,
    id,
    entry: `${id}:${randomBytes(KEY_BYTES).toString('base64')}`,
    steps: [
      `Append it in ${holders}, and start them again: ${ring(...olds, `${id}:…`)}`,
      `Put it first, ${beforeFirst}: from then on it makes new ones: ${ring(`${id}:…`, ...olds)}`,
      `Remove the old one ${beforeRemoval}: ${ring(`${id}:…`)}`,
    ],
  }
}

function freeId(name: RingName, known: readonly string[]): string {
  const today = `${name}-${new Date().toISOString().slice(0, 10)}`
  const taken = new Set(known)
  for (let number = 2; ; number++) {
    if (!taken.has(today)) return today
    if (!taken.has(`${today}-${number}`)) return `${today}-${number}`
  }
}
