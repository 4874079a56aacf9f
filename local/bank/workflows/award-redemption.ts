/**
 * The redemption of an award, as an upstream service writes it: reserve the miles, have the member prove who they are,
 * then redeem, or give the miles back.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
  setHandler,
} from '@temporalio/workflow'
import type { BankActivities } from '../activities.ts'
import {
  codeAskedForUpdate,
  proofPresentedSignal,
  redemptionQuery,
  type AwardOrder,
  type GaveUp,
  type Redemption,
} from '../messages.ts'
import type { Challenge } from '../otp-service.ts'

const { reserveMiles, redeemAward, releaseMiles } = proxyActivities<BankActivities>({
  startToCloseTimeout: '10s',
  retry: { maximumInterval: '5s' },
})
/** A code lives for ten minutes: who has not been answered by then need not wait longer. */
const { askForCode, lookAtChallenge, withdrawChallenge } = proxyActivities<BankActivities>({
  startToCloseTimeout: '15s',
  scheduleToCloseTimeout: '10m',
  retry: { maximumInterval: '5s' },
})

/** How often we ask what became of a challenge while no proof comes. */
const LOOK_EVERY_MS = 10_000

export async function awardRedemption(order: AwardOrder): Promise<Redemption> {
  let redemption: Redemption = { ...order, status: 'begun' }
  let proven: string | undefined

  setHandler(redemptionQuery, () => redemption)
  setHandler(codeAskedForUpdate, async () => {
    await condition(() => redemption.status !== 'begun')
    return redemption
  })
  setHandler(proofPresentedSignal, (proof) => void (proven = proof.challengeId))

  /** Resolves with how the challenge ended, once nothing is expected to continue it. */
  async function outcomeOf(asked: Challenge): Promise<string> {
    let challenge = asked
    let knownSince = Date.now()
    for (;;) {
      const until = awaitedUntil(challenge, knownSince)
      if (until === undefined) return challenge.status
      redemption = { ...redemption, status: 'unproven', challengeId: challenge.challengeId }
      await condition(() => proven !== undefined, lookAfterMs(until))
      // A challenge has one proof, and no other redemption asked for this challenge: so the proof counts once.
      if (proven === challenge.challengeId) return 'verified'
      // The member closed the tab, or lets time pass; or the proof is of a code that was sent again, or of something else
      // altogether. The service knows, and leads from our challenge to the newest that continues it.
      proven = undefined
      const newest = await lookAtChallenge(challenge.challengeId)
      if (newest.challengeId !== challenge.challengeId) knownSince = Date.now()
      challenge = newest
    }
  }

  async function redeem(): Promise<GaveUp | undefined> {
    if (!(await reserveMiles(order))) return { reason: 'not_enough_miles' }
    const outcome = await outcomeOf(await askForCode(order))
    if (outcome !== 'verified') return { reason: outcome }
    redemption = { ...redemption, status: 'proven' }
    // No way back from here: who cancels now is too late.
    await CancellationScope.nonCancellable(() => redeemAward(order))
    return undefined
  }

  const gaveUp = await redeem().catch(reasonOf)
  return CancellationScope.nonCancellable(async () => {
    if (gaveUp) await releaseMiles(order)
    redemption = { ...redemption, ...(gaveUp ? { status: 'given_up', gaveUp } : { status: 'redeemed' }) }
    if (gaveUp) await withdrawCode(redemption)
    await condition(allHandlersFinished)
    return redemption
  })
}

/** A code that nobody waits for should not stay valid. Where it cannot be withdrawn it expires by itself. */
async function withdrawCode({ challengeId }: Redemption): Promise<void> {
  if (challengeId !== undefined) await withdrawChallenge(challengeId).catch(() => {})
}

/**
 * Until when something is to be expected of a challenge; nothing of one that is over. Whoever let the code expire, or mistyped it
 * too often, is told to have another one sent, which continues it: for that there is as long again as the code lived.
 */
function awaitedUntil({ status, expiresAt }: Challenge, knownSince: number): number | undefined {
  const expiry = expiresAt === undefined ? Infinity : Date.parse(expiresAt)
  if (status === 'sending' || status === 'open') return expiry
  if (expiry === Infinity || (status !== 'expired' && status !== 'attempts_exhausted')) return undefined
  const until = expiry + (expiry - knownSince)
  return Date.now() < until ? until : undefined
}

/** Soon after that we know how it went, even where the member never came back. */
function lookAfterMs(until: number): number {
  const leftMs = until - Date.now()
  return leftMs > 0 ? Math.min(leftMs + 1_000, LOOK_EVERY_MS) : LOOK_EVERY_MS
}

/** What the service refused is a failure of its problem code's name; what it did not answer is `unavailable`. */
function reasonOf(error: unknown): GaveUp {
  if (isCancellation(error)) return { reason: 'cancelled_by_member' }
  const refusal = error instanceof ActivityFailure ? error.cause : undefined
  if (!(refusal instanceof ApplicationFailure) || !refusal.nonRetryable) return { reason: 'unavailable' }
  const [retryAfter] = (refusal.details ?? []) as [number?]
  const reason = refusal.type ?? 'refused'
  if (typeof retryAfter !== 'number') return { reason }
  return { reason, retryAt: new Date(Date.now() + retryAfter * 1_000).toISOString() }
}
