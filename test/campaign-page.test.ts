/**
 * O3: the campaign page: the same figures as the API's, for those who may see them, in HTML that a browser need not mend,
 * with nothing in it that runs or is anybody's personal data.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CampaignStatus } from '../domain/campaign.ts'
import { connect } from '../postgres/connect.ts'
import { startApi, type Api } from './support/api.ts'
import { addMembers, planOf, sampleMember } from './support/campaigns.ts'
import { attributeOf, elementsOf, hasClass, parseHtml, textsOf, type Element } from './support/html.ts'

/** Whatever an operator types stands on the page as they typed it. */
const HOSTILE = `<script>alert(1)</script> "><img src=x onerror=alert(1)> & '`
const COUNT = 300
const CAMPAIGN = 'autumn'

let api: Api
let status: CampaignStatus
beforeAll(async () => {
  api = await startApi({ OTP_ENFORCE_AFTER_SECONDS: '1' })
  await api.system.process('workers/campaign-worker.ts')
  const { sql, until } = api.system
  await addMembers(
    api.system,
    Array.from({ length: COUNT }, (_, index) => sampleMember(index)),
  )
  await sql`update members set mobile_carrier = (array['docomo', 'au', 'softbank', '090-1234-5678'])[1 + right(member_id, 1)::int % 4]`
  const body = { campaignId: CAMPAIGN, plan: planOf([40, 100], { bakeSeconds: 3_600 }) }
  await api.call('POST', '/v1/campaigns', { as: 'operator', body })
  const enforced = async () => (await sql`select from campaign_members where state = 'enforced'`).length
  await until(async () => (await show()).phase === 'baking' && (await enforced()) > 20)
  await until(
    async () => (await sql`select from campaign_members where state in ('awaiting', 'announced')`).length === 0,
  )
  await command({ command: 'rate', ratePerMinute: 5 })
  await command({ command: 'pause', why: HOSTILE })
  await receive()
  await verifyOne()
  status = await show()
})
afterAll(() => api?.stop())

const show = async () => (await api.call('GET', `/v1/campaigns/${CAMPAIGN}`, { as: 'operator' })).json<CampaignStatus>()
const command = (body: Record<string, unknown>) =>
  api.call('POST', `/v1/campaigns/${CAMPAIGN}/commands`, { as: 'operator', body: { why: 'a test', ...body } })

/** Every announcement is delivered, but each fifth, which failed a second after its delivery. */
async function receive() {
  await api.system.sql`
    with sent as (
      select notice_id, row_number() over (order by member_id) as n from campaign_notices
      where kind = 'announcement' and state = 'accepted'
    ),
    written as (
      insert into receipts (provider, event_id, reference, kind, occurred_at, received_at)
      select 'vonage', notice_id || 'd', notice_id, 'delivered', now() - interval '1 second', now() from sent
      union all select 'vonage', notice_id || 'f', notice_id, 'failed', now(), now() from sent where n % 5 = 0
      returning receipts as receipt
    )
    select note_deliveries(array_agg(receipt)) from written`
}

async function verifyOne() {
  const { sql, until, simulators } = api.system
  const [member] = await sql<{ id: string; phone: string }[]>`
    select m.member_id as id, m.phone from campaign_members cm join members m on m.member_id = cm.member_id
    where cm.state = 'enforced' and m.mobile_carrier = 'docomo' order by 1 limit 1`
  const body = { memberId: member!.id, purpose: 'view_membership' }
  const started = await api.call('POST', '/v1/challenges', { body })
  const { challengeId } = started.json<{ challengeId: string }>()
  await until(async () => (await simulators.messages(member!.phone)).length > 0)
  const code = /\b\d{6}\b/.exec((await simulators.messages(member!.phone))[0]!.text)![0]
  await api.call('POST', `/v1/challenges/${challengeId}/verify`, { body: { code } })
}

const basic = (password: string, user = 'yamada') => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
const open = (path: string, authorization = basic(api.keys.watcher), app = api.app) =>
  app.inject({ url: path, headers: { authorization } })
const words = (element: Element) =>
  textsOf(element)
    .join(' ')
    .replaceAll(/[\s\u00a0]+/g, ' ')
    .trim()
const page = async (path = `/campaigns/${CAMPAIGN}`) => {
  const answer = await open(path)
  const { document, errors } = parseHtml(answer.body)
  const all = (tag: string, className?: string) =>
    elementsOf(document, tag).filter((element) => className === undefined || hasClass(element, className))
  /** The rows of the table in the section, or with the caption, of that name. */
  const rows = (name: string) => {
    const tables = [...all('section'), ...all('table')].filter((element) => words(element).startsWith(name))
    return elementsOf(tables.at(-1)!, 'tr').map((row) =>
      elementsOf(row)
        .filter(({ tagName }) => ['th', 'td'].includes(tagName))
        .map(words),
    )
  }
  return { answer, document, errors, all, rows }
}

describe('whoever may not', () => {
  it.each([
    ['nobody', () => ''],
    ['a wrong password', () => basic('wrong')],
    ['a key as the user name', () => basic('', api.keys.watcher)],
    ['half of Basic', () => 'Basic'],
    ['what is no base64', () => 'Basic ####'],
    ['a password without a colon', () => `Basic ${Buffer.from(api.keys.watcher).toString('base64')}`],
  ])('%s sees nothing, and a browser asks them', async (_who, authorization) => {
    for (const path of ['/campaigns', `/campaigns/${CAMPAIGN}`, '/campaigns/nothing-here']) {
      const answer = await open(path, authorization())
      expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([
        401,
        'Basic realm="operators", charset="UTF-8"',
      ])
      expect(answer.headers['content-type']).toContain('text/html')
      expect(answer.body).not.toContain('enforced')
    }
  })

  it('a key without the scope reads which one is missing', async () => {
    const answer = await open(`/campaigns/${CAMPAIGN}`, basic(api.keys.support))
    expect(answer.statusCode).toBe(403)
    expect(answer.body).toContain('campaigns:read')
  })

  it('a key as a Bearer opens it too', async () => {
    expect((await open(`/campaigns/${CAMPAIGN}`, `Bearer ${api.keys.watcher}`)).statusCode).toBe(200)
  })

  it.each(['nobody', 'A', '%00', '%ff', '<script>', 'x'.repeat(150)])('%s is a page that is not there', async (id) => {
    const answer = await open(`/campaigns/${encodeURIComponent(id)}`)
    expect(answer.statusCode).toBe(404)
    expect(answer.body).not.toContain('<script>')
    expect(parseHtml(answer.body).errors).toEqual([])
  })
})

describe('the page', () => {
  it('is HTML that nothing has to be mended in, and so is the list', async () => {
    for (const path of ['/campaigns', `/campaigns/${CAMPAIGN}`]) {
      const { answer, errors, document } = await page(path)
      expect([answer.statusCode, errors]).toEqual([200, []])
      expect(attributeOf(elementsOf(document, 'html')[0]!, 'lang')).toBe('en')
      // What was left out shows as words nowhere.
      expect(textsOf(document).join(' ')).not.toMatch(/\b(?:undefined|null|NaN|false|\[object)\b/)
    }
  })

  it('runs nothing and has nothing inline, under a policy that allows no more', async () => {
    const { answer, document } = await page()
    expect(answer.headers['content-security-policy']).toBe(
      "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    expect(answer.headers['cache-control']).toBe('no-store')
    for (const element of elementsOf(document)) {
      expect(['script', 'style', 'iframe', 'object', 'form', 'img']).not.toContain(element.tagName)
      for (const { name } of element.attrs) expect(name).not.toMatch(/^(?:style$|on)/)
    }
  })

  it('shows what an operator typed as text', async () => {
    const { document } = await page()
    expect(elementsOf(document, 'q').map(words)).toContain(HOSTILE)
  })

  it('has its style sheet beside it, for ever, without a key', async () => {
    const { all } = await page()
    const href = attributeOf(
      all('link').find((link) => attributeOf(link, 'rel') === 'stylesheet')!,
      'href',
    )!
    const answer = await api.app.inject(href)
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/css; charset=utf-8'])
    expect(answer.headers['cache-control']).toContain('immutable')
    const classes = new Set([...answer.body.matchAll(/\.([a-z][a-z_-]*)/g)].map(([, name]) => name))
    for (const name of ['state-enforced', 'key-rolled_back', 'tile-excluded', 'badge-paused'])
      expect(classes).toContain(name)
  })

  it('renews itself while the campaign is not over, unless it is held still', async () => {
    const renewal = async (path: string) =>
      (await page(path)).all('meta').find((meta) => attributeOf(meta, 'http-equiv') === 'refresh')
    expect(attributeOf((await renewal(`/campaigns/${CAMPAIGN}`))!, 'content')).toBe('5')
    expect(await renewal(`/campaigns/${CAMPAIGN}?still`)).toBeUndefined()
  })

  it('holds no number, no address and no code', async () => {
    const { answer } = await page()
    expect(answer.body).not.toMatch(/\+81|090-?\d|@example|\b8190\d+/)
  })

  it('gives every picture a name, and its figures as text', async () => {
    const { all, rows } = await page()
    for (const svg of all('svg')) {
      const isHidden = attributeOf(svg, 'aria-hidden') === 'true'
      const name = attributeOf(svg, 'aria-label') ?? attributeOf(svg, 'aria-labelledby')
      expect(isHidden || (attributeOf(svg, 'role') === 'img' && name !== undefined)).toBe(true)
    }
    expect(all('svg').filter((svg) => attributeOf(svg, 'aria-labelledby') !== undefined)).toHaveLength(3)
    expect(rows('Members over time').length).toBeGreaterThan(1)
  })
})

describe('its figures', () => {
  const membersWith = (is: (group: CampaignStatus['counts'][number]) => boolean) =>
    status.counts.filter(is).reduce((sum, { members }) => sum + members, 0)

  it('are those of the API: by state, by wave, by reason', async () => {
    const { all, rows } = await page()
    const tiles = all('ul', 'tiles')
      .flatMap((list) => elementsOf(list, 'li'))
      .map((tile) => textsOf(tile))
    const shown = Object.fromEntries(tiles.map(([count, word]) => [word, count]))
    expect(shown).toEqual({
      Taken: String(membersWith(() => true)),
      Enforced: String(membersWith(({ state }) => state === 'enforced')),
      Announced: '0',
      Awaiting: '0',
      Excluded: String(membersWith(({ state }) => state === 'excluded')),
      Released: String(membersWith(({ state }) => state === 'released')),
    })
    const [wave] = all('li', 'wave')
    expect(words(wave!)).toContain(`Enforced ${membersWith((group) => group.wave === 1 && group.state === 'enforced')}`)
    const reasons = Object.fromEntries(
      rows('Excluded, by reason')
        .slice(1)
        .map(([name, count]) => [name, Number(count)]),
    )
    expect(reasons).toMatchObject({
      'Family Card': membersWith(({ reason }) => reason === 'family_card'),
      'No mobile phone': membersWith(({ reason }) => reason === 'no_phone'),
      Withdrawn: membersWith(({ reason }) => reason === 'withdrawn'),
    })
  })

  it('of delivery and verification are those of the receipts and challenges, by wave and by carrier', async () => {
    const sent = await api.system.sql<{ failed: boolean; carrier: string }[]>`
      select exists (select from receipts r where r.reference = n.notice_id and r.kind = 'failed') as failed,
        m.mobile_carrier as carrier
      from campaign_notices n join members m on m.member_id = n.member_id
      where n.kind = 'announcement' and n.state = 'accepted'`
    const rowOf = (name: string, some: readonly { failed: boolean }[], verified: string) => {
      const failed = some.filter((each) => each.failed).length
      const rate = (part: number) => {
        const percent = String(Math.round((1_000 * part) / some.length) / 10)
        return `${percent} % ${part} of ${some.length}`
      }
      return [name, String(some.length), rate(some.length - failed), rate(failed), verified]
    }
    const of = (carrier: string) => sent.filter((each) => each.carrier === carrier)
    const { rows } = await page()
    expect(rows('By wave').slice(1)).toEqual([rowOf('Wave 1', sent, '100 % 1 of 1')])
    const byCarrier = rows('By carrier').slice(1)
    // A carrier's name that is none, which may be anything, is not shown.
    expect(new Set(byCarrier.map(([name]) => name))).toEqual(new Set(['Other', 'SoftBank', 'au', 'docomo']))
    expect(byCarrier).toContainEqual(rowOf('docomo', of('docomo'), '100 % 1 of 1'))
    expect(byCarrier).toContainEqual(rowOf('SoftBank', of('softbank'), '– 0 of 0'))
  })

  it('of a gate that has stopped the campaign say what it saw, and where its limit stood', async () => {
    await command({ command: 'resume' })
    await api.system.sql`
      update campaigns set plan = jsonb_set(plan, '{waves,0,gate,maxNegativeReceiptPercent}', '10')`
    await api.system.sql`update campaign_waves set bake_until = now() where wave = 1`
    await api.system.temporal.workflow.getHandle(`sms-campaign/${CAMPAIGN}`).signal('campaignChanged')
    await api.system.until(async () => (await show()).state === 'paused')
    // The page counts a moment for all who ask.
    await api.system.until(async () => (await page()).answer.body.includes('stopped by its gate'))
    const { all } = await page()
    const seen = (await show()).waves[0]!.verdict!.negativeReceiptPercent!
    const [wave] = all('li', 'wave')
    expect(words(wave!)).toContain('Stopped by its gate')
    const row = elementsOf(wave!, 'tr').find((each) => words(each).startsWith('Negative receipts'))!
    expect(words(row)).toBe(`Negative receipts ${Math.round(seen * 10) / 10} % at most 10 %`)
    expect(elementsOf(row, 'rect').some((rect) => hasClass(rect, 'broken'))).toBe(true)
    expect(all('p', 'warning').map(words).join(' ')).toContain('the gate of wave 1 failed: negative_receipts')
  })

  it('that take too long are left out, and the rest is shown', async () => {
    const reports = connect(api.system.env['DATABASE_URL']!, { name: 'test', statementTimeoutMs: 300 })
    await api.system.sql`alter function campaign_figures(text, int) rename to slow_figures`
    await api.system.sql.unsafe(`create function campaign_figures(campaign text, points int) returns jsonb
      language sql as $$ select '{}'::jsonb from pg_sleep(20) $$`)
    const answer = await open(`/campaigns/${CAMPAIGN}`, undefined, api.server({ reports }))
    await reports.end({ timeout: 1 })
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toContain('could not be counted in time')
    expect(words(elementsOf(parseHtml(answer.body).document, 'main')[0]!)).toContain('Family Card')
  })
})

it('the list leads to each campaign', async () => {
  const { all } = await page('/campaigns')
  const links = all('a').map((link) => attributeOf(link, 'href'))
  expect(links).toContain(`/campaigns/${CAMPAIGN}`)
  expect((await open(`/campaigns/${randomUUID().slice(0, 8)}`)).statusCode).toBe(404)
})
