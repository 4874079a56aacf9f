/**
 * Numbers and times as operators read them: English, and the clock of Tokyo, which the campaigns' quiet hours are told by.
 */
import { html, type SafeHtml } from '@remix-run/html-template'

const number = new Intl.NumberFormat('en')
export const formatCount = (count: number): string => number.format(count)

const percent = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
/** @param value in percent; null where there is nothing to divide by */
export const formatPercent = (value: number | null): string =>
  value === null ? '–' : `${percent.format(value)}\u00a0%`

/** In percent; null where there is nothing to divide by. */
export const percentOf = (part: number, whole: number): number | null => (whole === 0 ? null : (100 * part) / whole)

const clock = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'Asia/Tokyo',
  dateStyle: 'short',
  timeStyle: 'medium',
})

/** A moment, with the machine's reading of it. */
export const renderTime = (iso: string): SafeHtml => html`<time datetime="${iso}">${clock.format(new Date(iso))}</time>`

const DURATIONS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const

/** A length of time in its largest unit that fits: `24 hours`, `90 minutes`. */
export function formatSeconds(seconds: number): string {
  const [unit, size] = DURATIONS.find(([, size]) => seconds >= size && seconds % size === 0) ?? ['second', 1]
  const count = seconds / size
  return `${formatCount(count)} ${unit}${count === 1 ? '' : 's'}`
}
