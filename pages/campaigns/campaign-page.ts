/**
 * The page of one campaign (O3): where it stands, its members over time, its waves and their gates, whom it excludes,
 * what became of its messages, and its log.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { CampaignFigures, CampaignReport } from '../../postgres/campaign-reports.ts'
import { formatCount, formatPercent, formatSeconds, percentOf, renderTime } from '../format.ts'
import { renderBar, renderHistory, type Sample } from './charts.ts'
import { renderLog } from './log.ts'
import { renderRates } from './rates.ts'
import { renderWaves } from './waves.ts'
import { phaseSentence, REASON_WORDS, STACKED_STATES, STATE_WORDS } from './words.ts'

export interface CampaignPage {
  readonly report: CampaignReport
  /** Absent where they could not be had in time. */
  readonly figures: CampaignFigures | undefined
  /** When it was looked at, ISO 8601. */
  readonly at: string
  /** After how many seconds the page renews itself; absent where it does not. */
  readonly renewSeconds?: number | undefined
}

export function renderCampaign(page: CampaignPage): SafeHtml {
  const { report, figures } = page
  return html`${renderHead(page)}
${renderTiles(report)}
<section aria-labelledby="over-time">
<h2 id="over-time">Members over time</h2>
${figures === undefined ? LATE : renderOverTime(report, figures, page.at)}
</section>
<section aria-labelledby="waves">
<h2 id="waves">Waves</h2>
${renderWaves(report, figures)}
</section>
<section aria-labelledby="exclusions">
<h2 id="exclusions">Excluded, by reason</h2>
${renderExclusions(report)}
</section>
<section aria-labelledby="rates">
<h2 id="rates">Delivery and verification</h2>
${figures === undefined ? LATE : renderRates(figures.rates, report)}
</section>
<section aria-labelledby="log">
<h2 id="log">Log</h2>
${renderLog(report)}
</section>`
}

const LATE = html`<p class="quiet">These figures could not be counted in time. The page asks again when it is loaded anew.</p>`

function renderHead({ report, at, renewSeconds }: CampaignPage): SafeHtml {
  const { campaignId, state, pauseReason, ratePerMinute, quietHours, startedAt, endedAt, changedMembers } = report
  const renewal =
    renewSeconds === undefined
      ? html`<a href="/campaigns/${campaignId}">Look again</a>`
      : html`it renews itself every ${formatSeconds(renewSeconds)}: <a href="?still">hold it still</a>`
  const warning =
    state !== 'paused'
      ? null
      : html`<p class="warning" role="status"><b>Paused</b>${pauseReason === null ? '' : `: ${pauseReason}`}. Nobody is sent a notice and nothing is enforced until <code>otp campaign resume ${campaignId} --why …</code></p>`
  return html`<header class="head">
<h1>${campaignId} <span class="badge badge-${state}">${state}</span></h1>
<p class="lead">${phaseSentence(report)}</p>
${warning}
<dl class="facts">
<div><dt>Started</dt><dd>${renderTime(startedAt)}</dd></div>
${endedAt === null ? null : html`<div><dt>Ended</dt><dd>${renderTime(endedAt)}</dd></div>`}
<div><dt>Rate</dt><dd>${ratePerMinute === 0 ? 'no limit' : `${formatCount(ratePerMinute)} a minute`}</dd></div>
<div><dt>Quiet hours</dt><dd>${quietHours === null ? 'none' : `${quietHours.from} to ${quietHours.to}`}</dd></div>
<div><dt>Changes to look at</dt><dd>${formatCount(changedMembers)}</dd></div>
</dl>
<p class="quiet">As of ${renderTime(at)}, Tokyo; ${renewal}.</p>
</header>`
}

/** How many members are in each state. */
function countsOf({ counts }: Pick<CampaignReport, 'counts'>): Sample['counts'] {
  const byState: Partial<Record<(typeof STACKED_STATES)[number], number>> = {}
  for (const { state, members } of counts) byState[state] = (byState[state] ?? 0) + members
  return byState
}

function renderTiles(report: CampaignReport): SafeHtml {
  const counts = countsOf(report)
  const taken = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const shown = STACKED_STATES.filter((state) => state !== 'rolled_back' || counts[state] !== undefined)
  return html`<ul class="tiles">
<li><b>${formatCount(taken)}</b><span>Taken</span><small>members, by all waves until now</small></li>
${shown.map((state) => {
  const count = counts[state] ?? 0
  const { word, meaning } = STATE_WORDS[state]
  return html`<li class="tile-${state}"><b>${formatCount(count)}</b><span>${word}</span><small>${formatPercent(percentOf(count, taken))}: ${meaning}</small></li>\n`
})}</ul>`
}

function renderOverTime(report: CampaignReport, { history }: CampaignFigures, at: string): SafeHtml {
  const now = report.endedAt ?? at
  const between = history.filter((sample) => Date.parse(sample.at) < Date.parse(now))
  const samples: Sample[] = [{ at: report.startedAt, counts: {} }, ...between, { at: now, counts: countsOf(report) }]
  if (report.counts.length === 0) return html`<p class="quiet">There is nothing to draw yet.</p>`
  const states = STACKED_STATES.filter((state) => samples.some(({ counts }) => (counts[state] ?? 0) > 0))
  return html`${renderHistory(samples)}
<ul class="legend">${states.map((state) => html`<li class="key-${state}">${STATE_WORDS[state].word}</li>`)}</ul>
<details><summary>The same as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Members over time"><table>
<thead><tr><th scope="col">Time</th>${states.map((state) => html`<th scope="col" class="number">${STATE_WORDS[state].word}</th>`)}</tr></thead>
<tbody>${few(samples).map(
    (sample) => html`<tr><th scope="row">${renderTime(sample.at)}</th>${states.map(
      (state) => html`<td class="number">${formatCount(sample.counts[state] ?? 0)}</td>`,
    )}</tr>
`,
  )}</tbody>
</table></div></details>`
}

const ROWS = 24
/** Every nth sample, from the newest back: as many as one reads. */
const few = (samples: readonly Sample[]) => {
  const step = Math.ceil(samples.length / ROWS)
  return samples.filter((_, index) => (samples.length - 1 - index) % step === 0).reverse()
}

function renderExclusions({ counts }: CampaignReport): SafeHtml {
  const byReason = new Map<keyof typeof REASON_WORDS, number>()
  for (const { reason, members } of counts)
    if (reason !== null) byReason.set(reason, (byReason.get(reason) ?? 0) + members)
  if (byReason.size === 0) return html`<p class="quiet">Nobody is excluded.</p>`
  const reasons = [...byReason].toSorted(([, a], [, b]) => b - a)
  const most = reasons[0]![1]
  const all = reasons.reduce((sum, [, members]) => sum + members, 0)
  return html`<table class="bars">
<thead><tr><th scope="col">Reason</th><th scope="col" class="number">Members</th><th scope="col" class="number">Share</th><td></td></tr></thead>
<tbody>${reasons.map(
    ([
      reason,
      members,
    ]) => html`<tr><th scope="row">${REASON_WORDS[reason]}</th><td class="number">${formatCount(members)}</td><td class="number">${formatPercent(percentOf(members, all))}</td><td class="grow">${renderBar(members, most, 'state-excluded')}</td></tr>
`,
  )}</tbody>
</table>
<p class="quiet">Excluded and released members, by the first reason that holds. Each is judged again when something about them changes.</p>`
}
