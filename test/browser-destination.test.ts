/**
 * P2 in a real browser, as a phone: the four steps, with and without scripts, across a reload, a way back, a second tab and a
 * change of language. The browser complains of nothing on the way, and axe finds nothing.
 */
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../local/stack/ports.ts'
import { startApi, type Api } from './support/api.ts'
import { accessibilityFindings, overflowOf, useBrowser, type VisitOptions } from './support/browser.ts'
import { pageLink } from './support/code-entry.ts'
import { codeTo } from './support/destination-visit.ts'
import type { MemberFields } from './support/system.ts'

const browser = useBrowser()
let api: Api
beforeAll(async () => {
  const port = await freePort()
  api = await startApi({ OTP_PUBLIC_URL: `http://127.0.0.1:${port}` })
  await api.app.listen({ host: '127.0.0.1', port })
})
afterEach(() => api.system.shiftClock(0))
afterAll(() => api?.stop())

let numbers = 0
const newNumber = () => `080-4${String(++numbers).padStart(3, '0')}-5678`

/** A member whose browser follows the link to STEP 1. */
async function arrive(options: VisitOptions & { member?: MemberFields; link?: object } = {}) {
  const { member = { channel: 'email' }, link = {}, ...visit } = options
  const memberId = await api.system.addMember(member)
  const [row] = await api.system.sql<[{ email: string; phone: string | null }]>`
    select email, phone from members where member_id = ${memberId}`
  const about = { page: 'notification-destination', locale: 'en', returnUrl: 'https://bank.example/return', ...link }
  const { context, page } = await browser.visit(visit)
  await page.goto(await pageLink(api, { memberId, ...about }))
  if (visit.scripts === false) await page.locator('main button').click()
  await page.waitForURL('**/notification-destination/**')
  return { memberId, ...row, context, page }
}
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const follow = (page: Page, name: string) => page.getByRole('link', { name, exact: true }).click()
const heading = (page: Page) => page.getByRole('heading', { level: 1 }).innerText()

async function enterNumber(page: Page, number: string) {
  await page.getByLabel('Mobile phone number').fill(number)
  await press(page, 'Send a one-time password')
}
async function enterCode(page: Page, code: string) {
  await page.getByRole('textbox', { name: 'One-time password' }).fill(code)
  await press(page, 'Verify')
}

describe.each([
  ['with scripts', true],
  ['without scripts', false],
])('%s', (_name, scripts) => {
  it('a number is registered in four steps, and what stands is shown', async () => {
    const number = newNumber()
    const { page, email } = await arrive({ scripts })
    expect(await heading(page)).toBe('Change your notification destination')
    await follow(page, 'Change the mobile phone number')
    await enterNumber(page, '03-5460-0124')
    expect(await page.getByRole('alert').innerText()).toContain('landline')
    expect(await page.getByLabel('Mobile phone number').inputValue()).toBe('03-5460-0124')
    await enterNumber(page, number)
    await page.waitForURL('**/identity')
    // A reload sends nothing again, and the same code is asked for.
    await page.reload()
    await enterCode(page, await codeTo(api, email))
    await page.waitForURL('**/code')
    await enterCode(page, await codeTo(api, number))
    await page.waitForURL('**/choice')
    expect(await page.getByRole('radio', { name: 'SMS' }).isChecked()).toBe(true)
    await press(page, 'Set')
    await page.waitForURL('**/done')
    expect(await page.locator('main').innerText()).toContain('***-****-5678')
    expect(await overflowOf(page)).toBe(0)
    expect(await page.getByRole('link', { name: 'Back to the website you came from' }).getAttribute('href')).toBe(
      'https://bank.example/return',
    )
  })

  it('back after it is done shows what stands, and sets nothing again', async () => {
    const number = newNumber()
    const { page, email, memberId } = await arrive({ scripts })
    await follow(page, 'Change the mobile phone number')
    await enterNumber(page, number)
    await enterCode(page, await codeTo(api, email))
    await page.waitForURL('**/code')
    await enterCode(page, await codeTo(api, number))
    await press(page, 'Set')
    await page.waitForURL('**/done')
    await page.goBack()
    await page.waitForURL('**/choice')
    await page.goto(page.url().replace(/\/choice$/, ''))
    expect(await page.locator('.facts').innerText()).toContain('***-****-5678')
    const rows = await api.system.sql`select version from destinations where member_id = ${memberId}`
    expect(rows.map(({ version }) => version as number)).toEqual([1])
  })

  it('the language changes in the middle, and the step stays', async () => {
    const { page, email } = await arrive({ scripts })
    await follow(page, 'Change the mobile phone number')
    await enterNumber(page, newNumber())
    await page.waitForURL('**/identity')
    await page.getByRole('button', { name: '日本語' }).click()
    await page.waitForURL('**/identity')
    expect(await heading(page)).toBe('ご本人さまの確認')
    await page.getByRole('textbox', { name: 'ワンタイムパスワード' }).fill(await codeTo(api, email))
    await page.getByRole('button', { name: '認証する' }).click()
    await page.waitForURL('**/code')
    expect(await heading(page)).toBe('携帯電話番号の認証')
  })
})

it('in a second tab the visit stands where the first one left it', async () => {
  const number = newNumber()
  const { page, context, email } = await arrive()
  await follow(page, 'Change the mobile phone number')
  await enterNumber(page, number)
  await enterCode(page, await codeTo(api, email))
  await page.waitForURL('**/code')
  const tab = await context.newPage()
  await tab.goto(page.url().replace(/\/code$/, '/choice'))
  await tab.waitForURL('**/code')
  await enterCode(tab, await codeTo(api, number))
  await tab.waitForURL('**/choice')
  // The first tab sees by itself that its code is no longer asked for.
  await page.bringToFront()
  await page.waitForURL('**/choice')
  expect(await heading(page)).toBe('Choose the notification destination')
})

it('a member whose SMS is mandatory reads why e-mail cannot be chosen', async () => {
  const { page, memberId } = await arrive()
  await api.system.sql`insert into enrollments (member_id, mandatory_since) values (${memberId}, now())`
  await page.reload()
  expect(await page.locator('main').innerText()).toContain('email cannot be selected')
  expect(await page.getByRole('link', { name: 'Change the notification destination only' }).count()).toBe(0)
})

it('a member abroad is sent to the Center', async () => {
  const { page } = await arrive({ member: { country: 'FR', channel: 'email' } })
  expect(await heading(page)).toBe('Please contact the JAL Mileage Bank Center')
})

it.each([
  ['light', 'ja'],
  ['dark', 'ko'],
] as const)('axe finds nothing on any step: %s, %s', async (colorScheme, locale) => {
  const number = newNumber()
  const { page, email } = await arrive({ colorScheme, link: { locale } })
  const path = page.url()
  const look = async () => {
    expect(await accessibilityFindings(page)).toEqual([])
    expect(await overflowOf(page)).toBe(0)
  }
  await look()
  await page.goto(`${path}/number`)
  await look()
  await page.locator('main form button').click()
  await look()
  await page.locator('#number').fill(number)
  await page.locator('main form button').click()
  await page.waitForURL('**/identity')
  await look()
  await page.locator('#code').fill(await codeTo(api, email))
  await page.locator('main form[action$="/identity"] button').click()
  await page.waitForURL('**/code')
  await look()
  await page.locator('#code').fill(await codeTo(api, number))
  await page.locator('main form[action$="/code"] button').click()
  await page.waitForURL('**/choice')
  await look()
  await page.locator('main form button').click()
  await page.waitForURL('**/done')
  await look()
})
