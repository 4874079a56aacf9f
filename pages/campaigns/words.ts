/**
 * What the words of a campaign are to its operators.
 */
import type { CampaignPhase, CampaignStatus, ExclusionReason, MemberState } from '../../domain/campaign.ts'

/** In the order in which the charts stack them: what is settled first. */
export const STACKED_STATES = [
  'enforced',
  'announced',
  'awaiting',
  'excluded',
  'released',
  'rolled_back',
] as const satisfies readonly MemberState[]

export const STATE_WORDS: Readonly<Record<MemberState, { readonly word: string; readonly meaning: string }>> = {
  enforced: { word: 'Enforced', meaning: 'SMS is mandatory' },
  announced: { word: 'Announced', meaning: 'the date is set' },
  awaiting: { word: 'Awaiting', meaning: 'to be announced' },
  excluded: { word: 'Excluded', meaning: 'asked to make their own settings' },
  released: { word: 'Released', meaning: 'lost eligibility' },
  rolled_back: { word: 'Rolled back', meaning: 'their own choice counts again' },
}

export const REASON_WORDS: Readonly<Record<ExclusionReason, string>> = {
  family_card: 'Family Card',
  minor: 'Minor',
  no_phone: 'No mobile phone',
  phone_unreachable: 'Phone cannot be reached',
  withdrawn: 'Withdrawn',
  exempt: 'Exempt by an operator',
}

const PHASE_WORDS: Readonly<Record<CampaignPhase, string>> = {
  starting: 'is about to begin',
  drawing: 'draws its members',
  announcing: 'sends its announcements',
  announced: 'has sent its announcements',
  baking: 'bakes',
  baked: 'waits for its gate',
  passed: 'has passed its gate',
  standing: 'was the last: the campaign stands, and takes who becomes eligible',
  rolling_back: 'is being rolled back',
  ended: 'was the last that was opened',
}

/** Whether the gate has stopped the wave: it bakes again when the campaign is resumed. */
export const isStopped = ({ verdict, passedAt }: CampaignStatus['waves'][number], state: CampaignStatus['state']) =>
  state === 'paused' && passedAt === null && verdict !== null

/** Where it stands, as a sentence. */
export function phaseSentence({
  wave,
  waves,
  phase,
  state,
}: Pick<CampaignStatus, 'wave' | 'waves' | 'phase' | 'state'>): string {
  if (state === 'completed') return 'It was completed; SMS stays mandatory for whom it was enforced.'
  if (phase === 'rolling_back') return 'It was aborted; what was enforced is being taken back.'
  if (state === 'aborted') return 'It was aborted; nothing of it goes on.'
  if (wave === null) return 'It is about to begin.'
  if (isStopped(waves[wave - 1]!, state)) return `Wave ${wave} of ${waves.length} was stopped by its gate.`
  return `Wave ${wave} of ${waves.length} ${PHASE_WORDS[phase]}.`
}

/** The name of an event of the log, for people. */
export const eventWords = (event: string): string => {
  const words = event.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
