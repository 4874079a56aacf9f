/**
 * Receipts of the simulated providers: the events that follow a message, signed as theirs and posted to webhooks.
 */
import { createHash, createPrivateKey, randomBytes, randomUUID, sign } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { SignJWT } from 'jose'
import type { ScriptedReceipt } from './faults.ts'
import type { Accepted } from './outbox.ts'

/** Where receipts go, and what they are signed with; a provider without has none. */
export interface ReceiptOptions {
  readonly sendgrid?: {
    readonly webhookUrl: string
    /** Base64, PKCS #8, ECDSA P-256. */
    readonly privateKey: string
  }
  readonly vonage?: {
    readonly webhookUrl: string
    readonly apiKey: string
    readonly signatureSecret: string
  }
}

export interface Receipts {
  /**
   * Tells of an accepted message what the script says, in the background; without one, that it was delivered.
   *
   * @param onTold hears the newest of what was told, the first time that it is
   */
  readonly follow: (
    message: Accepted,
    script: readonly ScriptedReceipt[] | undefined,
    onTold: (status: ScriptedReceipt['status']) => void,
  ) => void
}

const DELIVERED: readonly ScriptedReceipt[] = [{ status: 'delivered', afterMs: 100 }]
/** An API that is away is asked again, as the providers do; they go on for a day. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000]
const ANSWER_WITHIN_MS = 5_000

interface Post {
  readonly url: string
  readonly body: string
  /** Made for each try, since a signature has its time. */
  readonly headers: () => Promise<Record<string, string>>
}

/** @param closing ends what is still to come */
export function createReceipts({ sendgrid, vonage }: ReceiptOptions, closing: AbortSignal): Receipts {
  const posts = {
    email: sendgrid && sendGridPost(sendgrid),
    sms: vonage && vonagePost(vonage),
  }
  return {
    follow(message, script = DELIVERED, onTold) {
      const post = posts[message.channel]
      if (post === undefined) return
      const acceptedAt = Date.now()
      let newest = 0
      script.forEach((receipt, place) => {
        // In the order of the script, whenever they arrive; SendGrid tells seconds only.
        const made = post(message, receipt, acceptedAt + place * 1000)
        const tell = () => {
          newest = Math.max(newest, place)
          onTold(script[newest]!.status)
        }
        for (let time = 0; time < (receipt.times ?? 1); time++) void deliver(made, receipt.afterMs, closing, tell)
      })
    },
  }
}

async function deliver({ url, body, headers }: Post, afterMs: number, closing: AbortSignal, onDue: () => void) {
  try {
    for (const pauseMs of [afterMs, ...PAUSES_MS]) {
      await wait(pauseMs, undefined, { signal: closing, ref: false })
      onDue()
      if (await isTaken(url, { body, headers: await headers() }, closing)) return
    }
  } catch {
    // The simulators stop.
  }
}

async function isTaken(url: string, { body, headers }: Pick<RequestInit, 'body' | 'headers'>, closing: AbortSignal) {
  try {
    const signal = AbortSignal.any([closing, AbortSignal.timeout(ANSWER_WITHIN_MS)])
    const answer = await fetch(url, { method: 'POST', body: body!, headers: headers!, redirect: 'error', signal })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

type MakePost = (message: Accepted, receipt: Pick<ScriptedReceipt, 'status' | 'code'>, at: number) => Post

/** The Event Webhook: an array of events; our custom arguments stand beside SendGrid's own fields. */
function sendGridPost({ webhookUrl, privateKey }: NonNullable<ReceiptOptions['sendgrid']>): MakePost {
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' })
  const more = {
    delivered: () => ({ event: 'delivered', response: '250 OK' }),
    deferred: () => ({ event: 'deferred', response: '400 try again later', attempt: '1' }),
    failed: (code = '5.1.1') => ({ event: 'bounce', type: 'bounce', status: code, reason: `550 ${code} refused` }),
  }
  return ({ id, to, reference }, { status, code }, at) => {
    const event = {
      email: to,
      timestamp: Math.floor(at / 1000),
      'smtp-id': `<${id}@simulator>`,
      ...more[status](code),
      sg_event_id: randomBytes(24).toString('base64url'),
      sg_message_id: `${id}.recvd-simulator-1-0.0`,
      ...(reference !== null && { reference }),
    }
    const body = `${JSON.stringify([event])}\r\n`
    const headers = async () => {
      const timestamp = String(Math.floor(Date.now() / 1000))
      return {
        'content-type': 'application/json;charset=utf-8',
        'x-twilio-email-event-webhook-timestamp': timestamp,
        'x-twilio-email-event-webhook-signature': sign('sha256', Buffer.from(timestamp + body), key).toString('base64'),
      }
    }
    return { url: webhookUrl, body, headers }
  }
}

/** The Messages API's status webhook. A deferral is none of its words: it has been submitted, and no more. */
function vonagePost({ webhookUrl, apiKey, signatureSecret }: NonNullable<ReceiptOptions['vonage']>): MakePost {
  const secret = Buffer.from(signatureSecret)
  const more = {
    delivered: () => ({
      status: 'delivered',
      usage: { currency: 'EUR', price: '0.0333' },
      sms: { count_total: '1' },
    }),
    deferred: () => ({ status: 'submitted' }),
    failed: (code = '1330') => ({
      status: 'undeliverable',
      error: {
        type: `https://developer.vonage.com/api-errors/messages#${code}`,
        title: code,
        detail: 'The message could not be delivered',
        instance: randomUUID(),
      },
    }),
  }
  return ({ id, to, from, reference }, { status, code }, at) => {
    const body = JSON.stringify({
      message_uuid: id,
      to: to.replace(/^\+/, ''),
      from,
      timestamp: new Date(at).toISOString(),
      channel: 'sms',
      ...more[status](code),
      ...(reference !== null && { client_ref: reference }),
    })
    const headers = async () => {
      const jwt = await new SignJWT({
        payload_hash: createHash('sha256').update(body).digest('hex'),
        api_key: apiKey,
      })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setIssuer('Vonage')
        .setIssuedAt()
        .setJti(randomUUID())
        .sign(secret)
      return { 'content-type': 'application/json', authorization: `Bearer ${jwt}` }
    }
    return { url: webhookUrl, body, headers }
  }
}
