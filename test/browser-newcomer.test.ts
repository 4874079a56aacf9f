/**
 * Q1, U5, P1, P2, P4: the path of a newcomer, by the README's "Five minutes with it" alone: `npm start`, open the printed
 * address, redeem an award, register a phone, change the language in the middle, close the tab and come back.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { accessibilityFindings, overflowOf, useBrowser } from './support/browser.ts'
import { npmStart, ready, STARTED_MS, type Start } from './support/npm-start.ts'
import { until } from './support/until.ts'

const browser = useBrowser()
let folder: string
let start: Start
/** As they stand in what `npm start` prints. */
let bank: string
let outbox: string

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'one-time-password-newcomer-')))
  start = npmStart(folder)
  await ready(start, folder)
  const printed = (name: string) => new RegExp(`${name} +(?<url>http://\\S+)`).exec(start.output())!.groups!['url']!
  ;[bank, outbox] = [printed('Mileage bank'), printed('Outbox')]
}, STARTED_MS)
afterAll(async () => {
  start?.process.kill('SIGTERM')
  await start?.exited
  await rm(folder, { recursive: true, force: true })
})

/** A newcomer: the bank in one tab, the outbox in another. */
async function newcomer(options: { scripts: boolean; locale: string }) {
  const { context, page } = await browser.visit({ ...options, timezoneId: 'Asia/Tokyo' })
  await page.goto(bank)
  return { context, page, mail: await context.newPage() }
}

/** The code of the next message to arrive; those that are known are not read again. */
const read = new Set<string>()
async function nextCode(mail: Page): Promise<string> {
  return until(async () => {
    await mail.goto(outbox)
    const newest = mail.locator('main section article').first()
    if ((await newest.count()) === 0) return undefined
    const id = `${await newest.getAttribute('id')}`
    if (read.has(id)) return undefined
    read.add(id)
    return /\d{6}/.exec((await newest.locator('.bubble, pre').first().textContent()) ?? '')?.[0]
  })
}

/** Without scripts nobody presses the button of a link but the member. */
async function continueFromLink(page: Page, scripts: boolean): Promise<void> {
  if (!scripts) await page.locator('form[action^="/open/"] button').click()
  await page.waitForURL((url) => !url.pathname.startsWith('/open/') && url.origin !== bank)
}

async function enter(page: Page, code: string): Promise<void> {
  await page.locator('input[autocomplete="one-time-code"]').fill(code)
  await page.keyboard.press('Enter')
}

const heading = (page: Page, text: string) => page.getByRole('heading', { level: 1, name: text }).waitFor()

async function redeem(page: Page, scripts: boolean, award: string): Promise<void> {
  await page.getByRole('button', { name: award }).click()
  await page.waitForURL((url) => url.pathname !== '/account')
  // On a machine that is busy the bank does not keep a browser waiting.
  if (new URL(page.url()).origin === bank) await page.locator('form[action$="/code"] button').click()
  await continueFromLink(page, scripts)
}

it.each([{ scripts: true }, { scripts: false }])('redeems an award, with scripts: $scripts', async ({ scripts }) => {
  const { page, mail } = await newcomer({ scripts, locale: 'en-US' })
  // Axe is a script.
  const faults = async () => (scripts ? [...(await accessibilityFindings(page)), await overflowOf(page)] : [0])
  expect(await faults()).toEqual([0])
  await page.getByRole('button', { name: scripts ? /^Sachiko/ : /^Eiji/ }).click()
  await redeem(page, scripts, 'Redeem: Airport lounge voucher')
  await enter(page, await nextCode(mail))
  await heading(page, 'Your award is redeemed')
  expect(new URL(page.url()).origin).toBe(bank)
  expect(await faults()).toEqual([0])
  await page.getByRole('link', { name: 'Back to My account' }).click()
  expect(await page.locator('.balance').textContent()).toContain('48,500 miles')
  expect(await faults()).toEqual([0])
})

it('changes the language in the middle, closes the tab, and comes back to the same code', async () => {
  const before = read.size
  const { context, page, mail } = await newcomer({ scripts: true, locale: 'ja-JP' })
  await page.getByRole('button', { name: /^空さん/ }).click()
  await redeem(page, true, '交換する: 空港ラウンジご利用券')
  const entry = page.url()
  await page.getByRole('button', { name: 'English' }).click()
  await heading(page, 'Enter your one-time password')
  expect(await page.locator('html').getAttribute('lang')).toBe('en')
  await page.close()

  const again = await context.newPage()
  await again.goto(entry)
  await heading(again, 'Enter your one-time password')
  await again.goto(`${bank}/account`)
  await again.locator('.entries a').first().click()
  await again.getByRole('button', { name: 'ワンタイムパスワードを入力する' }).click()
  await continueFromLink(again, true)
  await enter(again, await nextCode(mail))
  await heading(again, '特典に交換しました')
  // One message for all that: the page was led to the same challenge each time.
  expect(read.size).toBe(before + 1)
})

it.each([{ scripts: true }, { scripts: false }])(
  'registers a phone by the four steps, with scripts: $scripts',
  async ({ scripts }) => {
    const { context, page, mail } = await newcomer({ scripts, locale: 'en-US' })
    await page.getByRole('button', { name: scripts ? /^Noriko/ : /^Fumiko/ }).click()
    await page.getByRole('button', { name: 'Change One-time Password notification destination' }).click()
    await continueFromLink(page, scripts)
    await registerPhone(context, page, mail, scripts ? '090-2000-0007' : '０８０-２０００-０００８')
    await page.getByRole('link', { name: 'Back to the website you came from' }).first().click()
    await heading(page, 'My account')
    expect(new URL(page.url()).origin).toBe(bank)
  },
)

async function registerPhone(context: BrowserContext, page: Page, mail: Page, number: string): Promise<void> {
  await page.getByRole('link', { name: /mobile phone number/ }).click()
  await page.getByLabel('Mobile phone number').fill(number)
  await page.getByRole('button', { name: 'Send a one-time password' }).click()
  await heading(page, 'Confirm that it is you')
  await enter(page, await nextCode(mail))
  await heading(page, 'Verify your mobile phone number')
  // The tab is closed before the second code, and what was begun is still there.
  const step = page.url()
  const other = await context.newPage()
  await other.goto(step)
  await heading(other, 'Verify your mobile phone number')
  await other.close()
  await enter(page, await nextCode(mail))
  await heading(page, 'Choose the notification destination')
  await page.getByLabel(/SMS/).check()
  await page.getByRole('button', { name: 'Set', exact: true }).click()
  await page.getByText('Your settings were changed').first().waitFor()
}
