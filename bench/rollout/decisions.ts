/**
 * Decisions of a campaign, by the statement of its worker, a batch at a time and with nothing else going on.
 */
import { readFileSync } from 'node:fs'
import { MEMBERS_A_BATCH } from '../../activities/campaign.ts'
import { openWave, planCampaign, startCampaign, stepCampaign } from '../../postgres/campaigns.ts'
import { connect, type Sql } from '../../postgres/connect.ts'
import { planOf } from '../../test/support/campaigns.ts'

const CAMPAIGN = 'bench'
const RULES = { adultAge: 18, smsCountries: ['JP'], smsRefusedPrefixes: ['+8120', '+81990'], enforceAfterSeconds: 1 }

export interface DecisionFigure {
  readonly what: 'drawn into a wave' | 'enforced at their date'
  readonly members: number
  readonly perSecond: number
  /** Of the one connection that decides. */
  readonly perCpuSecond: number | undefined
  readonly longestBatchMs: number
}

/** Everybody who is in the table, each with a head, as members have who ever asked for a code. */
export async function measureDecisions(databaseUrl: string): Promise<{ planMs: number; figures: DecisionFigure[] }> {
  const sql = connect(databaseUrl, { poolSize: 1, name: 'bench', statementTimeoutMs: 600_000 })
  try {
    await sql`truncate campaigns, campaign_members, campaign_notices, campaign_queue, enrollments, outbox cascade`
    await sql`insert into challenge_heads (member_id) select member_id from members on conflict do nothing`
    // As a database is that has had a quiet minute.
    await sql`vacuum analyze`
    const plan = planOf([100])
    const began = performance.now()
    await planCampaign(sql, CAMPAIGN, planOf([1, 5, 25, 100]), RULES)
    const planMs = performance.now() - began

    await startCampaign(sql, { campaignId: CAMPAIGN, plan, by: 'bench', claimed: false })
    await openWave(sql, CAMPAIGN, 1)
    const drawn = await decide(sql, 'drawn into a wave')
    await sql`
      update campaign_members set state = 'announced', announced_at = challenge_now(), enforce_at = challenge_now()
      where state = 'awaiting'`
    await sql`analyze`
    return { planMs, figures: [drawn, await decide(sql, 'enforced at their date')] }
  } finally {
    await sql.end()
  }
}

async function decide(sql: Sql, what: DecisionFigure['what']): Promise<DecisionFigure> {
  await sql`checkpoint`
  const [{ pid }] = await sql<[{ pid: number }]>`select pg_backend_pid() as pid`
  const began = { at: performance.now(), cpu: cpuSeconds(pid) }
  let members = 0
  let longestBatchMs = 0
  for (;;) {
    const batchBegan = performance.now()
    const looked = await stepCampaign(sql, CAMPAIGN, RULES, MEMBERS_A_BATCH)
    longestBatchMs = Math.max(longestBatchMs, performance.now() - batchBegan)
    if (!looked) break
    members += looked
  }
  const cpu = began.cpu && cpuSeconds(pid)! - began.cpu
  return {
    what,
    members,
    perSecond: (members * 1_000) / (performance.now() - began.at),
    perCpuSecond: cpu && members / cpu,
    longestBatchMs,
  }
}

/** User and system, at 100 ticks a second; from Linux's `/proc`, elsewhere nothing. */
function cpuSeconds(pid: number): number | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return undefined
  }
}
