/**
 * What the Web UI shows of a campaign (O1): a table of its waves, in Markdown.
 */
import { MEMBER_STATES, type CampaignStatus, type MemberState } from '../domain/campaign.ts'

export function campaignDetails(status: CampaignStatus): string {
  const { campaignId, state, phase, pauseReason, wave, waves, counts, ratePerMinute, changedMembers } = status
  const members = (of: (group: CampaignStatus['counts'][number]) => boolean) =>
    counts.filter(of).reduce((sum, group) => sum + group.members, 0)
  const cell = (number: number) => (group: MemberState) =>
    members((counted) => counted.wave === number && counted.state === group)
  const reasons = [...new Set(counts.map(({ reason }) => reason))].filter((reason) => reason !== null)
  return [
    [
      `**${campaignId}**: ${state}`,
      ...(wave === null ? [] : [`wave ${wave} of ${waves.length}`]),
      phase,
      ...(pauseReason === null ? [] : [pauseReason]),
    ].join(', '),
    '',
    `| wave | of all | ${MEMBER_STATES.join(' | ')} | gate |`,
    `| --- | --- | ${MEMBER_STATES.map(() => '---').join(' | ')} | --- |`,
    ...waves.map(
      ({ wave: number, percent, verdict }) =>
        `| ${number} | ${percent} % | ${MEMBER_STATES.map(cell(number)).join(' | ')} | ${verdict?.verdict ?? ''} |`,
    ),
    '',
    `Rate: ${ratePerMinute === 0 ? 'no limit' : `${ratePerMinute} a minute`}. Changed members to look at: ${changedMembers}.`,
    ...(reasons.length === 0
      ? []
      : ['', ...reasons.map((reason) => `- ${reason}: ${members((counted) => counted.reason === reason)}`)]),
  ].join('\n')
}
