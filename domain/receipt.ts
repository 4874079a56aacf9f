/**
 * Receipts (D7): what a provider says later about a message. Each is one event of the provider's, and stands for itself:
 * what became of a message follows from all of its receipts, whatever order they came in.
 */

/** `accepted` and `deferred` decide nothing; of `delivered` and `failed`, the one that happened later. */
export type ReceiptKind = 'accepted' | 'deferred' | 'delivered' | 'failed'

/** Whom a negative receipt blames; what that means, and for which of the providers' codes, says `providers/error-codes.ts`. */
export type Blame = 'destination' | 'network' | 'sender' | 'account'

/** Holds nothing personal: no number, no address, none of the provider's own words. */
export interface Receipt {
  /** The same for the same event, however often it is told. */
  readonly eventId: string
  /**
   * Ours, which the message carried: the id of a challenge, or of a notice. Null where the provider leaves it out; then
   * the challenge is found by its message.
   */
  readonly reference: string | null
  /** The provider's, or what begins with it; null where the provider leaves it out, and never so beside no reference. */
  readonly messageId: string | null
  readonly kind: ReceiptKind
  /** A short code: why deferred or failed. */
  readonly reason: string | null
  /** Of a failure; null for nobody that is known. */
  readonly blames: Blame | null
  /** ISO 8601, by the provider's clock; null where it says no time that can be read: then it happened when we were told. */
  readonly occurredAt: string | null
}

/**
 * An element of a webhook that is no receipt: `ignored`, about another message or another matter; `account`, about our
 * account at the provider; `bad`, nothing that can be read.
 */
export type NoReceipt = 'ignored' | 'account' | 'bad'

/** @returns null where a message carries no reference; undefined for somebody else's, which is no UUID */
export const ownReference = (reference: unknown): string | null | undefined => {
  if (reference === undefined || reference === null || reference === '') return null
  const isOurs = typeof reference === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(reference)
  return isOurs ? reference : undefined
}
