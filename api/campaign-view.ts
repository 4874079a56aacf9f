/**
 * Reports of campaigns as the API answers them: Postgres' times become ISO 8601 in UTC, to the millisecond.
 */
import type { CampaignStatus } from '../domain/campaign.ts'
import type { CampaignReport, CampaignSummary, MemberStanding } from '../postgres/campaign-reports.ts'
import { isoTime } from './iso-time.ts'
const isoOrNull = (time: string | null) => (time === null ? null : isoTime(time))

export function statusView(status: CampaignStatus) {
  const { campaignId, state, phase, pauseReason, wave, ratePerMinute, quietHours, changedMembers } = status
  return {
    campaignId,
    state,
    phase,
    pauseReason,
    wave,
    ratePerMinute,
    quietHours,
    changedMembers,
    counts: [...status.counts],
    notices: [...status.notices],
    startedAt: isoTime(status.startedAt),
    endedAt: isoOrNull(status.endedAt),
    waves: status.waves.map(({ verdict, ...wave }) => ({
      ...wave,
      openedAt: isoOrNull(wave.openedAt),
      drawnAt: isoOrNull(wave.drawnAt),
      bakeUntil: isoOrNull(wave.bakeUntil),
      passedAt: isoOrNull(wave.passedAt),
      verdict: verdict && { ...verdict, at: isoTime(verdict.at), reasons: [...verdict.reasons] },
    })),
  }
}

export const reportView = (report: CampaignReport) => ({
  ...statusView(report),
  plan: { ...report.plan, waves: [...report.plan.waves] },
  logEntries: report.logEntries,
  log: report.log.map((entry) => ({ ...entry, at: isoTime(entry.at) })),
})

export const summaryView = (summary: CampaignSummary) => ({
  ...summary,
  startedAt: isoTime(summary.startedAt),
  endedAt: isoOrNull(summary.endedAt),
})

export const memberView = ({ exemption, notices, ...standing }: MemberStanding) => ({
  ...standing,
  takenAt: isoOrNull(standing.takenAt),
  announcedAt: isoOrNull(standing.announcedAt),
  enforceAt: isoOrNull(standing.enforceAt),
  enforcedAt: isoOrNull(standing.enforcedAt),
  releasedAt: isoOrNull(standing.releasedAt),
  reconsiderAt: isoOrNull(standing.reconsiderAt),
  exemption: exemption && { ...exemption, until: isoTime(exemption.until), at: isoTime(exemption.at) },
  notices: notices.map((notice) => ({ ...notice, acceptedAt: isoOrNull(notice.acceptedAt) })),
})
