/**
 * When a send that came to nothing is tried again (D6).
 */

const FIRST_BACKOFF_MS = 1_000
/** Of the time that is left, so that tries come closer to each other towards its end. */
const MOST_BACKOFF_SHARE = 1 / 4
/** Those who wait for the same moment spread over this. */
const SPREAD_MS = 1_000
/** A try that comes later than so long before it is too late would be too late when it reaches the provider. */
const LEAST_LEFT_MS = 500

export interface SendRetry {
  /** The one that came to nothing, from 1. */
  readonly attempt: number
  /** To which the back-off grows, before jitter. */
  readonly mostBackoffMs: number
  /** What the provider asks for; no try comes before. */
  readonly notBeforeMs?: number
  /** When a try may do better. One comes before only where it would be too late else. */
  readonly worthInMs?: number
  /** For so long a send may still begin. */
  readonly leftMs: number
}

/**
 * The delay before the next try: exponential, with jitter, and never so long that what is left is slept away.
 *
 * @param random from 0 up to 1
 * @returns milliseconds; `undefined` where it is certain that every try would be too late
 */
export function sendRetryDelay(
  { attempt, mostBackoffMs, notBeforeMs = 0, worthInMs = notBeforeMs, leftMs }: SendRetry,
  random = Math.random,
): number | undefined {
  const exponential = FIRST_BACKOFF_MS * 2 ** (attempt - 1)
  const backoff = Math.min(exponential, mostBackoffMs, leftMs * MOST_BACKOFF_SHARE) * (1 + random() / 2)
  const delays = [
    Math.max(backoff, worthInMs + (worthInMs > 0 ? random() * SPREAD_MS : 0)),
    Math.max(backoff, notBeforeMs),
  ]
  return delays.find((delay) => delay <= leftMs - LEAST_LEFT_MS)
}
