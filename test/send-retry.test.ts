/**
 * D6: back-off and jitter, inside the code's life.
 */
import { describe, expect, it } from 'vitest'
import { sendRetryDelay, type SendRetry } from '../domain/send-retry.ts'

const LONG = 480_000
const delays = (when: Omit<SendRetry, 'mostBackoffMs'>) =>
  [0, 0.5, 0.999].map((random) => sendRetryDelay({ mostBackoffMs: 10_000, ...when }, () => random))

describe('the delay before the next try', () => {
  it('grows to the most that is wanted, and half as much again at random', () => {
    expect([1, 2, 3, 4, 5, 50].map((attempt) => delays({ attempt, leftMs: LONG })[0])).toEqual([
      1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ])
    expect(delays({ attempt: 2, leftMs: LONG })[1]).toBe(2_500)
  })

  it('is never shorter than what the provider asks for, and those who wait for it spread over a second', () => {
    expect(delays({ attempt: 1, notBeforeMs: 3_000, leftMs: LONG })).toEqual([3_000, 3_500, 3_999])
  })

  it('is a quarter of what is left at most, so that tries come closer to each other towards its end', () => {
    expect(delays({ attempt: 6, leftMs: 20_000 })).toEqual([5_000, 6_250, 7_497.5])
    expect(delays({ attempt: 6, leftMs: 2_000 })[0]).toBe(500)
  })

  it('does not wait for a better moment that is too late', () => {
    expect(delays({ attempt: 1, worthInMs: 2_000, leftMs: 10_000 })).toEqual([2_000, 2_500, 2_999])
    expect(delays({ attempt: 1, worthInMs: 2_000, leftMs: 2_000 })).toEqual([500, 625, 749.75])
    expect(delays({ attempt: 1, notBeforeMs: 1_500, leftMs: 2_000 })).toEqual([1_500, 1_500, 1_500])
  })

  it.each([
    { notBeforeMs: 0, leftMs: -1_000 },
    { notBeforeMs: 0, leftMs: 600 },
    { notBeforeMs: 5_000, leftMs: 5_000 },
    { notBeforeMs: 86_400_000, leftMs: LONG },
  ])('is none where it is certain that every try is too late: %o', (when) => {
    expect(delays({ attempt: 1, ...when })).toEqual([undefined, undefined, undefined])
  })
})
