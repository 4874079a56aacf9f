/**
 * SMS through Vonage's Messages API, by its own SDK (D1).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createPrivateKey } from 'node:crypto'
import { Auth } from '@vonage/auth'
import { Vonage } from '@vonage/server-sdk'
import debug from 'debug'
import { z } from 'zod'
import type { Blame } from '../domain/receipt.ts'
import { vonageBlame } from './error-codes.ts'
import { SendError } from './provider.ts'
import type { Message, Provider } from './provider.ts'
import { knownId, MOST_ANSWER_BYTES, readRetryAfter, refused, unanswered, withTimeLimit } from './send-errors.ts'

/** A JWT of the SDK's lives 15 minutes; one is used for this long. */
const JWT_REUSE_MS = 60_000

export interface VonageOptions {
  readonly applicationId: string
  /** PEM, RSA. */
  readonly privateKey: string
  /** Without a trailing slash: Vonage's own, or a simulator's. */
  readonly baseUrl: string
  /** After that the answer counts as lost. The SDK itself would wait for ever. */
  readonly timeoutMs: number
}

/**
 * A sender of SMS. Connections are kept alive by Node's own `fetch`.
 *
 * `send` resolves with Vonage's message id (`message_uuid`). It rejects with a {@link SendError} only: `limited` for
 * 429, with the wait of `Retry-After`; `permanent` for a 4xx that complains of the number; `account` for every other 4xx;
 * `temporary` for 5xx, 408, 425, a redirect, an answer that is too long, a lost connection, the time limit and an abort.
 *
 * @throws {Error} where the private key is none, at once rather than at the first message
 */
export function createVonage({ applicationId, privateKey, baseUrl, timeoutMs }: VonageOptions): Provider {
  assertRsaKey(privateKey)
  silenceSdk()
  const { messages } = new Vonage(authReusingJwt(applicationId, privateKey), { apiHost: baseUrl })
  const limits = new AsyncLocalStorage<AbortSignal>()
  boundRequests(messages, limits)

  const send = async (message: Message, signal?: AbortSignal): Promise<string> => {
    try {
      return await withTimeLimit('vonage', timeoutMs, signal, async (limit) => {
        const { messageUUID } = await limits.run(limit, () => messages.send(smsParams(message)))
        return knownId('vonage', messageUUID)
      })
    } catch (error) {
      throw await sendError(error)
    }
  }
  return { id: 'vonage', send }
}

/**
 * The `Authorization` header of an application, as its messages carry it.
 *
 * @throws {Error} where the private key is none
 */
export async function vonageAuthorization({
  applicationId,
  privateKey,
}: Pick<VonageOptions, 'applicationId' | 'privateKey'>): Promise<string> {
  assertRsaKey(privateKey)
  silenceSdk()
  return new Auth({ applicationId, privateKey }).createBearerHeader()
}

/** The Messages API names no least `ttl` of an SMS; Vonage's SMS API, to the same networks, takes 20 s and more. */
const LEAST_TTL_SECONDS = 20

function smsParams({ reference, to, from, text, ttlSeconds }: Message) {
  return {
    channel: 'sms',
    messageType: 'text',
    to: to.replace(/^\+/, ''),
    from,
    text,
    clientRef: reference,
    ...(ttlSeconds !== undefined && { ttl: Math.max(ttlSeconds, LEAST_TTL_SECONDS) }),
    // Vonage chooses by the text: GSM-7 where it can, so that English keeps its 160 characters.
    sms: { encodingType: 'auto' },
  } as const
}

/** Signing takes 0.65 ms of CPU (RS256, 2048 bits), more than the rest of a send: so one JWT serves a minute. */
function authReusingJwt(applicationId: string, privateKey: string): Auth {
  const auth = new Auth({ applicationId, privateKey })
  const sign = auth.createBearerHeader
  let header: Promise<string> | undefined
  let signedAt = 0
  auth.createBearerHeader = () => {
    if (!header || performance.now() - signedAt > JWT_REUSE_MS) {
      header = sign()
      signedAt = performance.now()
    }
    return header
  }
  return auth
}

function assertRsaKey(privateKey: string): void {
  let type: string | undefined
  try {
    type = createPrivateKey(privateKey).asymmetricKeyType
  } catch {
    type = undefined
  }
  if (type !== 'rsa') throw new Error("the Vonage application's private key cannot be read: it wants an RSA key in PEM")
}

/** With `DEBUG=*` the SDK prints the private key, and every number and text. */
function silenceSdk(): void {
  const enabled = debug.disable()
  debug.enable([enabled, '-vonage:*'].filter(Boolean).join(','))
}

/**
 * The SDK makes the request and reads the answer; what is between is ours. Its own way follows redirects, which would
 * carry the code to another place, reads an answer whatever its length, and takes no signal for a single request.
 *
 * @param limits holds the signal that ends the request under way
 */
function boundRequests(messages: Vonage['messages'], limits: AsyncLocalStorage<AbortSignal>): void {
  messages.sendRequest = async (request) => {
    const prepared = await messages['prepareRequest'](request)
    const answer = await fetch(prepared.url, {
      method: prepared.method,
      headers: prepared.headers ?? {},
      body: messages['prepareBody'](prepared) ?? null,
      redirect: 'manual',
      signal: limits.getStore() ?? null,
    })
    return messages['parseResponse'](prepared, await readBounded(answer))
  }
}

/**
 * The same answer with its body in memory, whatever its status: one that is left unread keeps its connection from being
 * used again.
 *
 * @throws {SendError} `temporary` where it is too long; the rest is not read
 */
async function readBounded({ body, status, headers }: Response): Promise<Response> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    if (bytes > MOST_ANSWER_BYTES) throw new SendError('temporary', 'vonage answered with more than an answer')
    chunks.push(chunk)
  }
  return new Response(bytes > 0 ? Buffer.concat(chunks) : null, { status, headers })
}

async function sendError(thrown: unknown): Promise<SendError> {
  if (thrown instanceof SendError) return thrown
  const response = thrown instanceof Error && 'response' in thrown ? thrown.response : undefined
  // A success that cannot be read is an answer lost on its way.
  if (!(response instanceof Response) || response.ok) return unanswered('vonage', thrown)
  const body: unknown = await response.json().catch(() => undefined)
  const retryAfterMs = readRetryAfter(response.headers.get('retry-after'))
  return refused('vonage', response.status, { retryAfterMs, blame: blameIn(body) })
}

const refusal = z.object({
  /** Ends with `#` and the code: of the Messages API a number, of all APIs a word. */
  type: z.string().optional().catch(undefined),
  invalid_parameters: z
    .array(z.object({ name: z.string() }))
    .optional()
    .catch(undefined),
})

function blameIn(body: unknown): Blame | null {
  const { data } = refusal.safeParse(body)
  const { type, invalid_parameters: invalid = [] } = data ?? {}
  if (invalid.length > 0) return invalid.every(({ name }) => name === 'to') ? 'destination' : 'sender'
  return vonageBlame(type?.split('#')[1])
}
