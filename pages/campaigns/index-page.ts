/**
 * All campaigns.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { CampaignSummary } from '../../postgres/campaign-reports.ts'
import { renderTime } from '../format.ts'

export function renderCampaigns(campaigns: readonly CampaignSummary[]): SafeHtml {
  if (campaigns.length === 0) {
    return html`<h1>Campaigns</h1>
<p class="lead">There is none yet.</p>
<p>See whom one would take, then start it: <code>npx otp campaign plan autumn</code>, <code>npx otp campaign start autumn --watch</code>.</p>`
  }
  return html`<h1>Campaigns</h1>
<section class="scroll" tabindex="0" aria-label="All campaigns"><table>
<thead><tr><th scope="col">Campaign</th><th scope="col">State</th><th scope="col">Wave</th><th scope="col">Started</th><th scope="col">Ended</th></tr></thead>
<tbody>${campaigns.map(
    ({ campaignId, state, wave, waves, startedAt, endedAt, pauseReason }) => html`<tr>
<th scope="row"><a href="/campaigns/${campaignId}">${campaignId}</a></th>
<td><span class="badge badge-${state}">${state}</span> ${pauseReason}</td>
<td>${wave === null ? `none of ${waves}` : `${wave} of ${waves}`}</td>
<td>${renderTime(startedAt)}</td>
<td>${endedAt === null ? '–' : renderTime(endedAt)}</td>
</tr>
`,
  )}</tbody>
</table></section>`
}
