/**
 * SMS through Vonage's Messages API, by its own SDK (D1).
 */
import { createPrivateKey } from 'node:crypto'
import { Auth } from '@vonage/auth'
import { Vonage } from '@vonage/server-sdk'
import debug from 'debug'
import { SendError } from './provider.ts'
import type { Message, Provider } from './provider.ts'
import { knownId, readRetryAfter, refused, unanswered, withTimeLimit } from './send-errors.ts'

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
 * A sender of SMS. Connections are kept alive by Node's own `fetch`, which the SDK uses.
 *
 * `send` resolves with Vonage's message id (`message_uuid`). It rejects with a {@link SendError} only: `limited` for
 * 429, with the wait of `Retry-After`; `permanent` for 4xx; `temporary` for 5xx, 408, 425, a lost connection, the time
 * limit and an abort, and for 401 and 402 as well, since an operator can mend our account while the code lives. An
 * abort rejects at once; the request that it leaves behind is ended by the time limit, the SDK taking no signal.
 *
 * @throws {Error} where the private key is none, at once rather than at the first message
 */
export function createVonage({ applicationId, privateKey, baseUrl, timeoutMs }: VonageOptions): Provider {
  assertRsaKey(privateKey)
  silenceSdk()
  const vonage = new Vonage(authReusingJwt(applicationId, privateKey), {
    apiHost: baseUrl,
    timeout: timeoutMs,
  })

  const send = async (message: Message, signal?: AbortSignal): Promise<string> => {
    try {
      return await withTimeLimit('vonage', timeoutMs, signal, async () => {
        const { messageUUID } = await vonage.messages.send(smsParams(message)).catch(freeConnection)
        return knownId('vonage', messageUUID)
      })
    } catch (error) {
      throw sendError(error)
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

/** The SDK leaves the body of a refusal unread, which keeps its connection from being used again. */
async function freeConnection(error: unknown): Promise<never> {
  await answer(error)?.arrayBuffer()
  throw error
}

function sendError(error: unknown): SendError {
  if (error instanceof SendError) return error
  const response = answer(error)
  // A success that cannot be read is an answer lost on its way.
  if (!response || response.ok) return unanswered('vonage', error)
  return refused('vonage', response.status, readRetryAfter(response.headers.get('retry-after')))
}

function answer(error: unknown): Response | undefined {
  return error instanceof Error && 'response' in error && error.response instanceof Response
    ? error.response
    : undefined
}
