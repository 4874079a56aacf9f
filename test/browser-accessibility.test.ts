/**
 * P4: every page of members, in every state, language and colour scheme: axe finds nothing against WCAG 2.2 AA, nothing
 * has to be scrolled sideways at 320 px or at twice the size of text, and nothing is complained of. A page that an upstream's
 * link opens is under 30 kB in all.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SAMPLES } from '../local/gallery/samples.ts'
import { serveGallery, type Gallery } from '../local/gallery/serve.ts'
import { catalogs } from '../messages/catalog.ts'
import { accessibilityFindings, overflowOf, PHONE, useBrowser } from './support/browser.ts'
import { patience } from './support/speed.ts'

const OPEN_ALL = "for (const details of document.querySelectorAll('main details')) details.open = true"
const MOST_BYTES = 30_000
/** Long text, and never the first page that one opens. */
const MOST_BYTES_OF_HELP = 36_000
const browser = useBrowser()
const LANGUAGES = catalogs.map(({ language }) => language)
const NAMES = SAMPLES.map(({ name }) => name)

let gallery: Gallery
beforeAll(async () => {
  gallery = await serveGallery()
})
afterAll(() => gallery?.close())

/** A look at some thirty pages takes a busy machine minutes. */
const PATIENCE = { timeout: patience(300) }

describe.each(LANGUAGES)('in %s', PATIENCE, (language) => {
  it('axe finds nothing, light or dark', async () => {
    // Without motion: a button that is on its way from one scheme's colour to the other's has neither.
    const { page } = await browser.visit({ baseURL: gallery.url, colorScheme: 'light', reducedMotion: 'reduce' })
    for (const name of NAMES) {
      await page.emulateMedia({ colorScheme: 'light' })
      await page.goto(gallery.pathOf(name, language))
      // What opens hides nothing either.
      await page.evaluate(OPEN_ALL)
      expect(await accessibilityFindings(page), name).toEqual([])
      await page.emulateMedia({ colorScheme: 'dark' })
      expect(await accessibilityFindings(page, 'color-contrast'), `${name}, dark`).toEqual([])
    }
  })

  it.each([
    ['320 px', { viewport: { width: 320, height: 640 } }, 100],
    ['a phone with text at 200 %', {}, 200],
    ['1280 px with text at 200 %', { viewport: { width: 1280, height: 800 } }, 200],
  ])('nothing is scrolled sideways: %s', async (_what, options, percent) => {
    const { page } = await browser.visit({ baseURL: gallery.url, ...options })
    for (const name of NAMES) {
      await page.goto(gallery.pathOf(name, language))
      await page.evaluate(`document.documentElement.style.fontSize = '${percent}%'`)
      await page.evaluate(OPEN_ALL)
      expect(await overflowOf(page), name).toBeLessThanOrEqual(0)
    }
  })

  it('the choice of a language stays on the screen of a phone when it is opened', async () => {
    const { page } = await browser.visit({ baseURL: gallery.url, viewport: { ...PHONE, width: 320 } })
    await page.goto(gallery.pathOf('link', language))
    await page.locator('.languages summary').click()
    const box = (await page.locator('.languages details > form').boundingBox())!
    expect([box.x >= 0, box.x + box.width <= 320]).toEqual([true, true])
    expect(await overflowOf(page)).toBeLessThanOrEqual(0)
  })
})

it.each(NAMES)('%s: the document, its style and its script are as small as they are to be', async (name) => {
  const { page } = await browser.visit({ baseURL: gallery.url })
  const sizes: Promise<number>[] = []
  page.on('response', (response) => sizes.push(response.body().then((body) => body.length)))
  // Of all languages it takes the most bytes.
  await page.goto(gallery.pathOf(name, 'ja'), { waitUntil: 'load' })
  const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  expect(sizes).toHaveLength(3)
  expect(total).toBeLessThan(name.startsWith('help') ? MOST_BYTES_OF_HELP : MOST_BYTES)
})

it('with colours forced, and with motion reduced, the pages stand', async () => {
  const { page } = await browser.visit({ baseURL: gallery.url, forcedColors: 'active', reducedMotion: 'reduce' })
  await page.goto(gallery.pathOf('link', 'ja'))
  const style = (property: string) =>
    page.evaluate(`getComputedStyle(document.querySelector('main button')).${property}`)
  expect(await style('borderTopStyle')).toBe('solid')
  expect(await style('transitionDuration')).toBe('0s')
})

it('a keyboard reaches the content first, and sees where it is', async () => {
  const { page } = await browser.visit({ baseURL: gallery.url })
  await page.goto(gallery.pathOf('help', 'en'))
  await page.keyboard.press('Tab')
  expect(await page.evaluate('document.activeElement.className')).toBe('skip')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  expect(await page.evaluate("document.activeElement.closest('main') !== null")).toBe(true)
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
})
