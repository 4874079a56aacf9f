/**
 * Waiting until the code is handed over to a provider: the answer of a start says where it went, or that it could not.
 */
import type { Start } from '../client/start-challenge.ts'
import { readChallenge, type Challenge } from '../postgres/challenges.ts'
import type { RouteDeps } from './deps.ts'
import { UnavailableError, within } from './deadline.ts'

/** Where another process may have started the workflow, a notification may be missed. */
const LOOK_EVERY_MS = 1_000
/** Postgres may be looked at once more when the time is over. */
const GRACE_MS = 250

type Started = Extract<Start, { challenge: Challenge }>

/**
 * @param start the start of its workflow goes on in the background where it takes longer
 * @returns the challenge as it stands when a provider took the code, when it is closed, or when the waiting is over
 * @throws {UnavailableError} when the workflow could not be started: Temporal cannot be reached
 */
export async function handedOver(deps: RouteDeps, start: Started): Promise<Challenge> {
  const { inPostgres, background } = deps
  const { challenge, started } = start
  background.add('start', started)
  const waiting = waitUntilSent(deps, start)
  const startFailed = started.then(
    () => waiting,
    (error: unknown) => {
      throw new UnavailableError('the workflow could not be started', { cause: error })
    },
  )
  const standing = await Promise.race([waiting, startFailed])
  const isMoved = standing.channel !== challenge.channel
  if (standing.outcome === null && !isMoved) return standing
  // The notification tells of an outcome and of another channel, but not of all that goes with them.
  const whole = inPostgres((sql) => readChallenge(sql, challenge.challengeId))
  return (await whole.catch(() => undefined)) ?? (isMoved ? challenge : standing)
}

/** Whatever goes wrong with the waiting, the challenge stands, and its status can be asked for. */
async function waitUntilSent({ waiter, http, closing }: RouteDeps, { kind, challenge }: Started): Promise<Challenge> {
  const wait = { timeoutMs: http.sendWaitMs, ...(kind === 'existing' && { lookEveryMs: LOOK_EVERY_MS }) }
  const sent = within(http.sendWaitMs + GRACE_MS, waiter.wait(challenge, wait)).catch(() => challenge)
  const stopping = Promise.withResolvers<Challenge>()
  const stop = () => stopping.resolve(challenge)
  closing.addEventListener('abort', stop, { once: true })
  if (closing.aborted) stop()
  try {
    return await Promise.race([sent, stopping.promise])
  } finally {
    closing.removeEventListener('abort', stop)
  }
}
