/**
 * Charts as SVG, drawn on the server. Colours come by classes from the style sheet; words stand beside them as text, so
 * that they are read at any width and by anybody.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import { scaleLinear, scaleUtc } from 'd3-scale'
import { area, line, stack, type SeriesPoint } from 'd3-shape'
import type { MemberState } from '../../domain/campaign.ts'
import { formatCount } from '../format.ts'
import { STACKED_STATES, STATE_WORDS } from './words.ts'

export interface Sample {
  readonly at: string
  readonly counts: Readonly<Partial<Record<MemberState, number>>>
}

/** Each as wide as it is shown, so that its text has the size of the page's. */
const SIZES = [
  { name: 'narrow', width: 328, height: 240 },
  { name: 'middle', width: 664, height: 280 },
  { name: 'wide', width: 1016, height: 320 },
] as const

const MARGIN = { top: 8, right: 12, bottom: 24, left: 48 }
const TOKYO_MS = 9 * 3_600_000
const A_DAY_MS = 86_400_000

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** Members by state over time, stacked; in the width that fits. At least two samples. */
export function renderHistory(samples: readonly Sample[]): SafeHtml {
  return html`<div class="history">${SIZES.map((size) => renderHistoryAt(samples, size))}</div>`
}

function renderHistoryAt(samples: readonly Sample[], { name, width, height }: (typeof SIZES)[number]): SafeHtml {
  // Tokyo has no summer time: moved by nine hours, the ticks of UTC are those of Tokyo.
  const times = samples.map(({ at }) => Date.parse(at) + TOKYO_MS)
  const total = (sample: Sample) => STACKED_STATES.reduce((sum, state) => sum + (sample.counts[state] ?? 0), 0)
  const x = scaleUtc([times[0]!, times.at(-1)!], [MARGIN.left, width - MARGIN.right])
  const y = scaleLinear([0, Math.max(...samples.map(total), 1)], [height - MARGIN.bottom, MARGIN.top]).nice(4)
  const layers = stack<Sample, MemberState>()
    .keys(STACKED_STATES)
    .value(({ counts }, state) => counts[state] ?? 0)(samples)
  const shape = area<SeriesPoint<Sample>>()
    .x((_, index) => x(times[index]!))
    .y0(([low]) => y(low))
    .y1(([, high]) => y(high))
    .digits(1)
  const edge = line<SeriesPoint<Sample>>()
    .x((_, index) => x(times[index]!))
    .y(([, high]) => y(high))
    .digits(1)
  const shown = layers.filter((layer) => layer.some(([low, high]) => high > low))
  const span = times.at(-1)! - times[0]!
  const label = new Intl.DateTimeFormat('en', {
    timeZone: 'UTC',
    ...(span > 3 * A_DAY_MS
      ? { month: 'short', day: 'numeric' }
      : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(span < 300_000 && { second: '2-digit' }) }),
  })
  const id = `history-${name}`
  return html`<svg class="${name}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc">
<title id="${id}-title">Members by state over time</title>
<desc id="${id}-desc">Stacked areas; the figures are in the table below.</desc>
<g class="grid">${y
    .ticks(4)
    .map(
      (tick) =>
        html`<line x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/><text class="y" x="${MARGIN.left - 8}" y="${round(y(tick))}">${compact.format(tick)}</text>`,
    )}${x
    .ticks(Math.floor(width / 110))
    .map((tick) => html`<text class="x" x="${round(x(tick))}" y="${height - 6}">${label.format(tick)}</text>`)}</g>
${shown.map(
  (
    layer,
  ) => html`<path class="state-${layer.key}" d="${shape(layer)}"><title>${STATE_WORDS[layer.key].word}</title></path><path class="edge" d="${edge(layer)}"/>
`,
)}</svg>`
}

const round = (value: number) => Math.round(value * 10) / 10

export interface Segment {
  /** Of the style sheet. */
  readonly className: string
  readonly label: string
  readonly count: number
}

/** Parts of a whole, side by side over the whole width. */
export function renderParts(segments: readonly Segment[], label: string): SafeHtml {
  const whole = segments.reduce((sum, { count }) => sum + count, 0)
  let from = 0
  const parts = segments.map(({ className, label, count }) => {
    const x = from
    from += whole === 0 ? 0 : (100 * count) / whole
    return count === 0
      ? null
      : html`<rect class="${className}" x="${round2(x)}" width="${round2(from - x)}" height="1"><title>${label}: ${formatCount(count)}</title></rect>`
  })
  const words = segments
    .filter(({ count }) => count > 0)
    .map((segment) => `${segment.label} ${formatCount(segment.count)}`)
    .join(', ')
  return html`<svg class="parts" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="${label}: ${words || 'nobody yet'}"><rect class="track" width="100" height="1"/>${parts}</svg>`
}

/**
 * A value on a track from 0 to `most`, and where its limit stands. Says nothing of its own: the figure stands beside it.
 *
 * @param className of the bar
 */
export function renderBar(value: number, most: number, className: string, limit?: number): SafeHtml {
  const x = scaleLinear([0, Math.max(most, Number.MIN_VALUE)], [0, 100]).clamp(true)
  const mark =
    limit === undefined
      ? null
      : html`<line class="limit" x1="${round2(x(limit))}" x2="${round2(x(limit))}" y1="0" y2="1"/>`
  return html`<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="1"/><rect class="${className}" width="${round2(x(value))}" height="1"/>${mark}</svg>`
}

const round2 = (value: number) => Math.round(value * 100) / 100
