/**
 * A member as support sees them (U1): where a code would go now and why, and nothing that helps to pretend to be them.
 */
import type { Policy } from '../config.ts'
import { chooseDestination, usableDestinations } from '../domain/destination.ts'
import { maskDestination } from '../domain/mask.ts'
import type { Member } from '../postgres/admission.ts'
import type { SupportView } from '../postgres/support.ts'
import { viewOf } from './challenge-view.ts'
import { isoTime } from './iso-time.ts'

/** @param member none for one who has left: no code goes to them any more */
export function memberView(memberId: string, view: SupportView, member: Member | undefined, policy: Policy) {
  const { status, failures, isLocked, lockedUntil, mandatorySince, exemption, unlocked, refusedStarts, challenges } =
    view
  return {
    memberId,
    status,
    ...(member && reachOf(member, policy)),
    ...(mandatorySince !== null && { mandatorySince: isoTime(mandatorySince) }),
    ...(exemption && { exemption: { ...exemption, until: isoTime(exemption.until), at: isoTime(exemption.at) } }),
    failures,
    isLocked,
    ...(lockedUntil !== null && { lockedUntil: isoTime(lockedUntil) }),
    ...(unlocked && {
      unlocked: { at: isoTime(unlocked.at), by: unlocked.by, ...(unlocked.why !== null && { why: unlocked.why }) },
    }),
    refusedStarts: refusedStarts.map(({ purpose, caller, reason, at }) => ({
      purpose,
      reason,
      startedBy: caller,
      at: isoTime(at),
    })),
    challenges: challenges.map((challenge) => ({
      ...viewOf(challenge, policy),
      startedBy: challenge.caller,
      admittedAt: isoTime(challenge.admittedAt),
    })),
  }
}

/** Where an ordinary challenge's code would go, as an admission chooses (D2), and everything it could go to. */
function reachOf(member: Member, policy: Policy) {
  const { country, language, notificationPreference, smsMandatory: isSmsMandatory } = member
  const choice = chooseDestination({ member, smsMandatory: isSmsMandatory, smsRules: policy })
  return {
    ...(country !== null && { country }),
    ...(language !== null && { language }),
    ...(notificationPreference !== null && { notificationPreference }),
    isSmsMandatory,
    destinations: destinationsOf(member, policy),
    ...('undeliverable' in choice
      ? { reason: choice.undeliverable, advice: choice.advice }
      : { channel: choice.channel, because: reasonOf(member, choice.channel) }),
  }
}

function destinationsOf(member: Member, policy: Policy) {
  const { sms, email, guard } = usableDestinations(member, policy)
  return [
    ...(member.phone === null
      ? []
      : [
          {
            channel: 'sms' as const,
            destination: maskDestination('sms', member.phone),
            isUsable: sms !== undefined,
            ...(guard && { reason: guard }),
          },
        ]),
    ...(member.email === null
      ? []
      : [
          {
            channel: 'email' as const,
            destination: maskDestination('email', member.email),
            isUsable: email !== undefined,
            ...(email === undefined && { reason: 'undeliverable_email' as const }),
          },
        ]),
  ]
}

function reasonOf({ smsMandatory, notificationPreference }: Member, channel: 'sms' | 'email') {
  if (smsMandatory) return 'sms_mandatory' as const
  if (notificationPreference === channel) return 'preference' as const
  return notificationPreference === null && channel === 'email' ? ('default' as const) : ('other_unusable' as const)
}
