/**
 * M1: a tombstone leaves of a member the id, the last version, and where the event stood. Every table is looked through;
 * and the ledgers are kept for as long as the configuration says, and no longer.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { admitChallenge } from '../postgres/admission.ts'
import { closeChallenge } from '../postgres/challenges.ts'
import { applyMemberChanges } from '../postgres/members.ts'
import { forgetABatch } from './support/forget.ts'
import { startSystem, type System } from './support/system.ts'

const DAY_MS = 86_400_000
const KEPT = { destinationDays: 30, challengeDays: 90, campaignDays: 60 }

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system?.stop())

const tables = () => system.sql<{ name: string }[]>`
  select table_name as name from information_schema.tables
  where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`

/** Where one of these words stands: `table: word`. Bytes are looked through too. */
async function findAnywhere(words: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const { name } of await tables()) {
    const rows = await system.sql<{ row: string }[]>`select to_jsonb(t)::text as row from ${system.sql(name)} t`
    const text = rows.map(({ row }) => row).join('\n')
    found.push(...words.filter((word) => text.includes(word)).map((word) => `${name}: ${word}`))
  }
  return found
}

async function closedChallenge(memberId: string, more: object = {}, challengeId = uuidv7()) {
  await admitChallenge(system.sql, system.config.policy, {
    challengeId,
    memberId,
    purpose: 'view_membership',
    caller: 'test',
    ...more,
  })
  await closeChallenge(system.sql, { challengeId, as: 'cancelled', fromWorkflow: true }, system.config.policy)
  return challengeId
}

/** A member of whom something personal stands in every place that there is for it. @returns the words to look for */
async function knownEverywhere(campaignId: string) {
  const mark = randomBytes(6).toString('hex').replaceAll(/\d/g, 'x')
  const phone = `+8190${String(Math.floor(Math.random() * 1e8)).padStart(8, '0')}`
  const registered = `${phone.slice(0, -4)}0000`
  const email = `zqx${mark}@example.jp`
  const memberId = await system.addMember({ email, phone, mobileCarrier: `carrier-${mark}`, language: 'ko' })
  const { sql } = system
  const ipHash = randomBytes(32).toString('hex')
  const challengeId = await closedChallenge(memberId, { ipHash, locale: `ko-${mark}` })
  await sql`insert into destinations (member_id, version, phone, phone_country, phone_since)
    values (${memberId}, 1, ${registered}, 'JP', now())`
  await sql`insert into member_notices (member_id, kind, channel, destination, new_phone, changed_at, state, due_at)
    values (${memberId}, 'phone', 'sms', ${phone}, ${`masked-${mark}`}, now(), 'due', now())`
  await sql`insert into campaign_members (campaign_id, member_id, wave, state, phone, taken_at)
    values (${campaignId}, ${memberId}, 1, 'announced', ${phone}, now())`
  await sql`insert into reachability (member_id, phone) values (${memberId}, ${phone})`
  await sql`insert into exemptions (member_id, until, by_whom, why, created_at)
    values (${memberId}, now() + interval '1 day', 'test', ${`why-${mark}`}, now())`
  await sql`select log_campaign(${campaignId}, 'member_exempted', 'test', false, ${`why-${mark}`},
    ${sql.json({ memberId, until: '2027-01-31T00:00:00Z' })}, ${randomUUID()}, now())`
  await sql`insert into member_unlocks (member_id, at, by_whom, why, failures)
    values (${memberId}, now(), 'test', ${`why-${mark}`}, 3)`
  await sql`insert into refused_starts (member_id, purpose, caller, reason, at)
    values (${memberId}, 'view_membership', ${`caller-${mark}`}, 'member', now())`
  const session = randomBytes(32)
  await sql`insert into page_links (token_hash, member_id, page, caller, return_url, expires_at)
    values (${randomBytes(32)}, ${memberId}, 'code-entry', 'test', ${`https://bank.example/${mark}`}, now())`
  await sql`insert into page_sessions (session_hash, member_id, expires_at) values (${session}, ${memberId}, now())`
  const visitId = randomUUID()
  await sql`insert into page_visits (visit_id, session_hash, member_id, page, caller, state, began_at)
    values (${visitId}, ${session}, ${memberId}, 'code-entry', 'test', ${`state-${mark}`}, now())`
  await sql`insert into destination_visits (visit_id, phone, phone_country) values (${visitId}, ${registered}, 'JP')`
  return { memberId, challengeId, words: [mark, phone, registered, phone.slice(0, -4), email, ipHash] }
}

const aCampaign = async (endedDaysAgo?: number) => {
  const campaignId = `c-${randomUUID()}`
  await system.sql`
    insert into campaigns (campaign_id, plan, state, rate_per_minute, paced_until, started_at, ended_at)
    values (${campaignId}, '{}', 'completed', 0, now(), now() - interval '100 days',
      now() - make_interval(days => ${endedDaysAgo ?? 0}))`
  return campaignId
}

describe('a tombstone', () => {
  it('leaves nothing personal of a member in any table, and everything of the others', async () => {
    const campaignId = await aCampaign()
    const gone = await knownEverywhere(campaignId)
    const stays = await knownEverywhere(campaignId)
    const places = ['members', 'challenges', 'destinations', 'member_notices', 'campaign_members', 'reachability']
    const before = await findAnywhere(gone.words)
    for (const place of [
      ...places,
      'exemptions',
      'campaign_log',
      'member_unlocks',
      'refused_starts',
      'page_links',
      'page_visits',
      'destination_visits',
    ]) {
      expect(before.join('\n')).toContain(`${place}: `)
    }
    const untouched = await findAnywhere(stays.words)

    await applyMemberChanges(system.sql, 0, [{ memberId: gone.memberId, offset: '7', status: 'erased', version: null }])
    expect(await findAnywhere(gone.words)).toEqual([])
    expect(await findAnywhere(stays.words)).toEqual(untouched)
  })

  it('leaves in the table of members what keeps an older event from bringing them back, and nothing else', async () => {
    const memberId = await system.addMember()
    await applyMemberChanges(system.sql, 3, [{ memberId, offset: '8', status: 'erased', version: null }])
    const [row] = await system.sql<Record<string, unknown>[]>`select * from members where member_id = ${memberId}`
    const kept = Object.fromEntries(Object.entries(row!).filter(([, value]) => value !== null))
    expect(kept).toEqual({
      member_id: memberId,
      version: 1,
      status: 'erased',
      kafka_epoch: 1,
      kafka_partition: 3,
      kafka_offset: 8,
    })
  })
})

describe('the page about privacy', () => {
  it('names every table that there is, and none that there is not', async () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/privacy.md'), 'utf8')
    const section = page.slice(page.indexOf('## Postgres'), page.indexOf('## Elsewhere'))
    const named = Array.from(section.matchAll(/^\|([^|]+)\|/gm), ([, cell]) => cell!).flatMap((cell) =>
      Array.from(cell.matchAll(/`([a-z_]+)`/g), ([, name]) => name!),
    )
    expect(named.toSorted()).toEqual((await tables()).map(({ name }) => name))
  })
})

describe('the ledgers', () => {
  const keeps = async (challengeId: string) => {
    const [row] = await system.sql<{ destination: string | null; attempts: number }[]>`
      select destination, (select count(*)::int from attempts a where a.challenge_id = c.challenge_id) as attempts
      from challenges c where challenge_id = ${challengeId}`
    return row
  }

  it('keep a destination, then a challenge with its attempts, for their days and not one more; an open one stays', async () => {
    await system.shiftClock(0)
    const memberId = await system.addMember()
    const challengeId = await closedChallenge(memberId)
    await system.sql`insert into attempts (challenge_id, attempt_id, verdict, attempts_left, judged_at)
      values (${challengeId}, 'a', 'wrong_code', 4, now())`
    const open = uuidv7()
    const request = { memberId: await system.addMember(), purpose: 'view_membership', caller: 'test' }
    await admitChallenge(system.sql, system.config.policy, { ...request, challengeId: open })
    const at = async (days: number) => {
      await system.shiftClock(days * DAY_MS)
      await forgetABatch(system.sql, KEPT, 1_000)
      return keeps(challengeId)
    }
    expect((await at(KEPT.destinationDays - 0.1))?.destination).not.toBeNull()
    expect((await at(KEPT.destinationDays + 0.1))?.destination).toBeNull()
    expect(await at(KEPT.challengeDays - 0.1)).toEqual({ destination: null, attempts: 1 })
    expect(await at(KEPT.challengeDays + 0.1)).toBeUndefined()
    expect(await system.sql`select from attempts where challenge_id = ${challengeId}`).toHaveLength(0)
    expect((await keeps(open))?.destination).not.toBeNull()
    await system.shiftClock(0)
  })

  it.each([
    ['of another kind than ours', 'f0000000-0000-4000-8000-000000000001'],
    ['of a time to come', 'fffffffe-0000-7000-8000-000000000001'],
  ])('forget a challenge whose id, which a Temporal client chose, is %s', async (_words, challengeId) => {
    await system.shiftClock(0)
    await closedChallenge(await system.addMember(), {}, challengeId)
    await system.shiftClock((KEPT.challengeDays - 0.1) * DAY_MS)
    while (await forgetABatch(system.sql, KEPT, 1_000));
    expect(await keeps(challengeId)).toBeDefined()
    await system.shiftClock((KEPT.challengeDays + 0.1) * DAY_MS)
    while (await forgetABatch(system.sql, KEPT, 1_000));
    expect(await keeps(challengeId)).toBeUndefined()
    await system.shiftClock(0)
  })

  it('forget in batches, and say that there is more', async () => {
    await system.shiftClock(0)
    for (let count = 0; count < 5; count++) await closedChallenge(await system.addMember())
    await system.shiftClock((KEPT.challengeDays + 1) * DAY_MS)
    expect(await forgetABatch(system.sql, KEPT, 2)).toBe(true)
    while (await forgetABatch(system.sql, KEPT, 2));
    expect(await system.sql`select from challenges where outcome is not null`).toHaveLength(0)
    await system.shiftClock(0)
  })

  it('keep what a campaign left from its end on, and the campaign itself', async () => {
    await system.shiftClock(0)
    const [old, recent] = [await aCampaign(KEPT.campaignDays + 1), await aCampaign(KEPT.campaignDays - 1)]
    for (const campaignId of [old, recent]) {
      await knownEverywhere(campaignId)
      await system.sql`insert into campaign_history (campaign_id, at, counts) values (${campaignId}, now(), '{}')`
      await system.sql`insert into campaign_notices (campaign_id, member_id, kind, round, wave, state, due_at)
        values (${campaignId}, 'm', 'announcement', 1, 1, 'accepted', now())`
    }
    while (await forgetABatch(system.sql, KEPT, 1));
    for (const table of ['campaign_members', 'campaign_notices', 'campaign_history', 'campaign_log', 'campaigns']) {
      const rows = await system.sql<{ campaign: string }[]>`
        select distinct campaign_id as campaign from ${system.sql(table)} where campaign_id = any(${[old, recent]})`
      const left = rows.map(({ campaign }) => campaign).toSorted()
      expect({ table, left }).toEqual({ table, left: table === 'campaigns' ? [old, recent].toSorted() : [recent] })
    }
  })
})
