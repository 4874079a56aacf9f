/**
 * How a provider's answer, or the lack of one, becomes a {@link SendError} (D6).
 *
 * An SDK's error carries the request with it: the code, the destination, the credentials. So nothing of it is kept
 * but the status, the wait it asks for, and the system's word for a broken connection (`ECONNRESET`).
 */
import type { Blame } from '../domain/receipt.ts'
import { SendError } from './provider.ts'
import type { Provider, SendErrorKind } from './provider.ts'

type ProviderId = Provider['id']

const TOO_EARLY_OR_LATE = [408, 425]
/** Whatever their bodies say: our credentials, our balance, our permissions. */
const OUR_ACCOUNT = [401, 402, 403]
const LONGEST_WAIT_MS = 86_400_000
/** A provider's answer has a few hundred bytes. What is longer does not come from it, and is not read to its end. */
export const MOST_ANSWER_BYTES = 65_536

/**
 * The error for an HTTP status other than success.
 *
 * 429 is `limited`; 408, 425, 5xx and redirects, which no provider's send answers with, are `temporary`. Of the other
 * 4xx, one that blames the destination is `permanent`, one that blames the network `temporary`, and every other
 * `account`: what does not say that the destination is bad is for us to mend.
 *
 * @param retryAfterMs what the answer asked to wait, where it did
 * @param blame whom its body blames, where it says so
 */
export function refused(
  provider: ProviderId,
  status: number,
  { retryAfterMs, blame }: { retryAfterMs?: number | undefined; blame?: Blame | null } = {},
): SendError {
  return new SendError(kindOf(status, blame), `${provider} answered ${status}`, retryAfterMs)
}

function kindOf(status: number, blame?: Blame | null): SendErrorKind {
  if (status === 429) return 'limited'
  if (status < 400 || status >= 500 || TOO_EARLY_OR_LATE.includes(status)) return 'temporary'
  if (OUR_ACCOUNT.includes(status)) return 'account'
  if (blame === 'destination') return 'permanent'
  return blame === 'network' ? 'temporary' : 'account'
}

/** The error for a request whose answer never came, or came unreadable: the message may have gone out. */
export function unanswered(provider: ProviderId, error: unknown): SendError {
  const code = systemCode(error) ?? systemCode(error instanceof Error ? error.cause : undefined)
  return new SendError('temporary', `${provider} did not answer${code ? ` (${code})` : ''}`)
}

/**
 * The id of a message that was accepted.
 *
 * @throws {SendError} `temporary` where there is none: then it was not the provider that answered, but something
 *   between (a proxy's page, a portal)
 */
export function knownId(provider: ProviderId, id: unknown): string {
  if (typeof id === 'string' && id !== '') return id
  throw new SendError('temporary', `${provider} accepted the message without an id`)
}

function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return /^(E|UND_ERR_)[A-Z_]{2,30}$/.test(error.code) ? error.code : undefined
}

/**
 * Reads `Retry-After` (RFC 9110 §10.2.3: seconds, or an HTTP date).
 *
 * @returns milliseconds from `now`, at most a day; nothing for what cannot be read
 */
export function readRetryAfter(value: string | null | undefined, now = Date.now()): number | undefined {
  if (!value) return undefined
  const seconds = /^\s*\d{1,9}\s*$/.test(value)
  const waitMs = seconds ? Number(value) * 1000 : /[a-z]/i.test(value) ? Date.parse(value) - now : Number.NaN
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), LONGEST_WAIT_MS)
}

/**
 * Runs one request with a time limit over all of it, from the look-up of the name to the last byte of the answer.
 * Rejects the moment the limit passes or the caller aborts, whether or not `request` heeds its signal.
 *
 * @throws {SendError} `temporary` for the limit and the abort; what `request` throws is passed on
 */
export async function withTimeLimit<T>(
  provider: ProviderId,
  timeoutMs: number,
  callerSignal: AbortSignal | undefined,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abandoned = () => new SendError('temporary', `the request to ${provider} was abandoned`)
  if (callerSignal?.aborted) throw abandoned()
  const controller = new AbortController()
  const stopped = Promise.withResolvers<never>()
  const stop = (error: SendError) => {
    stopped.reject(error)
    controller.abort()
  }
  const onAbort = () => stop(abandoned())
  const timer = setTimeout(() => stop(new SendError('temporary', `${provider} did not answer in time`)), timeoutMs)
  callerSignal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([stopped.promise, request(controller.signal)])
  } finally {
    clearTimeout(timer)
    callerSignal?.removeEventListener('abort', onAbort)
  }
}
