/**
 * A real Chromium for a test file, as a phone: with or without scripts, light or dark. Whatever a browser complains of
 * fails the test in which it does: console messages, errors of scripts, requests that fail, violations of the policy.
 */
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'
import { launchBrowser } from '../../local/stack/browser.ts'
import { patience } from './speed.ts'

/** The narrowest that WCAG 2.2 SC 1.4.10 asks for is 320; most phones are at least so wide. */
export const PHONE = { width: 360, height: 780 }

export type VisitOptions = Pick<
  BrowserContextOptions,
  'baseURL' | 'colorScheme' | 'extraHTTPHeaders' | 'locale' | 'timezoneId' | 'reducedMotion' | 'forcedColors'
> & {
  /** Default true. */
  readonly scripts?: boolean
  /** Default {@link PHONE}. */
  readonly viewport?: { width: number; height: number }
}

export interface TestBrowser {
  /** A browser of its own, as another person's: no cookie is shared with another visit. */
  visit(options?: VisitOptions): Promise<{ context: BrowserContext; page: Page }>
  /** What was complained of so far in this test; reading it is answering for it. */
  takeComplaints(): string[]
}

/** Launches it for the calling test file, and ends what a test opened after the test. */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined
  const contexts = new Set<BrowserContext>()
  const complaints: string[] = []
  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())
  afterEach(async () => {
    await Promise.all([...contexts].map((context) => context.close()))
    contexts.clear()
    expect(complaints.splice(0), 'what the browser complained of').toEqual([])
  })
  return {
    async visit({ scripts = true, viewport = PHONE, ...options } = {}) {
      const context = await browser!.newContext({
        ...options,
        viewport,
        javaScriptEnabled: scripts,
        deviceScaleFactor: 2,
        isMobile: viewport.width < 600,
        hasTouch: viewport.width < 600,
      })
      context.setDefaultTimeout(patience(30))
      contexts.add(context)
      context.on('page', (page) => listen(page, (complaint) => complaints.push(complaint)))
      return { context, page: await context.newPage() }
    },
    takeComplaints: () => complaints.splice(0),
  }
}

function launch(): Promise<Browser> {
  const { path, problem } = inject('browser')
  if (path === undefined) throw new Error(problem)
  return launchBrowser(path)
}

function listen(page: Page, complain: (complaint: string) => void): void {
  const failedDocuments = new Set<string>()
  page.on('response', (response) => {
    const request = response.request()
    if (response.status() < 400) return
    if (request.isNavigationRequest()) failedDocuments.add(response.url())
    else complain(`${response.status()} of ${response.url()}`)
  })
  page.on('requestfailed', (request) => {
    // Given up by the browser itself: a page that is left, a navigation that another one replaces.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED')
      complain(`${request.failure()?.errorText} at ${request.url()}`)
  })
  page.on('pageerror', (error) => complain(`error: ${error.message}`))
  page.on('console', (message) => {
    // Chromium repeats the status of a document; what a page is to answer is for its test to say.
    const repeatsStatus =
      message.text().startsWith('Failed to load resource') && failedDocuments.has(message.location().url)
    if (!repeatsStatus) complain(`${message.type()}: ${message.text()}`)
  })
}

/** WCAG 2.2, levels A and AA. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']

/**
 * What axe finds against WCAG 2.2 AA on the page as it stands: `color-contrast: <p class="…">`. Wants a page with scripts.
 *
 * @param rule one alone; all where absent
 */
export async function accessibilityFindings(page: Page, rule?: string): Promise<string[]> {
  // Without it axe opens a page more for each look, for frames of other sites, of which there are none.
  const axe = new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).setLegacyMode(true)
  const { violations } = await (rule === undefined ? axe.withTags(RULES) : axe.withRules(rule)).analyze()
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary ?? ''}`))
}

/** How many CSS pixels the page is wider than the window: what one would have to scroll sideways to read. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
