/**
 * Search attributes, as operators filter by them (O1). Their values are not encrypted: a member id may stand there, a
 * phone number, an address or a name never.
 */
import { defineSearchAttributeKey } from '@temporalio/common'

export const MEMBER_ID = defineSearchAttributeKey('MemberId', 'KEYWORD')
export const PURPOSE = defineSearchAttributeKey('Purpose', 'KEYWORD')
export const CHANNEL = defineSearchAttributeKey('Channel', 'KEYWORD')
export const OUTCOME = defineSearchAttributeKey('Outcome', 'KEYWORD')
export const CAMPAIGN_ID = defineSearchAttributeKey('CampaignId', 'KEYWORD')
export const WAVE = defineSearchAttributeKey('Wave', 'INT')

/** What a namespace must have. */
export const SEARCH_ATTRIBUTES = [MEMBER_ID, PURPOSE, CHANNEL, OUTCOME, CAMPAIGN_ID, WAVE] as const
