/**
 * How many requests a caller may make a second (U1), over all instances of the API together.
 *
 * An instance takes requests from Postgres in batches: of one at first, and of twice as many each time a batch was used up
 * before its second was over, so that a busy caller costs some statements a second, and an idle one takes nothing from the
 * other instances. Where Postgres does not answer, each instance keeps the limit by itself: a limit is no reason to refuse.
 */
import type { FastifyBaseLogger } from 'fastify'
import { describeError } from '../logging/describe-error.ts'
import type { TakenRequests } from '../postgres/caller-pace.ts'
import { within } from './deadline.ts'
import { problem } from './problems.ts'

/** As `take_requests` counts on it. */
const BATCH_LIVES_MS = 1_000
/** A tenth of a second's number: at its limit a caller costs ten statements a second, and one each instance. */
const BATCHES_A_SECOND = 10
/** A request does not wait longer to be counted: with the 2.5 s of its own statements that is below 5 s. */
const ASK_WITHIN_MS = 1_000
/** Callers beyond are counted anew: an issuer may have any number of clients. */
const MOST_CALLERS = 10_000

/** The fields of draft-ietf-httpapi-ratelimit-headers-10. */
export type LimitHeaders = Readonly<Record<'ratelimit-policy' | 'ratelimit', string>>

export interface CallerLimit {
  /**
   * Counts a request of a caller.
   *
   * @throws {ProblemError} `too_many_requests`
   */
  count(caller: string): Promise<LimitHeaders>
}

interface Batch {
  /** Requests that are taken and not used yet. */
  ready: number
  /** What the next batch is to have. */
  size: number
  /** For whoever asked for them, since the last batch was taken. */
  waiting: number
  /** What was left for any instance. */
  left: number
  /** Moments of `performance.now()`. */
  livesUntil: number
  refusedUntil: number
  asking: Promise<void> | undefined
}

export interface CallerLimitOptions {
  /** 0 is no limit. */
  readonly perSecond: number
  readonly take: (caller: string, wanted: number) => Promise<TakenRequests>
  readonly log: Pick<FastifyBaseLogger, 'warn'>
}

/** @returns nothing where there is no limit */
export function createCallerLimit({ perSecond, take, log }: CallerLimitOptions): CallerLimit | undefined {
  if (perSecond === 0) return undefined
  const largest = Math.max(1, Math.floor(perSecond / BATCHES_A_SECOND))
  const batches = new Map<string, Batch>()

  function batchOf(caller: string): Batch {
    const known = batches.get(caller)
    if (known !== undefined) return known
    if (batches.size >= MOST_CALLERS) batches.clear()
    const fresh = { ready: 0, size: 1, waiting: 0, left: 0, livesUntil: 0, refusedUntil: 0, asking: undefined }
    batches.set(caller, fresh)
    return fresh
  }

  async function ask(caller: string, batch: Batch): Promise<void> {
    const isUsedUp = batch.ready === 0 && performance.now() < batch.livesUntil
    batch.size = isUsedUp ? Math.min(largest, batch.size * 2) : Math.max(1, batch.size - batch.ready)
    const wanted = Math.min(perSecond, Math.max(batch.size, batch.waiting))
    const taken = await within(ASK_WITHIN_MS, take(caller, wanted)).catch((error: unknown): TakenRequests => {
      log.warn({ err: describeError(error) }, 'a caller is counted by this instance alone')
      batch.refusedUntil = performance.now() + BATCH_LIVES_MS
      return { granted: perSecond, left: 0, inMs: 0 }
    })
    const now = performance.now()
    batch.ready = taken.granted
    batch.left = taken.left
    batch.livesUntil = now + BATCH_LIVES_MS
    if (taken.granted === 0) batch.refusedUntil = now + taken.inMs
  }

  const headersOf = (remaining: number): LimitHeaders => ({
    'ratelimit-policy': `"caller";q=${perSecond};w=1`,
    ratelimit: `"caller";r=${remaining};t=1`,
  })

  return {
    async count(caller) {
      const batch = batchOf(caller)
      for (;;) {
        const now = performance.now()
        if (batch.ready > 0 && now < batch.livesUntil) {
          batch.ready--
          return headersOf(batch.ready + batch.left)
        }
        if (now < batch.refusedUntil) {
          throw problem(
            'too_many_requests',
            `You may make ${perSecond} requests a second: come again after retryAfter seconds.`,
            {
              retryAfter: Math.ceil((batch.refusedUntil - now) / 1000),
              headers: headersOf(0),
            },
          )
        }
        batch.waiting++
        batch.asking ??= ask(caller, batch).finally(() => (batch.asking = undefined))
        await batch.asking
        batch.waiting--
      }
    },
  }
}
