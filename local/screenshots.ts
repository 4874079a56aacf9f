/**
 * `npm run screenshots [-- name…]`: photographs every page of members in every language, width and scheme into
 * `.local/screenshots/`, and the few that the documentation shows into `docs/screenshots/`. With names (`help`,
 * `help-ja`) only what begins so.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { catalogs } from '../messages/catalog.ts'
import { SAMPLES } from './gallery/samples.ts'
import { serveGallery, type Gallery } from './gallery/serve.ts'
import { findBrowser, launchBrowser } from './stack/browser.ts'
import { PartUnavailable } from './stack/errors.ts'
import { openGuard } from './stack/guarded.ts'

const ROOT = join(import.meta.dirname, '..')
const ALL = join(ROOT, '.local', 'screenshots')
const SHOWN = join(ROOT, 'docs', 'screenshots')
const WIDTHS = [360, 768, 1280]
const SCHEMES = ['light', 'dark'] as const

interface Shot {
  readonly sample: string
  readonly language: string
  readonly width: number
  readonly scheme: (typeof SCHEMES)[number]
}

/** What the documentation shows, each down to a height. */
const IN_DOCS: readonly (Shot & { height: number })[] = [
  { sample: 'code-open', language: 'ja', width: 360, scheme: 'light', height: 900 },
  { sample: 'code-wrong', language: 'en', width: 360, scheme: 'dark', height: 900 },
  { sample: 'code-done', language: 'ja', width: 360, scheme: 'light', height: 560 },
  { sample: 'link', language: 'ja', width: 360, scheme: 'light', height: 560 },
  { sample: 'email-change', language: 'en', width: 360, scheme: 'light', height: 560 },
  { sample: 'problem-link-used', language: 'zh-Hans', width: 360, scheme: 'dark', height: 560 },
  { sample: 'destination-number', language: 'ko', width: 360, scheme: 'light', height: 900 },
  { sample: 'destination-identity', language: 'ja', width: 360, scheme: 'light', height: 900 },
  { sample: 'destination-code', language: 'en', width: 360, scheme: 'dark', height: 900 },
  { sample: 'destination-changed', language: 'ja', width: 360, scheme: 'light', height: 560 },
  { sample: 'destination-abroad', language: 'en', width: 360, scheme: 'light', height: 560 },
  { sample: 'destination-choice', language: 'zh-Hant', width: 360, scheme: 'dark', height: 900 },
  { sample: 'help', language: 'zh-Hans', width: 768, scheme: 'light', height: 900 },
  { sample: 'destination-overview', language: 'en', width: 1280, scheme: 'light', height: 900 },
]

const nameOf = ({ sample, language, width, scheme }: Shot) => `${sample}-${language}-${width}-${scheme}`

function everyShot(): Shot[] {
  return SAMPLES.flatMap(({ name }) =>
    catalogs.flatMap(({ language }) =>
      WIDTHS.flatMap((width) => SCHEMES.map((scheme) => ({ sample: name, language, width, scheme }))),
    ),
  )
}

async function main(names: readonly string[]) {
  await checkFonts()
  const guard = await openGuard()
  const path = await findBrowser({ guard, env: process.env, report: (line) => console.log(line) })
  const [browser, gallery] = await Promise.all([launchBrowser(path), serveGallery()])
  const isWanted = (shot: Shot) => names.length === 0 || names.some((name) => nameOf(shot).startsWith(name))
  try {
    await mkdir(ALL, { recursive: true })
    await mkdir(SHOWN, { recursive: true })
    const shots = everyShot().filter(isWanted)
    for (const [index, shot] of shots.entries()) {
      const image = await inBrowser(browser, gallery, shot, 1, (page) => page.screenshot({ fullPage: true }))
      await writeFile(join(ALL, `${nameOf(shot)}.png`), image)
      if (index % 50 === 49) console.log(`${index + 1} of ${shots.length}`)
    }
    for (const shot of IN_DOCS.filter(isWanted)) {
      await writeFile(
        join(SHOWN, `${shot.sample}.webp`),
        await inBrowser(browser, gallery, shot, 2, (page) => cut(page, shot)),
      )
    }
    console.log(`${shots.length} in ${ALL}, ${IN_DOCS.filter(isWanted).length} in ${SHOWN}`)
  } finally {
    await Promise.all([browser.close(), gallery.close()])
    await guard.close()
  }
}

async function inBrowser<T>(
  browser: Browser,
  gallery: Gallery,
  { sample, language, width, scheme }: Shot,
  deviceScaleFactor: number,
  photograph: (page: Page) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext({
    baseURL: gallery.url,
    viewport: { width, height: 780 },
    colorScheme: scheme,
    deviceScaleFactor,
    isMobile: width < 600,
  })
  try {
    const page = await context.newPage()
    await page.goto(gallery.pathOf(sample, language))
    return await photograph(page)
  } finally {
    await context.close()
  }
}

/** WebP takes a quarter of what PNG does; Chromium writes it by its own protocol alone. */
async function cut(page: Page, { width, height }: { width: number; height: number }): Promise<Buffer> {
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 80,
    captureBeyondViewport: true,
    clip: { x: 0, y: 0, width, height, scale: 1 },
  })
  return Buffer.from(data, 'base64')
}

/** Without them Chinese characters are boxes. Only Linux may come without. */
async function checkFonts() {
  if (process.platform !== 'linux') return
  const { stdout } = await promisify(execFile)('fc-list', [':lang=ja:lang=ko:lang=zh-tw', 'family']).catch(() => ({
    stdout: '',
  }))
  if (stdout.trim() !== '') return
  throw new PartUnavailable(
    'There are no fonts for Japanese, Chinese and Korean: install them (Debian: apt-get install fonts-noto-cjk).',
  )
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof PartUnavailable)) throw error
  console.error(error.message)
  process.exitCode = 1
}
