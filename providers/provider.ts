/**
 * What a provider does: it takes one message and says what became of the request.
 */

/** One message, ready to be sent. Lives in memory only: it holds the code and a destination. */
export interface Message {
  /** Correlates the provider's records with ours; the challenge id, which is no personal data. */
  readonly reference: string
  /** E.164 with `+` for SMS, an address for e-mail. */
  readonly to: string
  /** A number or sender id for SMS, an address for e-mail. */
  readonly from: string
  readonly text: string
  /** D6: for how long it is worth delivering, where the provider can be told (SendGrid cannot); for ever where absent. */
  readonly ttlSeconds?: number
  /** E-mail only. */
  readonly subject?: string
  readonly html?: string
}

export interface Provider {
  readonly id: 'sendgrid' | 'vonage'
  /**
   * Hands one message to the provider.
   *
   * @returns the provider's message id
   * @throws {SendError} and nothing else; it holds neither the request, nor the code, nor credentials
   */
  send(message: Message, signal?: AbortSignal): Promise<string>
}

/** Who gets a message that is the same for all of them. */
export interface Recipient {
  /** Correlates the provider's records with ours. */
  readonly reference: string
  readonly to: string
}

/** A provider that takes one message for many in one request. */
export interface BatchProvider extends Provider {
  /**
   * Hands a message for up to 1,000 recipients to the provider: it takes all of them or none. None sees another.
   *
   * @returns the message id that all of them share
   * @throws {SendError} and nothing else
   */
  sendBatch(
    recipients: readonly Recipient[],
    message: Omit<Message, 'reference' | 'to'>,
    signal?: AbortSignal,
  ): Promise<string>
}

/**
 * Why a message was not accepted (D6).
 *
 * - `permanent`: the number or the address is bad; it will never be accepted
 * - `limited`: too many requests; try again after `retryAfterMs`
 * - `temporary`: the provider's trouble, or the connection's; try again
 * - `account`: our credentials, our account, our sender or our request; an alarm of ours, and never the destination's
 *   fault. Try again: an operator may mend it while the code lives
 *
 * In `temporary` after a lost answer the message may have gone out all the same.
 */
export type SendErrorKind = 'permanent' | 'limited' | 'temporary' | 'account'

export class SendError extends Error {
  override name = 'SendError'
  readonly kind: SendErrorKind
  readonly retryAfterMs: number | undefined

  constructor(kind: SendErrorKind, message: string, retryAfterMs?: number) {
    super(message)
    this.kind = kind
    this.retryAfterMs = retryAfterMs
  }
}
