/**
 * What happened to a campaign, with who and why.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import type { CampaignLogEntry, CampaignReport } from '../../postgres/campaign-reports.ts'
import { formatCount, formatPercent, renderTime } from '../format.ts'
import { eventWords } from './words.ts'

export function renderLog({ log, logEntries }: Pick<CampaignReport, 'log' | 'logEntries'>): SafeHtml {
  const older = logEntries - log.length
  return html`<ol class="log">${log.map(
    (
      entry,
    ) => html`<li>${renderTime(entry.at)} <div><b>${eventWords(entry.event)}</b> ${detailsOf(entry)} <small>by ${entry.by}${
      entry.claimed ? html` <span class="badge" title="Nobody has checked who it was">claimed</span>` : null
    }</small>${entry.why === null ? null : html`<q>${entry.why}</q>`}</div></li>
`,
  )}</ol>${older > 0 ? html`<p class="quiet">${formatCount(older)} older entries are not shown.</p>` : null}`
}

/** What an entry says beside its words: only what we know to hold nothing personal. */
function detailsOf({ data }: CampaignLogEntry): string {
  if (data === null) return ''
  const { wave, memberId, until, ratePerMinute, rollback, members, messages, negativeReceiptPercent } = data
  const said = [
    typeof wave === 'number' && `wave ${wave}`,
    typeof ratePerMinute === 'number' && (ratePerMinute === 0 ? 'no limit' : `${formatCount(ratePerMinute)} a minute`),
    typeof memberId === 'string' && `member ${memberId}`,
    typeof until === 'string' && `until ${until}`,
    typeof rollback === 'boolean' && (rollback ? 'with rollback' : 'without rollback'),
    typeof members === 'number' && `${formatCount(members)} members`,
    typeof messages === 'number' && `${formatCount(messages)} announcements`,
    typeof negativeReceiptPercent === 'number' && `${formatPercent(negativeReceiptPercent)} negative`,
  ]
  return said.filter((words) => words !== false).join(', ')
}
