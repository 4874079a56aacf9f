/**
 * Receipts (D7): what a provider says later about a message. Each is one event of the provider's, and stands for itself:
 * what became of a message follows from all of its receipts, whatever order they came in.
 */

/** `accepted` and `deferred` decide nothing; of `delivered` and `failed`, the one that happened later. */
export type ReceiptKind = 'accepted' | 'deferred' | 'delivered' | 'failed'

/** Holds nothing personal: no number, no address, none of the provider's own words. */
export interface Receipt {
  /** The same for the same event, however often it is told. */
  readonly eventId: string
  /** Ours, which the message carried: the id of a challenge, or of a notice. */
  readonly reference: string
  /** The provider's, or what begins with it; null where the provider leaves it out. */
  readonly messageId: string | null
  readonly kind: ReceiptKind
  /** A short code: why deferred or failed. */
  readonly reason: string | null
  /** ISO 8601, by the provider's clock. */
  readonly occurredAt: string
}

/** An element of a webhook that is no receipt: about another message or another matter, or not in the provider's shape. */
export type NoReceipt = 'ignored' | 'bad'

/** Ids that are no UUID are references of somebody else's. */
export const isReference = (reference: unknown): reference is string =>
  typeof reference === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(reference)
