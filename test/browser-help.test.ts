/**
 * P3 and P4 in a real browser, on a phone: the check of an address while one types and without scripts, and the choice of
 * a language in the middle of something.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../local/stack/ports.ts'
import { catalogFor } from '../messages/catalog.ts'
import { startApi, type Api } from './support/api.ts'
import { useBrowser } from './support/browser.ts'

const browser = useBrowser()
const english = catalogFor('en')
const korean = catalogFor('ko')
const ADDRESS = 'input[name=address]'

let api: Api
let baseURL: string
beforeAll(async () => {
  const port = await freePort()
  baseURL = `http://127.0.0.1:${port}`
  api = await startApi({ OTP_PUBLIC_URL: baseURL })
  await api.app.listen({ host: '127.0.0.1', port })
})
afterAll(() => api?.stop())

describe('the check of an address', () => {
  it('tells while one types, and takes back what is no longer so', async () => {
    const { page } = await browser.visit({ baseURL, locale: 'en' })
    await page.goto('/help')
    await page.locator(ADDRESS).fill('ab..cd@')
    await page.locator(ADDRESS).pressSequentially('example.jp')
    const verdict = page.locator('#verdict')
    await verdict.getByText(english.text('pages.help.check.two')).waitFor()
    await page.locator(ADDRESS).fill('ab.cd@example.jp')
    await verdict.getByText(english.text('pages.help.check.deliverable')).waitFor()
    await page.locator(ADDRESS).fill('')
    await expect.poll(() => verdict.textContent()).toBe('')
    expect(new URL(page.url()).pathname).toBe('/help')
  })

  it.each([true, false])('tells by its button, scripts: %s', async (scripts) => {
    const { page } = await browser.visit({ baseURL, scripts, locale: 'en' })
    await page.goto('/help/email')
    await page.locator(ADDRESS).fill('.abcd@example.jp')
    await page.locator('form.check button').click()
    await page.locator('#verdict').getByText(english.text('pages.help.check.one')).waitFor()
    expect(await page.locator(ADDRESS).inputValue()).toBe('.abcd@example.jp')
    expect(page.url()).not.toContain('abcd')
  })
})

describe.each([true, false])('a language, scripts: %s', (scripts) => {
  it('is chosen by a button or the pull-down, on the page where one is, and remembered on the next', async () => {
    const { page } = await browser.visit({ baseURL, scripts, locale: 'ja-JP' })
    const lang = () => page.locator('html').getAttribute('lang')
    await page.goto('/help/email')
    expect(await lang()).toBe('ja')
    await page.locator('.languages button[lang=en]').click()
    await page.locator('html[lang=en]').waitFor()
    await page.locator('.languages summary').click()
    await page.locator('.languages select').selectOption('ko')
    await page
      .locator('.languages')
      .getByRole('button', { name: english.text('pages.frame.next') })
      .click()
    await page.locator('html[lang=ko]').waitFor()
    expect(new URL(page.url()).pathname).toBe('/help/email')
    await page.locator('footer a').first().click()
    await page.getByRole('heading', { level: 1, name: korean.text('pages.help.title') }).waitFor()
    expect(await lang()).toBe('ko')
  })

  it('is chosen in the middle of code entry, and the same code is waited for', async () => {
    const { challengeId, memberId } = await api.challenge()
    const body = { memberId, challengeId, page: 'code-entry', locale: 'ja' }
    const made = await api.call('POST', '/v1/page-links', { body })
    const { page } = await browser.visit({ baseURL, scripts })
    await page.goto(made.json<{ url: string }>().url)
    if (!scripts) await page.locator('main button').click()
    await page.locator('input.code').waitFor()
    const visit = new URL(page.url()).pathname
    expect(visit).toMatch(/^\/code-entry\//)
    await page.locator('.languages button[lang=en]').click()
    await page.locator('html[lang=en]').waitFor()
    expect(new URL(page.url()).pathname).toBe(visit)
    await page.locator('footer a').first().click()
    await page.getByText(english.text('pages.help.return')).click()
    await page.locator('input.code').waitFor()
    expect(new URL(page.url()).pathname).toBe(visit)
  })
})
