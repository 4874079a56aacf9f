/**
 * Challenges and members for a terminal.
 */
import { styleText } from 'node:util'
import type { MemberAnswer } from '../api/member-schemas.ts'
import type { TimelineAnswer, TimelineStep } from '../api/timeline-view.ts'
import { table, tokyo } from './campaign-tables.ts'

const words = (name: string) => name.replaceAll('_', ' ')
const because = (reason: string | undefined) => (reason === undefined ? '' : ` (${words(reason)})`)

/** A challenge as a story: each line when, how long after the beginning, and what. */
export function challengeStory({ challenge, timeline }: TimelineAnswer): string {
  const { challengeId, memberId, purpose, status, channel, destination, continues, continuedBy, advice } = challenge
  const began = Date.parse(challenge.admittedAt)
  return [
    `${styleText('bold', challengeId)}: ${words(purpose)}, of member ${memberId}: ${styleText('bold', words(status))}`,
    ...(channel === undefined ? [] : [`  by ${channel}${destination === undefined ? '' : ` to ${destination}`}`]),
    ...(continues === undefined ? [] : [`  continues ${continues}`]),
    ...(continuedBy === undefined ? [] : [`  continued by ${continuedBy}`]),
    ...(advice === undefined ? [] : [`  advice to the member: ${words(advice)}`]),
    ...(challenge.expiresAt === undefined ? [] : [`  the code lives until ${tokyo(challenge.expiresAt)} in Tokyo`]),
    table(
      ['in Tokyo', 'after', 'what'],
      timeline.map((step) => [tokyo(step.at), after(Date.parse(step.at) - began), inWords(step)]),
      3,
    ),
  ].join('\n')
}

const after = (ms: number) => `${ms < 0 ? '–' : '+'}${(Math.abs(ms) / 1000).toFixed(1)} s`

function inWords(step: TimelineStep): string {
  switch (step.step) {
    case 'admitted':
      return `asked for by ${step.by}, and admitted`
    case 'sending':
      return `sending${step.channel === undefined ? '' : ` by ${step.channel}`}${
        step.failedOverFrom === undefined ? '' : `, after ${step.failedOverFrom} had failed`
      }`
    case 'sent':
      return step.provider === undefined ? 'accepted' : `accepted by ${step.provider}`
    case 'delivered':
      return `delivered, says ${step.provider}`
    case 'failed':
      return `not delivered, says ${step.provider}${because(step.reason)}`
    case 'attempt':
      return `a code by ${step.via}: ${words(step.verdict)}, ${step.attemptsLeft} attempts left`
    case 'closed':
      return `${words(step.outcome)}${because(step.reason)}`
    default:
      return step satisfies never
  }
}

export function memberCard(member: MemberAnswer): string {
  const { memberId, status, channel, because: why, reason, advice, failures, isLocked, lockedUntil } = member
  const until = lockedUntil === undefined ? 'until somebody unlocks' : `until ${tokyo(lockedUntil)} in Tokyo`
  const { mandatorySince, exemption, unlocked, destinations = [], refusedStarts, challenges } = member
  return [
    `${styleText('bold', memberId)}: ${status}, ${isLocked ? styleText('bold', `locked ${until}`) : 'not locked'}, ` +
      `${failures} wrong codes in a row`,
    channel === undefined
      ? `  no code can be sent${because(reason)}${advice === undefined ? '' : `; advice: ${words(advice)}`}`
      : `  the next code goes by ${channel}${because(why)}`,
    ...destinations.map(
      ({ channel: by, destination, isUsable, reason: not }) =>
        `  ${by}: ${destination}${isUsable ? '' : `, not usable${because(not)}`}`,
    ),
    ...(mandatorySince === undefined ? [] : [`  SMS is mandatory since ${tokyo(mandatorySince)}`]),
    ...(exemption === undefined
      ? []
      : [`  exempt from that until ${tokyo(exemption.until)}, by ${exemption.by}: ${exemption.why}`]),
    ...(unlocked === undefined
      ? []
      : [
          `  unlocked at ${tokyo(unlocked.at)} by ${unlocked.by}${unlocked.why === undefined ? '' : `: ${unlocked.why}`}`,
        ]),
    ...refusedStarts.map(
      ({ at, purpose, reason: not, startedBy }) =>
        `  refused at ${tokyo(at)}: ${words(purpose)}, asked for by ${startedBy}${because(not)}`,
    ),
    ...(challenges.length === 0 ? [] : [challengesTable(challenges)]),
  ].join('\n')
}

const challengesTable = (challenges: MemberAnswer['challenges']) =>
  table(
    ['challenge', 'in Tokyo', 'purpose', 'by', 'status', 'message', 'asked for by'],
    challenges.map(({ challengeId, admittedAt, purpose, channel, status, delivery, reason, startedBy }) => [
      challengeId,
      tokyo(admittedAt),
      words(purpose),
      channel ?? '–',
      `${words(status)}${because(reason)}`,
      delivery ?? '–',
      startedBy,
    ]),
    7,
  )
