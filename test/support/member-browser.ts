/**
 * A member's browser as far as HTTP shows it: cookies, forms, and where a redirect leads. Nothing runs in it.
 */
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { attributeOf, elementsOf, parseHtml, textsOf, type Element } from './html.ts'

/** What a browser says of a form of the page itself. */
const OWN_FORM = { 'sec-fetch-site': 'same-origin' }

export interface MemberBrowser {
  readonly cookies: Map<string, string>
  get(path: string, headers?: Record<string, string>): Promise<LightMyRequestResponse>
  post(path: string, form?: Record<string, string>, headers?: Record<string, string>): Promise<LightMyRequestResponse>
  /** GET and POST of a link, as its button does it. @returns the answer of the POST */
  open(url: string): Promise<LightMyRequestResponse>
}

export function createMemberBrowser(app: FastifyInstance, cookies = new Map<string, string>()): MemberBrowser {
  const send = async (method: 'GET' | 'POST', path: string, headers: Record<string, string>, payload?: string) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await app.inject({
      method,
      url: path,
      headers: { ...(cookie !== '' && { cookie }), ...headers },
      ...(payload !== undefined && { payload }),
    })
    for (const { name, value } of response.cookies) cookies.set(name, value)
    return response
  }
  const browser: MemberBrowser = {
    cookies,
    get: (path, headers = {}) => send('GET', path, headers),
    post: (path, form = {}, headers = OWN_FORM) =>
      send(
        'POST',
        path,
        { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        new URLSearchParams(form).toString(),
      ),
    async open(url) {
      const path = new URL(url).pathname
      await browser.get(path)
      return browser.post(path)
    },
  }
  return browser
}

/** The words of a page, in order, between one space each. */
export function wordsOf(page: string): string {
  const [main] = elementsOf(parseHtml(page).document, 'main')
  return textsOf(main!).join(' ').replaceAll(/\s+/g, ' ').trim()
}

/** The fields of the page's first form that posts to `action` and has these fields, as they are sent untouched. */
export function formOf(page: string, action: string, having: Record<string, string> = {}): Record<string, string> {
  const forms = elementsOf(parseHtml(page).document, 'form').filter((each) => attributeOf(each, 'action') === action)
  const found = forms
    .map(fieldsOf)
    .find((form) => Object.entries(having).every(([name, value]) => form[name] === value))
  if (found === undefined) throw new Error(`the page has no such form for ${action}`)
  return found
}

function fieldsOf(form: Element): Record<string, string> {
  const inputs = elementsOf(form, 'input')
  return Object.fromEntries(inputs.map((input) => [attributeOf(input, 'name')!, attributeOf(input, 'value') ?? '']))
}
