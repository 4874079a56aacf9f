/**
 * What all workers know together of a provider (D6, D8). What it decides, and how, is written above the SQL in
 * `postgres/functions/25_provider_pace.sql`.
 */
import type { Config } from '../config.ts'
import type { Channel } from '../domain/challenge.ts'
import type { Challenge } from './challenges.ts'
import type { Sql } from './connect.ts'

/** How fast each channel's provider is called, and when it counts as dead; 0 is no limit. */
export type Pace = Readonly<Record<Channel, { readonly provider: string; readonly perSecond: number }>> & {
  /** Temporary failures in a row, of all workers. */
  readonly failuresBeforePause: number
  /** How often a dead provider is tried again, by one request. */
  readonly probeMs: number
  /** However long a provider asks to be left alone, one request asks again after so long. */
  readonly pauseMostMs: number
}

/** When a provider counts as dead, and how long a pause lasts before it is asked again. */
type PauseRules = Pick<Config<'providers'>['providers'], 'failuresBeforePause' | 'pauseMostMs'>

/** Who sends by a channel (D1). */
const PROVIDER_OF = { sms: { provider: 'vonage' }, email: { provider: 'sendgrid' } } as const

/** Often enough that a recovery is seen within a second, and nothing to a provider that is dead. */
const PROBE_MS = 1_000

export const paceOf = (
  { perSecond, failuresBeforePause, pauseMostMs }: PauseRules & Pick<Config<'providers'>['providers'], 'perSecond'>,
  providers: Readonly<Record<Channel, { readonly id: string }>>,
): Pace => ({
  sms: { provider: providers.sms.id, perSecond: perSecond.sms },
  email: { provider: providers.email.id, perSecond: perSecond.email },
  failuresBeforePause,
  probeMs: PROBE_MS,
  pauseMostMs,
})

/** What an admission asks of the providers: which of them takes codes now (C2). */
export const admissionPaceOf = ({ failuresBeforePause, pauseMostMs }: PauseRules) => ({
  ...PROVIDER_OF,
  failuresBeforePause,
  probeMs: PROBE_MS,
  pauseMostMs,
})

/** A wish to call a provider now. */
export interface SlotRequest {
  /** How far ahead a slot may be reserved. */
  readonly withinMs: number
  /** The slot that was reserved earlier has come. */
  readonly holdsSlot: boolean
}

/** The provider cannot be called now. */
export interface SlotWait {
  readonly kind: 'wait'
  /** After a 429; after too many failures; the configured number a second. */
  readonly why: 'limited' | 'dead' | 'busy'
  /** Until the slot where one is reserved, else until it is worth asking again. At least 1. */
  readonly inMs: number
  readonly isReserved: boolean
  readonly challenge: Challenge
  /** For so long a send could still begin; negative where it is too late. */
  readonly leftMs: number
}

/**
 * Tells all workers of a request that was not accepted. Call it only then.
 *
 * @param failure `pauseMs` goes with `limited`; `tookMs` is the time from the request to its end
 * @returns whether this call is the one that stopped the others
 */
export async function noteSendError(
  sql: Sql,
  failure: { provider: string; kind: 'permanent' | 'limited' | 'temporary'; pauseMs: number; tookMs: number },
  pace: Pace,
): Promise<boolean> {
  const { provider, kind, pauseMs, tookMs } = failure
  const [row] = await sql<[{ answer: boolean }]>`
    select note_send_error(
      ${provider}, ${kind}, ${Math.ceil(pauseMs)}, ${Math.ceil(tookMs)},
      ${sql.json(pace)}) as answer`
  return row.answer
}
