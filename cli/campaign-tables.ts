/**
 * Campaigns as tables for a terminal.
 */
import { styleText } from 'node:util'
import Table from 'cli-table3'
import type {
  CampaignAnswer,
  CampaignListAnswer,
  CampaignMemberAnswer,
  CampaignReportAnswer,
  PlannedAnswer,
} from '../api/campaign-schemas.ts'
import { MEMBER_STATES } from '../domain/campaign.ts'

const number = new Intl.NumberFormat('en')
export const count = (value: number): string => number.format(value)
const percent = (value: number | null) => (value === null ? '–' : `${value} %`)
const clock = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Tokyo', dateStyle: 'short', timeStyle: 'medium' })
/** On the clock of Tokyo, as the page and the quiet hours have it. */
export const tokyo = (iso: string | null): string => (iso === null ? '–' : clock.format(new Date(iso)))
const words = (name: string) => name.replaceAll('_', ' ')
const sum = (groups: readonly { readonly members: number }[]) => groups.reduce((all, { members }) => all + members, 0)

const PLAIN = { head: [], border: [] }
const NO_LINES_BETWEEN = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }
export const table = (head: readonly string[], rows: readonly (readonly string[])[], numbersFrom = 1) => {
  const drawn = new Table({
    head: head.map((name) => styleText('bold', name)),
    colAligns: head.map((_, index) => (index >= numbersFrom ? 'right' : 'left')),
    style: PLAIN,
    chars: NO_LINES_BETWEEN,
  })
  drawn.push(...rows.map((row) => [...row]))
  return drawn.toString()
}

/** Whom each wave would take, by what would be done with them. */
export function plannedTable({ campaignId, groups, plan, members }: PlannedAnswer): string {
  const waves = plan.waves.map((_, index) => index + 1)
  const kinds = [
    { name: 'to be announced', is: (group: Group) => group.reason === null && !group.chosenSms },
    { name: 'SMS already', is: (group: Group) => group.reason === null && group.chosenSms },
    ...[...new Set(groups.map(({ reason }) => reason))]
      .filter((reason) => reason !== null)
      .map((reason) => ({ name: `excluded: ${words(reason)}`, is: (group: Group) => group.reason === reason })),
  ]
  const rowOf = (name: string, some: readonly Group[]) => [
    name,
    ...waves.map((wave) => count(sum(some.filter((group) => group.wave === wave)))),
    count(sum(some)),
  ]
  return [
    `${styleText('bold', campaignId)}: ${count(members)} members; nothing was changed. ${planWords(plan)}`,
    table(
      ['', ...plan.waves.map((wave, index) => `wave ${index + 1} (${wave.percent} %)`), 'all'],
      [...kinds.map(({ name, is }) => rowOf(name, groups.filter(is))), rowOf('all', groups)],
    ),
  ].join('\n')
}
type Group = PlannedAnswer['groups'][number]

/** A plan in a sentence. */
export const planWords = ({ ratePerMinute, quietHours, waves }: PlannedAnswer['plan']): string =>
  `${waves.length} waves (${waves.map((wave) => wave.percent).join(', ')} %), ${rateWords(ratePerMinute)}, ` +
  `${quietHours === null ? 'no quiet hours' : `quiet from ${quietHours.from} to ${quietHours.to}`}.`

const rateWords = (rate: number) => (rate === 0 ? 'no limit to the rate' : `${count(rate)} a minute`)

/** Where it stands, in a line. */
export function standingLine({ campaignId, state, phase, wave, waves, pauseReason }: CampaignAnswer): string {
  const colour = ({ running: 'green', paused: 'yellow', completed: 'cyan', aborted: 'red' } as const)[state]
  const where =
    phase === 'ended' ? '' : wave === null ? ', no wave yet' : `, wave ${wave} of ${waves.length}: ${words(phase)}`
  const why = pauseReason === null ? '' : ` (${pauseReason})`
  return `${styleText('bold', campaignId)}: ${styleText(colour, state)}${where}${why}`
}

export function campaignTables(report: CampaignReportAnswer, entries: number): string {
  const { waves, counts, log, ratePerMinute, startedAt, endedAt, changedMembers } = report
  const states = MEMBER_STATES.filter(
    (state) => !RARE_STATES.includes(state) || counts.some((group) => group.state === state),
  )
  const reasons = [...new Set(counts.map(({ reason }) => reason))].filter((reason) => reason !== null)
  const parts = [
    `${standingLine(report)}\nStarted ${tokyo(startedAt)}${endedAt === null ? '' : `, ended ${tokyo(endedAt)}`} (Tokyo); ${rateWords(ratePerMinute)}; ${count(changedMembers)} changed members to look at.\nPlan: ${planWords(report.plan)}`,
    table(
      ['wave', 'of all', ...states.map(words), 'gate', 'step'],
      waves.map((wave) => [
        String(wave.wave),
        `${wave.percent} %`,
        ...states.map((state) =>
          count(sum(counts.filter((group) => group.wave === wave.wave && group.state === state))),
        ),
        wave.verdict?.verdict ?? '–',
        stepOf(wave, report),
      ]),
    ),
  ]
  const judged = waves.findLast(({ verdict }) => verdict !== null)
  if (judged) parts.push(gateLine(judged, report))
  if (reasons.length > 0) {
    parts.push(
      table(
        ['excluded or released', 'members'],
        reasons.map((reason) => [words(reason), count(sum(counts.filter((group) => group.reason === reason)))]),
      ),
    )
  }
  if (entries > 0) parts.push(log.slice(0, entries).toReversed().map(logLine).join('\n'))
  return parts.join('\n\n')
}

const RARE_STATES: readonly string[] = ['released', 'rolled_back']

/** What the gate of a wave saw, and its limits. */
function gateLine({ wave, verdict }: CampaignAnswer['waves'][number], { plan }: CampaignReportAnswer): string {
  const { gate } = plan.waves[wave - 1]!
  const seen = verdict!
  return (
    `The gate of wave ${wave} at ${tokyo(seen.at)}: ${styleText('bold', seen.verdict)}. It saw ${count(seen.messages)} announcements: ` +
    `${percent(seen.sendFailurePercent)} not sent (at most ${gate.maxSendFailurePercent} %), ` +
    `${percent(seen.negativeReceiptPercent)} with a negative receipt (at most ${gate.maxNegativeReceiptPercent} %); ` +
    `${count(seen.challenges)} challenges: ${percent(seen.verifiedPercent)} verified (at least ${gate.minVerifiedPercent} %).`
  )
}

/** What a wave is doing. */
export function stepOf(wave: CampaignAnswer['waves'][number], { state }: Pick<CampaignAnswer, 'state'>): string {
  const { openedAt, drawnAt, bakeUntil, passedAt, verdict } = wave
  if (openedAt === null) return 'to come'
  if (passedAt !== null) return 'passed'
  if (state === 'aborted') return 'aborted'
  if (state === 'paused' && verdict !== null) return 'stopped by its gate'
  if (bakeUntil !== null) return `bakes until ${tokyo(bakeUntil)}`
  return drawnAt === null ? 'drawing' : 'announcing'
}

/** An entry of the log, in a line. */
export function logLine({ at, event, by, claimed, why, data }: CampaignReportAnswer['log'][number]): string {
  const wave = typeof data?.['wave'] === 'number' ? ` (wave ${data['wave']})` : ''
  const who = claimed ? `${by}, claimed` : by
  return `${styleText('dim', tokyo(at))}  ${words(event)}${wave} by ${who}${why ? `: ${why}` : ''}`
}

export function memberTable(member: CampaignMemberAnswer): string {
  const { memberId, campaignId, wave, state, reason, exemption, notices } = member
  const rows: (readonly [string, string])[] = [
    ['wave', wave === null ? 'none' : String(wave)],
    ['state', `${state === null ? 'not taken yet' : words(state)}${reason === null ? '' : ` (${words(reason)})`}`],
    ['SMS is mandatory now', member.isSmsMandatory ? 'yes' : 'no'],
    ['taken', tokyo(member.takenAt)],
    ['announced', tokyo(member.announcedAt)],
    ['date announced', tokyo(member.enforceAt)],
    ['enforced', tokyo(member.enforcedAt)],
    ['released', tokyo(member.releasedAt)],
    ...(exemption ? [['exempt', `until ${tokyo(exemption.until)} by ${exemption.by}: ${exemption.why}`] as const] : []),
    ...notices.map(
      (notice) =>
        [
          words(notice.kind),
          `${notice.state}${notice.channel ? ` by ${notice.channel}` : ''}${notice.acceptedAt ? ` at ${tokyo(notice.acceptedAt)}` : ''}${notice.delivery ? `, ${notice.delivery}` : ''}`,
        ] as const,
    ),
  ]
  return table([`member ${memberId}`, campaignId], rows, 2)
}

export function campaignList({ campaigns }: CampaignListAnswer): string {
  if (campaigns.length === 0) return 'There is no campaign yet. See whom one would take: otp campaign plan <campaign>'
  return table(
    ['campaign', 'state', 'wave', 'started', 'ended'],
    campaigns.map(({ campaignId, state, wave, waves, startedAt, endedAt }) => [
      campaignId,
      state,
      `${wave ?? 0} of ${waves}`,
      tokyo(startedAt),
      tokyo(endedAt),
    ]),
    9,
  )
}
