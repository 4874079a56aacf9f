/**
 * Numbers by chance that are the same in every run: what the nth member is follows from the seed and n alone, so that
 * any range of members can be made without the ones before it.
 */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number
  /** From 0 up to, not including, `below`. */
  whole(below: number): number
  chance(share: number): boolean
  /** One of them, all alike. */
  pick<T>(values: readonly T[]): T
  /** One of them by weight; weights need not add up to anything. */
  weighted<T>(choices: readonly Weighted<T>[]): T
}

export type Weighted<T> = readonly [weight: number, value: T]

/** mulberry32, its state drawn from both numbers so that neighbours have nothing in common. */
export function createRandom(seed: number, index: number): Random {
  let state = mix(mix(seed | 0) ^ Math.imul(index + 1, 0x9e3779b1))
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    return mix(state) / 4_294_967_296
  }
  const whole = (below: number) => Math.floor(next() * below)
  return {
    next,
    whole,
    chance: (share) => next() < share,
    pick: (values) => values[whole(values.length)]!,
    weighted(choices) {
      let left = next() * choices.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of choices) {
        left -= weight
        if (left < 0) return value
      }
      return choices.at(-1)![1]
    },
  }
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 15), 1 | value)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return (mixed ^ (mixed >>> 14)) >>> 0
}
