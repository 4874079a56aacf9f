/**
 * A place in a trace as text (W3C Trace Context): `00-<trace id>-<span id>-<flags>`. Of what a caller sends beside it
 * (`tracestate`, baggage) nothing is read: it could hold anything.
 *
 * No import: the workflow sandbox loads this too.
 */

export interface TracePlace {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  /** Whether the trace is recorded; `undefined` where that is still to be decided, by the trace id. */
  readonly sampled: boolean | undefined
}

const TRACEPARENT = /^(00|ff)-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/
/** No version of the standard: ours, between our own processes. */
const UNDECIDED = 'ff'
const SAMPLED_BIT = 1

/** @returns `undefined` for whatever is no place in a trace */
export function readTraceparent(value: unknown): TracePlace | undefined {
  if (typeof value !== 'string') return undefined
  const [, version, traceId, spanId, flags] = TRACEPARENT.exec(value) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  const isSampled = (Number.parseInt(flags, 16) & SAMPLED_BIT) === SAMPLED_BIT
  return { traceId, spanId, sampled: version === UNDECIDED ? undefined : isSampled }
}

/** The inverse of {@link readTraceparent}. */
export function writeTraceparent({ traceId, spanId, sampled }: TracePlace): string {
  return `${sampled === undefined ? UNDECIDED : '00'}-${traceId}-${spanId}-${sampled === true ? '01' : '00'}`
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const SPAN_DIGITS = 16

/**
 * The trace of a challenge that nobody's trace began, a start by a plain Temporal client: its id is the challenge's.
 *
 * @returns `undefined` for what is no UUID
 */
export function placeOfChallenge(challengeId: unknown): TracePlace | undefined {
  if (typeof challengeId !== 'string' || !UUID.test(challengeId)) return undefined
  const traceId = challengeId.replaceAll('-', '')
  return { traceId, spanId: traceId.slice(-SPAN_DIGITS), sampled: undefined }
}
