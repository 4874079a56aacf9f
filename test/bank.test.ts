/**
 * U5: the example upstream. An award is redeemed by who proves who they are, for that redemption, and by nobody else; each
 * redemption ends once, whoever dies meanwhile, and what is not redeemed costs no miles.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { Worker } from '@temporalio/worker'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { BANK_CALLER } from '../local/development-keys.ts'
import {
  accountWorkflowId,
  proofPresentedSignal,
  redemptionWorkflowId,
  type AwardOrder,
  type Redemption,
} from '../local/bank/messages.ts'
import { SAMPLE_MEMBERS, type SampleMember } from '../local/sample-members.ts'
import { createProofs, type Verified } from '../proofs/proof.ts'
import { destinationsOf, startBankGround, type BankGround } from './support/bank.ts'
import type { Person, Seen } from './support/person.ts'
import { judgeFor, wrongCode, type WorkerProcess } from './support/system.ts'

let ground: BankGround
let api: WorkerProcess
let bank: WorkerProcess
beforeAll(async () => {
  ground = await startBankGround()
  ;[api, bank] = await Promise.all([ground.startApi(), ground.startBank()])
})
afterAll(() => ground?.system.stop())

interface Redeeming {
  readonly person: Person
  readonly member: SampleMember
  /** The page that asks for the code. */
  readonly entry: Seen
  readonly redemptionId: string
}

const LOUNGE = { awardId: 'lounge' }
const PRICE = 1_500

const formOfAccount = (account: Seen) => /name="redemptionId" value="(?<id>[^"]+)"/.exec(account.html)!.groups!['id']!

/** Up to the page that asks for the code. */
async function begin(member: SampleMember): Promise<Redeeming> {
  const { person, account } = await ground.logIn(member)
  const link = await person.submit(account, '/redemptions', LOUNGE)
  const entry = await person.submit(link, /^\/open\//)
  expect(entry.url, entry.words).toContain(`${ground.apiUrl}/code-entry/`)
  return { person, member, entry, redemptionId: formOfAccount(account) }
}

const enter = async ({ person, member, entry }: Redeeming, code?: string) =>
  person.submit(entry, /^\/code-entry\/[^/]+$/, { code: code ?? (await ground.codeFor(member)) })

const pageOf = ({ person, redemptionId }: Pick<Redeeming, 'person' | 'redemptionId'>) =>
  person.get(`${ground.bankUrl}/redemptions/${redemptionId}`)

const stateOf = (redemptionId: string) =>
  ground.system.temporal.workflow.getHandle(redemptionWorkflowId(redemptionId)).query<Redemption>('redemption')

const ended = ({ redemptionId }: Pick<Redeeming, 'redemptionId'>, withinMs = 30_000) =>
  ground.system.until(async () => {
    const state = await stateOf(redemptionId)
    return (state.status === 'redeemed' || state.status === 'given_up') && state
  }, withinMs)

/** Has the workflow look at its challenge now, as it does by itself a little later. */
async function looked({ redemptionId }: Pick<Redeeming, 'redemptionId'>): Promise<void> {
  const handle = ground.temporal.workflow.getHandle(redemptionWorkflowId(redemptionId))
  const looks = async () => {
    const { events } = await handle.fetchHistory()
    const scheduled = events?.filter((event) =>
      event.activityTaskScheduledEventAttributes?.activityType?.name?.includes('lookAtChallenge'),
    )
    return events?.filter(({ activityTaskCompletedEventAttributes: done }) =>
      scheduled?.some(({ eventId }) => eventId?.toString() === done?.scheduledEventId?.toString()),
    ).length
  }
  const before = (await looks()) ?? 0
  await handle.signal(proofPresentedSignal, { challengeId: uuidv7() })
  await ground.system.until(async () => ((await looks()) ?? 0) > before)
}

async function milesOf(person: Person): Promise<number> {
  const { words } = await person.get(`${ground.bankUrl}/account`)
  return Number(/(?<miles>[\d,]+) マイル/.exec(words)!.groups!['miles']!.replaceAll(',', ''))
}

describe('a proof that is none redeems nothing', () => {
  let redeeming: Redeeming
  let truth: Verified
  beforeAll(async () => {
    redeeming = await begin('softbank')
    const { challengeId, memberId } = await stateOf(redeeming.redemptionId)
    truth = {
      challengeId: challengeId!,
      memberId,
      purpose: 'redeem_benefit',
      channel: 'sms',
      verifiedAt: new Date().toISOString(),
    }
  })
  const keyRing = (keys: string) => loadConfig(['pages'], { OTP_PROOF_KEYS: keys }).pages.proofKeys
  const sign = (fields: Partial<Verified>, { audience = BANK_CALLER, issuer = ground.apiUrl, keys = '' } = {}) =>
    createProofs(keyRing(keys || ground.proofKeys), issuer).sign({ ...truth, ...fields }, audience)
  it('nor does coming back without one: the redemption is as it was', async () => {
    const query = new URLSearchParams({ state: redeeming.redemptionId }).toString()
    const page = await redeeming.person.get(`${ground.bankUrl}/return?${query}`)
    expect([page.status, page.url]).toEqual([200, `${ground.bankUrl}/redemptions/${redeeming.redemptionId}`])
    expect((await stateOf(redeeming.redemptionId)).status).toBe('unproven')
  })

  const present = (proof: string, state = redeeming.redemptionId) =>
    redeeming.person.get(`${ground.bankUrl}/return?${new URLSearchParams({ proof, state }).toString()}`)

  it.each<[string, () => Promise<string>, number]>([
    [
      'that no key of the service signed',
      () => sign({}, { keys: `dev-proof-1:${randomBytes(32).toString('base64')}` }),
      403,
    ],
    ['that another key signed', () => sign({}, { keys: `stranger:${randomBytes(32).toString('base64')}` }), 403],
    ['that is for another site', () => sign({}, { audience: 'somebody-else' }), 403],
    ['of another issuer', () => sign({}, { issuer: 'https://otp.example' }), 403],
    ['that has expired', () => sign({ verifiedAt: new Date(Date.now() - 121_000).toISOString() }), 403],
    ['of another member', () => sign({ memberId: SAMPLE_MEMBERS.sms.memberId }), 403],
    ['of a code for something else', () => sign({ purpose: 'view_membership' }), 403],
    ['of another challenge', () => sign({ challengeId: uuidv7() }), 200],
    ['without a signature', () => sign({}).then((proof) => `${proof.slice(0, proof.lastIndexOf('.'))}.`), 403],
    ['with another text under the signature', () => sign({}).then(retold), 403],
    ['that is no JWT', async () => 'proof', 403],
  ])('one %s', async (_, forge, status) => {
    const answer = await present(await forge())
    expect(answer.status, answer.words).toBe(status)
    expect((await stateOf(redeeming.redemptionId)).status).toBe('unproven')
  })

  it('one that somebody else brings, who is logged in as another member', async () => {
    const { person } = await ground.logIn('noPhone')
    const query = new URLSearchParams({ proof: await sign({}), state: redeeming.redemptionId }).toString()
    expect((await person.get(`${ground.bankUrl}/return?${query}`)).status).toBe(404)
    expect((await stateOf(redeeming.redemptionId)).status).toBe('unproven')
  })

  it('one of a redemption that there is not', async () => {
    expect((await present(await sign({}), randomUUID())).status).toBe(404)
  })

  it('but the right code still does', async () => {
    const page = await enter(redeeming)
    expect(page.words).toContain('特典に交換しました')
    expect(await milesOf(redeeming.person)).toBe(50_000 - PRICE)
  })

  /** The claims of somebody who can edit, but not sign. */
  function retold(proof: string): string {
    const [header, claims, signature] = proof.split('.')
    const edited = { ...(JSON.parse(Buffer.from(claims!, 'base64url').toString()) as object), exp: 9_999_999_999 }
    return [header, Buffer.from(JSON.stringify(edited)).toString('base64url'), signature].join('.')
  }
})

describe('a member', () => {
  it('redeems an award with the right code, after a wrong one', async () => {
    const redeeming = await begin('sms')
    const again = await enter(redeeming, wrongCode(await ground.codeFor('sms')))
    expect(again.url).toContain(redeeming.entry.url)
    const page = await enter({ ...redeeming, entry: again })
    expect(page.url).toBe(`${ground.bankUrl}/redemptions/${redeeming.redemptionId}`)
    expect(page.words).toContain('特典に交換しました')
    expect(await milesOf(redeeming.person)).toBe(50_000 - PRICE)
  })

  it('redeems once with one proof, and nothing else with it', async () => {
    const first = await begin('sms')
    await enter(first)
    const came = first.person.trail.findLast((url) => url.startsWith(`${ground.bankUrl}/return`))!
    const before = await milesOf(first.person)
    expect((await first.person.get(came)).words).toContain('特典に交換しました')
    expect(await milesOf(first.person)).toBe(before)

    const second = await begin('sms')
    const elsewhere = new URL(came)
    elsewhere.searchParams.set('state', second.redemptionId)
    await second.person.get(elsewhere.href)
    expect((await stateOf(second.redemptionId)).status).toBe('unproven')
  })

  it('who sends the form twice redeems once, and gets one code', async () => {
    const { person, account } = await ground.logIn('email')
    const before = await milesOf(person)
    await Promise.all([1, 2].map(() => person.submit(account, '/redemptions', LOUNGE)))
    const sent = await ground.system.simulators.messages(destinationsOf('email')[0])
    expect(sent).toHaveLength(1)
    expect(await milesOf(person)).toBe(before - PRICE)
    const third = await person.submit(account, '/redemptions', LOUNGE)
    const entry = await person.submit(third, /^\/open\//)
    await enter({ person, member: 'email', entry, redemptionId: '' })
    // Its workflow has ended by now: the same form finds what became of it.
    expect((await person.submit(account, '/redemptions', LOUNGE)).words).toContain('特典に交換しました')
    expect(await milesOf(person)).toBe(before - PRICE)
  })

  it('who closes the tab after the code finds the award redeemed', async () => {
    const { person, redemptionId } = await begin('sms')
    // What the page does, without the way back.
    const { challengeId } = await stateOf(redemptionId)
    await judgeFor(ground.system, challengeId!, await ground.codeFor('sms'))
    expect(await ended({ redemptionId })).toMatchObject({ status: 'redeemed' })
    expect((await pageOf({ person, redemptionId })).words).toContain('特典に交換しました')
  })

  it('who comes back to a redemption is led to the same code again', async () => {
    const { person, redemptionId } = await begin('sms')
    const page = await pageOf({ person, redemptionId })
    expect(page.words).toContain('ご本人さまの確認をお待ちしています')
    const link = await person.submit(page, /\/code$/)
    const entry = await person.submit(link, /^\/open\//)
    expect((await enter({ person, member: 'sms', entry, redemptionId })).words).toContain('特典に交換しました')
  })

  it.each<[string, SampleMember, (redeeming: Redeeming) => Promise<Seen>]>([
    [
      'let the code expire',
      'softbank',
      async ({ person, entry }) => {
        await ground.system.shiftClock(601_000)
        return person.get(entry.url)
      },
    ],
    [
      'mistyped it too often',
      'sms',
      async (redeeming) => {
        const wrong = wrongCode(await ground.codeFor(redeeming.member))
        let { entry } = redeeming
        for (let attempt = 1; attempt <= 5; attempt++) entry = await enter({ ...redeeming, entry }, wrong)
        return entry
      },
    ],
  ])('who %s has another one sent, and redeems with that', async (_, member, end) => {
    const redeeming = await begin(member)
    const older = await ground.codeFor(member)
    const ended = await end(redeeming)
    await looked(redeeming)
    expect((await stateOf(redeeming.redemptionId)).status).toBe('unproven')
    const entry = await redeeming.person.submit(ended, /\/send$/)
    await ground.system.until(async () => (await ground.codeFor(member)) !== older)
    expect((await enter({ ...redeeming, entry })).words).toContain('特典に交換しました')
    await ground.system.shiftClock(0)
  })

  it('who decides otherwise keeps the miles, and the code is withdrawn', async () => {
    const { person, redemptionId } = await begin('minor')
    const page = await person.submit(await pageOf({ person, redemptionId }), /\/cancel$/)
    expect(page.words).toContain('お客さまが取りやめました')
    expect(await milesOf(person)).toBe(50_000)
    const { challengeId } = await stateOf(redemptionId)
    const outcome = await ground.system.until(async () => {
      const [row] = await ground.system.sql<{ outcome: string | null }[]>`
        select outcome from challenges where challenge_id = ${challengeId!}`
      return row?.outcome ?? undefined
    })
    expect(outcome).toBe('cancelled')
  })

  it.each<[SampleMember, string]>([
    ['unreachable', 'ワンタイムパスワードをお届けできませんでした'],
    ['undeliverableEmail', 'ワンタイムパスワードをお届けできませんでした'],
  ])('who cannot get a code keeps the miles, and is told why: %s', async (member, why) => {
    const { person, account } = await ground.logIn(member)
    const page = await person.submit(account, '/redemptions', LOUNGE)
    expect(page.words).toContain(why)
    expect(await milesOf(person)).toBe(50_000)
  })

  it('who has too few miles is told so, and no code is sent', async () => {
    const { person, account } = await ground.logIn('familyCard')
    const { memberId } = SAMPLE_MEMBERS.familyCard
    const others = { redemptionId: randomUUID(), memberId, awardId: 'flight', miles: 49_000 }
    await ground.temporal.workflow
      .getHandle(accountWorkflowId(memberId))
      .executeUpdate<boolean, [AwardOrder]>('reserve', { args: [others] })
    expect((await person.submit(account, '/redemptions', LOUNGE)).words).toContain('マイルが不足しています')
    const sent = await Promise.all(destinationsOf('familyCard').map((to) => ground.system.simulators.messages(to)))
    expect(sent.flat()).toEqual([])
    expect(await milesOf(person)).toBe(1_000)
  })
})

describe('what a browser says counts for nothing', () => {
  it("another member's redemption is no page, and cannot be cancelled", async () => {
    const { redemptionId, person } = await begin('email')
    const stranger = await ground.logIn('noPhone')
    const address = `${ground.bankUrl}/redemptions/${redemptionId}`
    expect((await stranger.person.get(address)).status).toBe(404)
    expect((await stranger.person.post(`${address}/cancel`, {})).status).toBe(404)
    expect((await stranger.person.post(`${address}/code`, {})).status).toBe(404)
    const order = { redemptionId, ...LOUNGE }
    expect((await stranger.person.post(`${ground.bankUrl}/redemptions`, order)).status).toBe(404)
    expect((await pageOf({ person, redemptionId })).words).toContain('お待ちしています')
  })

  it('a form of another site is refused', async () => {
    const { person } = await ground.logIn('noPhone')
    const order = { redemptionId: randomUUID(), ...LOUNGE }
    for (const site of ['cross-site', 'same-site']) {
      const answer = await person.post(`${ground.bankUrl}/redemptions`, order, { 'sec-fetch-site': site })
      expect(answer.status).toBe(403)
    }
    expect((await person.get(`${ground.bankUrl}/redemptions/${order.redemptionId}`)).status).toBe(404)
  })

  it.each(['sms', 'sms.AAAA', SAMPLE_MEMBERS.sms.memberId])(
    'a session that it made up is none: %s',
    async (session) => {
      const answer = await fetch(`${ground.bankUrl}/account`, {
        redirect: 'manual',
        headers: { cookie: `bank-session=${session}` },
      })
      expect(answer.headers.get('location')).toBe('/')
    },
  )

  it.each([
    ['no award', { redemptionId: randomUUID(), awardId: 'constructor' }],
    ['no redemption', LOUNGE],
    ['no id', { redemptionId: '../1', ...LOUNGE }],
  ])('a form that names %s is refused', async (_, form) => {
    const { person } = await ground.logIn('noPhone')
    expect((await person.post(`${ground.bankUrl}/redemptions`, form)).status).toBe(400)
  })
})

describe('whoever dies', () => {
  it('the bank, killed while the member enters the code, finishes when it is back', async () => {
    const { person, redemptionId } = await begin('sms')
    const before = await milesOf(person)
    const { challengeId } = await stateOf(redemptionId)
    await bank.kill('SIGKILL')
    await judgeFor(ground.system, challengeId!, await ground.codeFor('sms'))
    bank = await ground.startBank()
    expect(await ended({ redemptionId })).toMatchObject({ status: 'redeemed' })
    // The session outlives the process too.
    expect(await milesOf(person)).toBe(before)
  })

  it('the API, away when the award is asked for, is asked again when it is back', async () => {
    await api.kill('SIGKILL')
    const { person, account } = await ground.logIn('softbank')
    const waiting = await person.submit(account, '/redemptions', LOUNGE)
    expect(waiting.words).toContain('お待ちください')
    api = await ground.startApi()
    const redemptionId = formOfAccount(account)
    await ground.system.until(async () => (await stateOf(redemptionId)).status === 'unproven', 30_000)
    const link = await person.submit(await pageOf({ person, redemptionId }), /\/code$/)
    const entry = await person.submit(link, /^\/open\//)
    const page = await enter({ person, member: 'softbank', entry, redemptionId })
    expect(page.words).toContain('特典に交換しました')
  })

  it('a page that cannot be had now says so, and nothing is lost', async () => {
    const { person, redemptionId } = await begin('sms')
    await api.kill('SIGKILL')
    const page = await person.submit(await pageOf({ person, redemptionId }), /\/code$/)
    expect([page.status, page.words]).toEqual([503, expect.stringContaining('ただいまご利用いただけません')])
    api = await ground.startApi()
    expect((await stateOf(redemptionId)).status).toBe('unproven')
  })
})

describe('a code that nobody enters', () => {
  let short: BankGround
  beforeAll(async () => {
    short = await startBankGround({ OTP_CODE_TTL_SECONDS: '3', OTP_CODE_MIN_LIFE_SECONDS: '0' })
    await Promise.all([short.startApi(), short.startBank()])
  })
  afterAll(() => short?.system.stop())

  it('ends the redemption when it expires, and the miles are back', async () => {
    const { person, account } = await short.logIn('sms')
    await person.submit(account, '/redemptions', LOUNGE)
    const address = `${short.bankUrl}/redemptions/${formOfAccount(account)}`
    const page = await short.system.until(async () => {
      const seen = await person.get(address)
      return seen.words.includes('有効期限内にご入力がありませんでした') && seen
    }, 20_000)
    expect(page.words).toContain('マイルは減っていません')
    expect((await person.get(`${short.bankUrl}/account`)).words).toContain('50,000 マイル')
  })
})

it('every history replays', async () => {
  const { workflow } = ground.temporal
  const names = new Set<string>()
  const histories = (async function* all() {
    for await (const { workflowId, runId, type } of workflow.list({ query: 'TaskQueue = "mileage-bank"' })) {
      names.add(type)
      yield { workflowId, history: await workflow.getHandle(workflowId, runId).fetchHistory() }
    }
  })()
  const workflowsPath = new URL('../local/bank/workflows.ts', import.meta.url).pathname
  for await (const { error } of Worker.runReplayHistories({ workflowsPath }, histories)) {
    expect(error).toBeUndefined()
  }
  expect(names).toEqual(new Set(['awardRedemption', 'mileageAccount']))
})
