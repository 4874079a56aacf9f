/**
 * What became of a campaign's announcements, and of the SMS challenges of those it enforced: by wave and by carrier.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { CampaignRates, CampaignReport } from '../../postgres/campaign-reports.ts'
import { formatCount, formatPercent, percentOf } from '../format.ts'
import { renderBar } from './charts.ts'

/** Carriers that get a row of their own. */
const MOST_CARRIERS = 8

export function renderRates(rates: readonly CampaignRates[], { waves }: Pick<CampaignReport, 'waves'>): SafeHtml {
  const byWave = waves
    .filter(({ openedAt }) => openedAt !== null)
    .map(({ wave }) => ({ ...NOTHING, ...rates.find((each) => each.wave === wave), name: `Wave ${wave}` }))
  const carriers = rates.filter(({ carrier }) => carrier !== undefined).toSorted((a, b) => b.messages - a.messages)
  const byCarrier = carriers.slice(0, MOST_CARRIERS).map((each) => ({ ...each, name: carrierName(each.carrier!) }))
  const others = carriers.slice(MOST_CARRIERS)
  if (others.length > 0) byCarrier.push({ ...sumOf(others), name: `${others.length} more` })
  if (byWave.length === 0) return html`<p class="quiet">Nothing was sent yet.</p>`
  return html`<div class="pair">
${renderTable('By wave', 'Wave', byWave)}
${renderTable('By carrier', 'Carrier', byCarrier)}
</div>
<p class="quiet">Delivered: receipts said so, of the announcements that a provider took. Verified: of the SMS challenges of enforced members that ended since.</p>`
}

const NOTHING = { messages: 0, sendFailures: 0, delivered: 0, negativeReceipts: 0, challenges: 0, verified: 0 }
type Counts = typeof NOTHING

const sumOf = (rates: readonly CampaignRates[]): Counts =>
  rates.reduce<Counts>(
    (sum, each) => ({
      messages: sum.messages + each.messages,
      sendFailures: sum.sendFailures + each.sendFailures,
      delivered: sum.delivered + each.delivered,
      negativeReceipts: sum.negativeReceipts + each.negativeReceipts,
      challenges: sum.challenges + each.challenges,
      verified: sum.verified + each.verified,
    }),
    NOTHING,
  )

const NAMES: Readonly<Record<string, string>> = { docomo: 'docomo', au: 'au', softbank: 'SoftBank', rakuten: 'Rakuten' }
const carrierName = (carrier: string) => NAMES[carrier] ?? carrier.charAt(0).toUpperCase() + carrier.slice(1)

function renderTable(title: string, first: string, rows: readonly (Counts & { name: string })[]): SafeHtml {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table class="rates"><caption>${title}</caption>
<thead><tr><th scope="col">${first}</th><th scope="col" class="number">Sent</th><th scope="col">Delivered</th><th scope="col">Negative</th><th scope="col">Verified</th></tr></thead>
<tbody>${rows.map((row) => {
    const accepted = row.messages - row.sendFailures
    return html`<tr><th scope="row">${row.name}</th><td class="number">${formatCount(row.messages)}</td>${renderRate(row.delivered, accepted, 'good')}${renderRate(row.negativeReceipts, accepted, 'broken')}${renderRate(row.verified, row.challenges, 'good')}</tr>
`
  })}</tbody>
</table></div>`
}

function renderRate(part: number, whole: number, className: string): SafeHtml {
  const rate = percentOf(part, whole)
  return html`<td class="rate"><span>${formatPercent(rate)}</span> <small>${formatCount(part)} of ${formatCount(whole)}</small>${renderBar(rate ?? 0, 100, className)}</td>`
}
