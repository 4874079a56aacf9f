/**
 * What the simulated providers accepted, as members would have received it. In memory: newest of a fixed number.
 */
import type { ScriptedReceipt } from './faults.ts'
import { languageOf } from './language.ts'

/** A message that a provider accepted. */
export interface Accepted {
  /** The provider's id, which later receipts name. */
  readonly id: string
  readonly channel: 'sms' | 'email'
  /** E.164 with `+`, or an address. */
  readonly to: string
  readonly from: string
  /** The sender's own reference; nothing where it gave none. */
  readonly reference: string | null
  readonly subject?: string
  readonly text: string
  readonly html?: string
}

/** `language` is guessed from the text: no provider is told it. `at` is ISO 8601 UTC. */
export type OutboxMessage = Accepted & { readonly language: string | null; readonly at: string }

/** What the provider has told of a message so far. */
export type DeliveryState = 'accepted' | ScriptedReceipt['status']

/** A message with what the page shows beside it; `number` counts all messages, also of one mail to several. */
export type OutboxEntry = OutboxMessage & { readonly number: number; readonly state: DeliveryState }

type Stored = Accepted & { readonly at: number; readonly number: number; state: DeliveryState }

export interface Outbox {
  /** @returns what tells the outbox what has become of the message */
  readonly add: (message: Accepted) => (state: DeliveryState) => void
  /**
   * Newest first.
   *
   * @param to a number with or without `+`, or an address in any case; without it, messages to all
   */
  list(to: string | undefined, limit: number): OutboxMessage[]
  /** The same messages with their states. */
  entries(to: string | undefined, limit: number): OutboxEntry[]
  clear(): void
}

export const OUTBOX_CAPACITY = 100_000

/** @param onAdded told of each message, those that are long forgotten included */
export function createOutbox(capacity = OUTBOX_CAPACITY, onAdded?: (message: Accepted) => void): Outbox {
  const ring: Stored[] = []
  const byDestination = new Map<string, Stored[]>()
  let added = 0

  const forget = (oldest: Stored | undefined) => {
    if (!oldest) return
    const key = destinationKey(oldest.to)
    const messages = byDestination.get(key)
    // The oldest of all is the oldest of its destination.
    messages?.shift()
    if (messages?.length === 0) byDestination.delete(key)
  }
  const add = (accepted: Accepted) => {
    const message: Stored = { ...accepted, at: Date.now(), number: added, state: 'accepted' }
    const key = destinationKey(message.to)
    const slot = added++ % capacity
    forget(ring[slot])
    ring[slot] = message
    const sameDestination = byDestination.get(key)
    if (sameDestination) sameDestination.push(message)
    else byDestination.set(key, [message])
    onAdded?.(accepted)
    return (state: DeliveryState) => void (message.state = state)
  }
  const newestOfAll = (limit: number) =>
    Array.from({ length: Math.min(limit, ring.length) }, (_, back) => ring[(added - 1 - back) % capacity]!)
  const newestTo = (to: string, limit: number) => (byDestination.get(destinationKey(to)) ?? []).slice(-limit).reverse()
  const newest = (to: string | undefined, limit: number) =>
    to === undefined ? newestOfAll(limit) : newestTo(to, limit)

  return {
    add,
    list: (to, limit) => newest(to, limit).map(present),
    entries: (to, limit) => newest(to, limit).map((stored) => ({ ...stored, ...present(stored) })),
    clear: () => {
      ring.length = 0
      added = 0
      byDestination.clear()
    },
  }
}

/** One spelling for a destination, however it was written. In a query string a bare `+` arrives as a space. */
export function destinationKey(to: string): string {
  return to.trim().replace(/^\+/, '').toLowerCase()
}

function present({ at, number: _number, state: _state, ...message }: Stored): OutboxMessage {
  const language = languageOf(`${message.subject ?? ''}\n${message.text}`)
  return { ...message, language, at: new Date(at).toISOString() }
}
