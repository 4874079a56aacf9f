/**
 * What operators type about a campaign, as the API wants it. Each parser refuses with words for people.
 */
import { readFile } from 'node:fs/promises'
import { InvalidArgumentError } from '@commander-js/extra-typings'
import ms, { type StringValue } from 'ms'
import type { PlanBody } from '../api/campaign-schemas.ts'
import { DEFAULT_WAVE_PERCENTS } from '../domain/campaign.ts'
import { CliFailure } from './failure.ts'

type Plan = NonNullable<PlanBody['plan']>

const NUMBER = /^\d+(?:\.\d+)?$/
/** A number alone would be milliseconds, which nobody means. */
const DURATION = /^\d+(?:\.\d+)? ?[a-z]+$/i

/** `24h`, `90 minutes`, `30s`. @returns milliseconds */
export function parseDuration(text: string): number {
  const duration = DURATION.test(text) ? ms(text as StringValue) : undefined
  if (duration === undefined) throw new InvalidArgumentError('Wants a duration such as 24h, 90m or 30s.')
  return duration
}

export function parseWaves(text: string): number[] {
  const waves = text.split(',').map((wave) => wave.trim().replace(/ ?%$/, ''))
  if (!waves.every((wave) => NUMBER.test(wave))) {
    throw new InvalidArgumentError('Wants percentages of all members, rising, such as 1,5,25,100.')
  }
  return waves.map(Number)
}

export function parseRate(text: string): number {
  if (text === 'none') return 0
  if (!/^\d{1,8}$/.test(text))
    throw new InvalidArgumentError('Wants members a minute such as 600, or none for no limit.')
  return Number(text)
}

type QuietHours = 'none' | { readonly from: string; readonly to: string }

export function parseQuietHours(text: string): QuietHours {
  if (text === 'none') return text
  const [, from, to] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? []
  if (from === undefined || to === undefined) {
    throw new InvalidArgumentError('Wants hours in Tokyo such as 21:00-09:00, or none.')
  }
  return { from, to }
}

/** A day in Tokyo, a moment with its zone, or a duration from now. @returns ISO 8601 */
export function parseUntil(text: string): string {
  if (DURATION.test(text)) return new Date(Date.now() + parseDuration(text)).toISOString()
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text)
  const at = Date.parse(isDay ? `${text}T00:00:00+09:00` : text)
  if (Number.isNaN(at) || !(isDay || /T.*(?:Z|[+-]\d\d:\d\d)$/.test(text))) {
    throw new InvalidArgumentError(
      'Wants a day as 2027-01-31, a time as 2027-01-31T12:00:00+09:00, or a duration as 30d.',
    )
  }
  return new Date(at).toISOString()
}

export interface PlanOptions {
  readonly plan?: string | undefined
  readonly waves?: number[] | undefined
  readonly rate?: number | undefined
  /** In milliseconds. */
  readonly bake?: number | undefined
  readonly quiet?: QuietHours | undefined
}

/** The plan of a file, or of the options; what neither says the API fills in. */
export async function planOf({ plan, waves, rate, bake, quiet }: PlanOptions): Promise<Plan> {
  if (plan !== undefined) return readPlan(plan)
  const bakes = bake === undefined ? {} : { bakeSeconds: Math.round(bake / 1000) }
  const percents = waves ?? (bake === undefined ? undefined : DEFAULT_WAVE_PERCENTS)
  return {
    ...(rate !== undefined && { ratePerMinute: rate }),
    ...(quiet !== undefined && { quietHours: quiet === 'none' ? null : quiet }),
    ...(percents && { waves: percents.map((percent) => ({ percent, ...bakes })) }),
  }
}

/**
 * A plan in JSON, or what `plan --json` answered. Only that it is JSON is checked here: the API tells what is wrong with a
 * plan, by field.
 */
async function readPlan(file: string): Promise<Plan> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CliFailure('usage', `${file} cannot be read (${code}).`)
  })
  try {
    const value: unknown = JSON.parse(text)
    return (typeof value === 'object' && value !== null && 'plan' in value ? value.plan : value) as Plan
  } catch {
    throw new CliFailure('usage', `${file} is not JSON. otp campaign plan <campaign> --json shows a plan.`)
  }
}
