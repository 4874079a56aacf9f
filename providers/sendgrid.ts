/**
 * E-mail through SendGrid's v3 Mail Send API, by its own SDK (D1).
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Client } from '@sendgrid/client'
import { MailService } from '@sendgrid/mail'
import type { MailData } from '@sendgrid/mail'
import { z } from 'zod'
import { asciiAddress } from '../domain/email-address.ts'
import type { Blame } from '../domain/receipt.ts'
import { SendError } from './provider.ts'
import type { BatchProvider, Message, Recipient } from './provider.ts'
import { knownId, MOST_ANSWER_BYTES, readRetryAfter, refused, unanswered, withTimeLimit } from './send-errors.ts'

export interface SendGridOptions {
  readonly apiKey: string
  /** Without a trailing slash: SendGrid's own, or a simulator's. */
  readonly baseUrl: string
  /** After that the answer counts as lost. The SDK itself would wait for ever. */
  readonly timeoutMs: number
}

/**
 * A sender of e-mail with its own connections, kept alive between messages.
 *
 * `send` resolves with SendGrid's message id (`X-Message-Id`, which its receipts begin with). It rejects with a
 * {@link SendError} only: `limited` for 429, with the wait of `Retry-After` or `X-RateLimit-Reset`; `permanent` for a 4xx
 * that complains of the recipient, and for a domain that cannot be written in ASCII, with which no request is made;
 * `account` for every other 4xx; `temporary` for 5xx, 408, 425, a redirect, an answer that is too long, a lost connection,
 * the time limit and an abort.
 */
export function createSendGrid({ apiKey, baseUrl, timeoutMs }: SendGridOptions): BatchProvider {
  const httpAgent = new HttpAgent({ keepAlive: true })
  const httpsAgent = new HttpsAgent({ keepAlive: true })

  // A client per message, because the SDK takes no signal for a single request. It is a few small objects; the
  // connections belong to the agents.
  const mailService = (signal: AbortSignal): MailService => {
    const client = new Client()
    client.setDefaultRequest({
      baseUrl,
      signal,
      httpAgent,
      httpsAgent,
      // A redirect would carry the code to another place.
      maxRedirects: 0,
      maxContentLength: MOST_ANSWER_BYTES,
      // The base URL says where requests go; the SDK's HTTP client would look into the environment for a proxy.
      proxy: false,
    })
    // Not by setApiKey: it points the client back at SendGrid, and complains on the console about a simulator's key.
    client.setDefaultHeader('Authorization', `Bearer ${apiKey}`)
    const service = new MailService()
    service.setClient(client)
    return service
  }

  const sendBatch: BatchProvider['sendBatch'] = async (recipients, message, signal) => {
    const mail = mailData(recipients, message)
    try {
      const [response] = await withTimeLimit('sendgrid', timeoutMs, signal, (limit) => mailService(limit).send(mail))
      return knownId('sendgrid', header(response.headers, 'x-message-id'))
    } catch (error) {
      throw sendError(error)
    }
  }
  return {
    id: 'sendgrid',
    send: ({ reference, to, ...message }, signal) => sendBatch([{ reference, to }], message, signal),
    sendBatch,
  }
}

/** The argument stands with its personalization: at the top, SendGrid's description and SendGrid disagree on its type. */
function personalization({ reference, to }: Recipient) {
  const address = asciiAddress(to)
  if (address === undefined) throw new SendError('permanent', 'the domain of the address cannot be written in ASCII')
  return { to: address, customArgs: { reference } }
}

function mailData(
  recipients: readonly Recipient[],
  { from, subject = '', text, html }: Omit<Message, keyof Recipient>,
): MailData {
  return {
    personalizations: recipients.map(personalization),
    from,
    subject,
    content: [{ type: 'text/plain', value: text }, ...(html ? [{ type: 'text/html', value: html }] : [])],
    // Each of these, where the account has it on, would write a link or a picture into the message (D5: no links).
    trackingSettings: {
      clickTracking: { enable: false, enableText: false },
      openTracking: { enable: false },
      subscriptionTracking: { enable: false },
      ganalytics: { enable: false },
    },
  }
}

function sendError(error: unknown): SendError {
  if (error instanceof SendError) return error
  // The SDK's ResponseError: `code` is the status.
  if (error instanceof Error && 'code' in error && typeof error.code === 'number' && 'response' in error) {
    const { headers, body } = error.response as { headers: unknown; body?: unknown }
    const retryAfterMs = readRetryAfter(header(headers, 'retry-after')) ?? untilReset(headers)
    return refused('sendgrid', error.code, { retryAfterMs, blame: blameIn(body) })
  }
  return unanswered('sendgrid', error)
}

const refusal = z.object({ errors: z.array(z.object({ field: z.string() })).min(1) })
const RECIPIENT = /^personalizations\.\d+\.to(\.|$)/

/** Every mistake that SendGrid found has a field; what is no recipient's is ours. */
function blameIn(body: unknown): Blame | null {
  const { data } = refusal.safeParse(body)
  if (data === undefined) return null
  return data.errors.every(({ field }) => RECIPIENT.test(field)) ? 'destination' : 'sender'
}

/** SendGrid's own word for when its limit ends: seconds since 1970. */
function untilReset(headers: unknown): number | undefined {
  const reset = Number(header(headers, 'x-ratelimit-reset'))
  return reset > 0 ? readRetryAfter(new Date(reset * 1000).toUTCString()) : undefined
}

function header(headers: unknown, name: string): string | undefined {
  const value = (headers as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : undefined
}
