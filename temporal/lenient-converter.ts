/**
 * The worker's payload converter: what cannot be decoded arrives as `undefined` instead of failing the workflow task,
 * and every task after it (C15). The handlers look at the shape of what they get, so one operator's typo stops nothing.
 *
 * Loaded by path, into the workflow sandbox too: it may import nothing but `@temporalio/common`.
 */
import { defaultPayloadConverter } from '@temporalio/common'
import type { Payload, PayloadConverter } from '@temporalio/common'

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload: <T>(payload: Payload): T => {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload)
    } catch {
      return undefined as T
    }
  },
}
