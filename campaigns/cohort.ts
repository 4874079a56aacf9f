import { createHash } from 'node:crypto'

/** Cohorts of a campaign: a wave of n percent takes n × 100 of them. */
export const COHORTS = 10_000

/**
 * R3: the cohort of a member in a campaign, 0 to 9999: the first 32 bits of MD5 of `campaign:member`, modulo 10,000. The
 * same for ever, and the same as `cohort` in Postgres. MD5 spreads evenly and both have it; nothing is kept secret by it.
 */
export const cohort = (campaignId: string, memberId: string): number =>
  createHash('md5').update(`${campaignId}:${memberId}`).digest().readUInt32BE(0) % COHORTS
