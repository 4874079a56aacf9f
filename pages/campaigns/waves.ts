/**
 * The waves of a campaign: how far each is, and where its gate stands.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { CampaignPlan, GateVerdict } from '../../domain/campaign.ts'
import type { CampaignFigures, CampaignRates, CampaignReport } from '../../postgres/campaign-reports.ts'
import { formatCount, formatPercent, formatSeconds, percentOf, renderTime } from '../format.ts'
import { renderBar, renderParts } from './charts.ts'
import { isStopped, STACKED_STATES, STATE_WORDS } from './words.ts'

type Wave = CampaignReport['waves'][number]
type Gate = CampaignPlan['waves'][number]['gate']

export function renderWaves(report: CampaignReport, figures: CampaignFigures | undefined): SafeHtml {
  return html`<ol class="waves">${report.waves.map((wave) => renderWave(wave, report, figures))}</ol>`
}

function renderWave(wave: Wave, report: CampaignReport, figures: CampaignFigures | undefined): SafeHtml {
  const planned = report.plan.waves[wave.wave - 1]!
  const segments = STACKED_STATES.map((state) => ({
    className: `state-${state}`,
    label: STATE_WORDS[state].word,
    count: report.counts
      .filter((group) => group.wave === wave.wave && group.state === state)
      .reduce((sum, { members }) => sum + members, 0),
  }))
  const taken = segments.reduce((sum, { count }) => sum + count, 0)
  const parts = segments.filter(({ count }) => count > 0)
  const seen = figures?.rates.find((rates) => rates.wave === wave.wave)
  return html`<li class="${wave.openedAt === null ? 'wave to-come' : 'wave'}">
<h3>Wave ${wave.wave} <small>up to ${formatPercent(wave.percent)} of all members</small></h3>
<p>${stateOf(wave, report)}</p>
${
  wave.openedAt === null
    ? null
    : html`${renderParts(segments, `Members of wave ${wave.wave}`)}
<ul class="legend">${parts.map(({ className, label, count }) => html`<li class="${className.replace('state', 'key')}">${label} <b>${formatCount(count)}</b></li>`)}<li>of <b>${formatCount(taken)}</b></li></ul>
`
}${renderGate(wave, planned, seen)}
</li>
`
}

function stateOf(standing: Wave, report: CampaignReport): SafeHtml {
  const { openedAt, drawnAt, bakeUntil, passedAt, verdict, wave } = standing
  const { bakeSeconds } = report.plan.waves[wave - 1]!
  const bake = bakeSeconds === 0 ? 'without a bake' : `with a bake of ${formatSeconds(bakeSeconds)}`
  if (openedAt === null) return html`<span class="step">To come</span> ${bake}`
  if (passedAt !== null) {
    const how = verdict === null || verdict.verdict !== 'passed' ? ', the bake skipped' : ''
    return html`<span class="step step-passed">Passed</span> ${renderTime(passedAt)}${how}; opened ${renderTime(openedAt)}`
  }
  if (report.state === 'aborted') return html`<span class="step">Aborted</span> opened ${renderTime(openedAt)}`
  if (isStopped(standing, report.state)) {
    return html`<span class="step step-stopped">Stopped</span> by its gate; it bakes again when the campaign is resumed`
  }
  if (bakeUntil !== null) return html`<span class="step step-now">Baking</span> until ${renderTime(bakeUntil)}`
  const word = drawnAt === null ? 'Drawing' : 'Announcing'
  return html`<span class="step step-now">${word}</span> opened ${renderTime(openedAt)}, ${bake}`
}

const VERDICTS: Readonly<Record<GateVerdict['verdict'], string>> = {
  passed: 'passed',
  failed: 'failed',
  inconclusive: 'inconclusive: too little data',
}

/** What the gate saw when it judged; until then what it would see, beside its limits. */
function renderGate({ verdict, openedAt }: Wave, { gate }: { gate: Gate }, rates: CampaignRates | undefined): SafeHtml {
  if (openedAt === null) return html`<p class="quiet">Its gate: ${limitsOf(gate).join('; ')}.</p>`
  const judged =
    verdict === null
      ? html`Gate, not judged yet: what is seen so far`
      : html`Gate <b class="verdict-${verdict.verdict}">${VERDICTS[verdict.verdict]}</b> at ${renderTime(verdict.at)}: what it saw`
  const seen = verdict ?? rates
  const sent = seen?.messages ?? 0
  const accepted = sent - (seen?.sendFailures ?? 0)
  return html`<table class="gate bars"><caption>${judged}</caption>
<thead><tr><th scope="col">Figure</th><th scope="col" class="number">Seen</th><th scope="col" class="number">Limit</th><td></td></tr></thead>
<tbody>
${renderLimit('Send failures', percentOf(seen?.sendFailures ?? 0, sent), gate.maxSendFailurePercent, 'at most')}
${renderLimit('Negative receipts', percentOf(seen?.negativeReceipts ?? 0, accepted), gate.maxNegativeReceiptPercent, 'at most')}
${renderLimit('Verified challenges', percentOf(seen?.verified ?? 0, seen?.challenges ?? 0), gate.minVerifiedPercent, 'at least')}
${renderLeast('Announcements', sent, gate.minMessages)}
${renderLeast('Ended challenges', seen?.challenges ?? 0, gate.minChallenges)}
</tbody></table>`
}

const limitsOf = (gate: Gate) => [
  `send failures at most ${formatPercent(gate.maxSendFailurePercent)}`,
  `negative receipts at most ${formatPercent(gate.maxNegativeReceiptPercent)}`,
  `verified challenges at least ${formatPercent(gate.minVerifiedPercent)}`,
  ...(gate.minMessages > 0 ? [`judged from ${formatCount(gate.minMessages)} announcements on`] : []),
  ...(gate.minChallenges > 0 ? [`judged from ${formatCount(gate.minChallenges)} ended challenges on`] : []),
]

function renderLimit(name: string, seen: number | null, limit: number, kind: 'at most' | 'at least'): SafeHtml {
  const isHeld = seen === null || (kind === 'at most' ? seen <= limit : seen >= limit)
  // A limit of a few percent stands where it can be seen.
  const most = kind === 'at most' ? Math.max(2 * limit, seen ?? 0, 1) : 100
  return html`<tr><th scope="row">${name}</th><td class="number">${renderSeen(formatPercent(seen), isHeld)}</td><td class="number">${kind} ${formatPercent(limit)}</td><td class="grow">${renderBar(seen ?? 0, most, isHeld ? 'held' : 'broken', limit)}</td></tr>`
}

/** With less the gate is inconclusive. */
function renderLeast(name: string, seen: number, least: number): SafeHtml {
  return html`<tr><th scope="row">${name}</th><td class="number">${renderSeen(formatCount(seen), seen >= least)}</td><td class="number">${least === 0 ? '–' : `at least ${formatCount(least)}`}</td><td class="grow"></td></tr>`
}

const renderSeen = (seen: string, isHeld: boolean) => (isHeld ? seen : html`<b class="off">${seen}</b>`)
