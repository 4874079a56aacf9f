/**
 * P1 in a real browser, as a phone: with and without scripts, from the upstream's redirect to the way back. The browser
 * complains of nothing on the way.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../local/stack/ports.ts'
import { startApi, type Api } from './support/api.ts'
import { overflowOf, useBrowser, type VisitOptions } from './support/browser.ts'
import { pageLink } from './support/code-entry.ts'
import { lengthened, patience } from './support/speed.ts'
import { wrongCode } from './support/system.ts'

/** Long enough for a page to be seen within it. */
const COOLDOWN_SECONDS = lengthened(10)

const browser = useBrowser()
let api: Api
let upstream: string
const returns: URL[] = []
const bank = createServer((request, response) => {
  const url = new URL(request.url ?? '/', upstream)
  if (url.pathname === '/return') returns.push(url)
  response.setHeader('content-type', 'text/html')
  response.end('<!doctype html><html lang="en"><title>Bank</title><link rel="icon" href="data:,"><h1>Bank</h1>')
})

beforeAll(async () => {
  const port = await freePort()
  api = await startApi({ OTP_PUBLIC_URL: `http://127.0.0.1:${port}`, OTP_COOLDOWN_SECONDS: COOLDOWN_SECONDS })
  await api.app.listen({ host: '127.0.0.1', port })
  await once(bank.listen(0, '127.0.0.1'), 'listening')
  upstream = `http://127.0.0.1:${(bank.address() as AddressInfo).port}`
})
afterEach(() => api.system.shiftClock(0))
afterAll(async () => {
  bank.closeAllConnections()
  bank.close()
  await api?.stop()
})

/** A member whose browser follows the link to the page of code entry. */
async function arrive(options: VisitOptions & { link?: object } = {}) {
  const { link = {}, ...visit } = options
  const memberId = await api.system.addMember()
  const returnUrl = `${upstream}/return`
  const about = { page: 'code-entry', purpose: 'redeem_benefit', locale: 'en', returnUrl, state: 's-1' }
  const url = await pageLink(api, { memberId, ...about, ...link })
  const { context, page } = await browser.visit(visit)
  await page.goto(url)
  if (visit.scripts === false) await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL('**/code-entry/**')
  return { memberId, url, context, page, code: async () => (await api.system.codes(memberId))[0]! }
}
const field = (page: Page) => page.getByRole('textbox', { name: 'One-time password' })
const verify = (page: Page) => page.getByRole('button', { name: 'Verify' })
async function type(page: Page, code: string) {
  await field(page).fill(code)
  await verify(page).click()
}
async function expectShown(page: Page, words: string) {
  await page.locator('main').getByText(words).first().waitFor()
  expect(await page.locator('main').innerText()).toContain(words)
}
async function expectBack(page: Page) {
  await page.waitForURL(`${upstream}/return**`)
  expect(await page.innerText('h1')).toBe('Bank')
}
const secondsLeft = async (page: Page) => {
  const [minutes, seconds] = (await page.getByRole('timer').first().innerText()).split(':')
  return Number(minutes) * 60 + Number(seconds)
}
/** Stops the clock where a member's code has so long to live, however long it took this machine to come here. */
async function leaveMs(memberId: string, milliseconds: number) {
  const [row] = await api.system.sql<[{ at: Date }]>`
    select expires_at as at from challenges where member_id = ${memberId}`
  await api.system.stopClock(row.at.toISOString(), -milliseconds)
}
const newTab = (context: BrowserContext, page: Page) =>
  context.newPage().then(async (tab) => {
    await tab.goto(page.url())
    return tab
  })

describe.each([
  ['with scripts', true],
  ['without scripts', false],
])('%s', (_how, scripts) => {
  it('a member enters the code and is back at the upstream with a proof', async () => {
    const { page, code } = await arrive({ scripts })
    expect(await overflowOf(page).catch(() => 0)).toBe(0)
    await type(page, await code())
    await expectBack(page)
    const back = returns.at(-1)!.searchParams
    expect(back.get('state')).toBe('s-1')
    expect(back.get('proof')?.split('.')).toHaveLength(3)
  })

  it('a wrong code is told, and the right one counts after it', async () => {
    const { page, code } = await arrive({ scripts })
    await type(page, wrongCode(await code()))
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').innerText()).toContain('4 attempts left')
    await page.reload()
    expect(await page.getByRole('alert').innerText()).toContain('4 attempts left')
    await type(page, await code())
    await expectBack(page)
  })

  it('the back button after it shows that it is done, and leads on', async () => {
    const { page, code } = await arrive({ scripts })
    await type(page, await code())
    await expectBack(page)
    await page.goBack()
    await expectShown(page, 'Your one-time password is verified.')
    const before = returns.length
    await page.getByRole('link', { name: 'Continue', exact: true }).click()
    await expectBack(page)
    expect(returns.slice(before - 1).map(String)).toEqual([String(returns.at(-1)), String(returns.at(-1))])
  })

  it('sent again, another code comes and the earlier is told from it', async () => {
    const { page, code } = await arrive({ scripts })
    const older = await code()
    await api.system.shiftClock((Number(COOLDOWN_SECONDS) + 1) * 1_000)
    await page.reload()
    await page.getByRole('button', { name: 'Send again' }).click()
    await api.system.until(async () => (await code()) !== older)
    await field(page).waitFor()
    await type(page, older)
    await expectShown(page, 'That was an earlier one-time password.')
    await type(page, await code())
    await expectBack(page)
  })

  it('two tabs show the same, and what is done in one is done in the other', async () => {
    const { context, page, code } = await arrive({ scripts })
    const tab = await newTab(context, page)
    await type(page, await code())
    await expectBack(page)
    await type(tab, await code())
    await expectShown(tab, 'Your one-time password is verified.')
  })

  it('a link for another member ends what the first had open in this browser', async () => {
    const { page, context } = await arrive({ scripts })
    const memberId = await api.system.addMember()
    const tab = await context.newPage()
    await tab.goto(await pageLink(api, { memberId, page: 'code-entry', purpose: 'redeem_benefit', locale: 'en' }))
    if (!scripts) await tab.getByRole('button', { name: 'Continue' }).click()
    await tab.waitForURL('**/code-entry/**')
    await page.reload()
    await expectShown(page, 'This page is no longer valid')
  })
})

describe('the countdown', () => {
  it('is right across a reload, and with a device whose clock is 5 minutes off', async () => {
    for (const minutesOff of [-5, 5]) {
      const { page, context } = await arrive()
      await context.addInitScript(`{
        const now = Date.now
        Date.now = () => now() + ${minutesOff * 60_000}
        globalThis.Date = class extends Date {
          constructor(...args) { super(...(args.length === 0 ? [Date.now()] : args)) }
        }
      }`)
      await page.reload()
      const left = await secondsLeft(page)
      expect(left).toBeGreaterThan(600 - patience(20) / 1_000)
      expect(left).toBeLessThanOrEqual(600)
      await expect.poll(() => secondsLeft(page)).toBeLessThan(left)
    }
  })

  it('is corrected by the server when the page is looked at again', async () => {
    const { page } = await arrive()
    await api.system.shiftClock(300_000)
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await expect.poll(() => secondsLeft(page)).toBeLessThan(305)
  })

  it('at its end shows that the code has expired, without anybody doing anything', async () => {
    const { page, memberId } = await arrive()
    await leaveMs(memberId, 1_500)
    const told = page.waitForResponse('**/state')
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await told
    await api.system.shiftClock(600_000)
    await expectShown(page, 'The one-time password has expired.')
  })

  it('at its end asks less and less often while nobody answers, and then shows what stands', async () => {
    const { page, memberId } = await arrive()
    await leaveMs(memberId, 1_500)
    let answers = 0
    await page.route('**/state', async (route) => {
      answers += 1
      await (answers === 1 ? route.continue() : route.fulfill({ status: 503, body: '{}' }))
    })
    // By the browser's own clock.
    const asked = () =>
      page.evaluate<number[]>(
        `performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/state')).map(({ startTime }) => startTime)`,
      )
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await expect.poll(async () => (await asked()).length, { timeout: patience(20) }).toBe(4)
    const moments = await asked()
    const pauses = moments.slice(2).map((at, index) => at - moments[index + 1]!)
    for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(1_000 * 2 ** index)
    expect(browser.takeComplaints().every((complaint) => complaint.includes('503'))).toBe(true)
    await api.system.shiftClock(600_000)
    await page.unroute('**/state')
    await expectShown(page, 'The one-time password has expired.')
  })

  it('frees "send again" when its cooldown is over', async () => {
    const { page } = await arrive()
    const again = page.getByRole('button', { name: 'Send again' })
    expect(await again.isDisabled()).toBe(true)
    await api.system.shiftClock((Number(COOLDOWN_SECONDS) - 2) * 1_000)
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await expect.poll(() => again.isEnabled(), { timeout: patience(6) }).toBe(true)
  })
})

describe('a page that nobody touches', () => {
  it('shows the code as sent once it was, and as failed once it has', async () => {
    const memberId = await api.system.addMember({ email: null })
    const [member] = await api.system.sql<[{ phone: string }]>`select phone from members where member_id = ${memberId}`
    await api.system.simulators.faults({ to: member.phone, latencyMs: 5_000 + patience(3), times: 1 })
    const { page } = await browser.visit()
    await page.goto(await pageLink(api, { memberId, page: 'code-entry', purpose: 'redeem_benefit', locale: 'en' }))
    await expectShown(page, 'We are sending it')
    await expectShown(page, 'We sent it')
    await api.system.sql`
      select apply_receipts(provider, array['r-1'], array[challenge_id::text], array[provider_message_id],
        array['failed'], array['x'], array[now()::text]) from challenges where member_id = ${memberId}`
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await expectShown(page, 'The message could not be delivered.')
  })

  it('keeps what is being typed while the rest of it changes', async () => {
    const { page, memberId, code } = await arrive()
    await field(page).fill('12')
    await api.system.sql`
      select apply_receipts(provider, array['r-2'], array[challenge_id::text], array[provider_message_id],
        array['failed'], array['x'], array[now()::text]) from challenges where member_id = ${memberId}`
    const asked = page.waitForResponse('**/state')
    await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
    await asked
    expect(await field(page).inputValue()).toBe('12')
    await type(page, await code())
    await expectBack(page)
  })
})

describe('a hurried member', () => {
  it('who presses the button twice is back with one verdict', async () => {
    const { page, memberId, code } = await arrive()
    await field(page).fill(await code())
    await page.evaluate(`{
      const form = document.querySelector('#code').form
      form.requestSubmit()
      form.requestSubmit()
    }`)
    await expectBack(page)
    const [row] = await api.system.sql<[{ submissions: number; outcome: string }]>`
      select submissions, outcome from challenges where member_id = ${memberId}`
    expect(row).toEqual({ submissions: 1, outcome: 'verified' })
  })

  it('who closes the page finds it again, by its address and by the link', async () => {
    const { context, page, url, code } = await arrive()
    const address = page.url()
    await page.close()
    const again = await context.newPage()
    await again.goto(address)
    await field(again).waitFor()
    await again.goto(url)
    await again.waitForURL(address)
    await type(again, await code())
    await expectBack(again)
  })

  it('whose link is opened in the background spends it when they look', async () => {
    const memberId = await api.system.addMember()
    const url = await pageLink(api, { memberId, page: 'code-entry', purpose: 'redeem_benefit', locale: 'en' })
    const { page, context } = await browser.visit()
    await context.addInitScript(`Object.defineProperty(document, 'visibilityState', {
      configurable: true, get: () => globalThis.isSeen ? 'visible' : 'hidden' })`)
    await page.goto(url)
    await page.getByRole('button', { name: 'Continue' }).waitFor()
    expect(page.url()).toBe(url)
    expect(await api.system.codes(memberId)).toEqual([])
    await page.evaluate('globalThis.isSeen = true; document.dispatchEvent(new Event("visibilitychange"))')
    await page.waitForURL('**/code-entry/**')
  })
})
