/**
 * That a browser's complaints fail a test: each kind is seen, and a page without fault has none.
 */
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApi, type Api } from './support/api.ts'
import { accessibilityFindings, overflowOf, useBrowser } from './support/browser.ts'

const browser = useBrowser()

describe('a page at fault', () => {
  const pages: Record<string, RequestListener> = {
    '/policy': (_request, response) =>
      response
        .setHeader('content-security-policy', "default-src 'self'")
        .end(document('<style>p { color: red }</style><p>Text</p>')),
    '/broken': (_request, response) => response.end(document('<img src="/nothing.png" alt="">')),
    '/away': (_request, response) => response.end(document('<img src="http://127.0.0.1:9/" alt="">')),
    '/throws': (_request, response) => response.end(document('<script>throw new Error("of the page")</script>')),
    '/says': (_request, response) => response.end(document('<script>console.log("of the page")</script>')),
    '/faint': (_request, response) =>
      response.end(document('<p style="color: #ccc; background: #fff">Faint</p><div style="width: 900px">Wide</div>')),
  }
  const document = (body: string) =>
    `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>t</title><link rel="icon" href="data:,"><main>${body}</main>`
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html')
    const page = pages[request.url ?? '']
    if (page === undefined) response.writeHead(404).end(document('<p>None</p>'))
    else page(request, response)
  })
  let baseURL: string
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  it.each([
    ['/policy', /Content Security Policy/],
    ['/broken', /404 of .*nothing\.png/],
    ['/away', /net::ERR_.* at http:\/\/127\.0\.0\.1:9\//],
    ['/throws', /error: of the page/],
    ['/says', /log: of the page/],
  ])('%s is complained of', async (path, complaint) => {
    const { page } = await browser.visit({ baseURL })
    await page.goto(path, { waitUntil: 'networkidle' })
    expect(browser.takeComplaints().join('\n')).toMatch(complaint)
  })

  it('a violation of the policy is seen without scripts too', async () => {
    const { page } = await browser.visit({ baseURL, scripts: false })
    await page.goto('/policy', { waitUntil: 'networkidle' })
    expect(browser.takeComplaints().join('\n')).toMatch(/Content Security Policy/)
  })

  it('a document that is to be a 404 is no complaint', async () => {
    const { page } = await browser.visit({ baseURL })
    expect((await page.goto('/none'))!.status()).toBe(404)
    expect(browser.takeComplaints()).toEqual([])
  })

  it('axe and the width tell what cannot be read', async () => {
    const { page } = await browser.visit({ baseURL })
    await page.goto('/faint')
    expect((await accessibilityFindings(page)).map((finding) => finding.split(':')[0])).toEqual(['color-contrast'])
    expect(await overflowOf(page)).toBeGreaterThan(500)
  })
})

describe('the page of campaigns', () => {
  let api: Api
  let baseURL: string
  beforeAll(async () => {
    api = await startApi()
    baseURL = await api.app.listen({ host: '127.0.0.1', port: 0 })
  })
  afterAll(() => api?.stop())

  it.each(['light', 'dark'] as const)('is complained of by nobody, %s', async (colorScheme) => {
    const { page } = await browser.visit({
      baseURL,
      colorScheme,
      extraHTTPHeaders: { authorization: `Bearer ${api.keys.watcher}` },
    })
    await page.goto('/campaigns')
    expect(await page.locator('h1').textContent()).toBe('Campaigns')
    expect(await accessibilityFindings(page)).toEqual([])
    expect(await overflowOf(page)).toBeLessThanOrEqual(0)
  })
})
