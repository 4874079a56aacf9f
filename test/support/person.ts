/**
 * A person with a browser without scripts, over real HTTP: one jar of cookies for all ports of a host, forms, and
 * redirects that are followed from site to site.
 */
import { attributeOf, elementsOf, parseHtml } from './html.ts'
import { wordsOf } from './member-browser.ts'

export interface Seen {
  readonly status: number
  /** Where the redirects ended. */
  readonly url: string
  readonly html: string
  /** The words of its main part. */
  readonly words: string
}

export interface Person {
  get(url: string): Promise<Seen>
  /** Sends the page's form that goes to `action` (or the first of them), with `fields` beside what it holds. */
  submit(page: Seen, action: string | RegExp, fields?: Record<string, string>): Promise<Seen>
  post(url: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Seen>
  /** Every address that was asked for, the newest last. */
  readonly trail: readonly string[]
}

interface Request extends Omit<RequestInit, 'headers'> {
  readonly headers?: Record<string, string>
}

const MOST_REDIRECTS = 10

export function createPerson(): Person {
  const cookies = new Map<string, string>()
  const trail: string[] = []

  async function ask(url: string, { headers, ...init }: Request = {}, redirects = 0): Promise<Seen> {
    trail.push(url)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { cookie, ...headers } })
    for (const set of answer.headers.getSetCookie()) keep(set)
    const location = answer.headers.get('location')
    const html = await answer.text()
    if (location === null) return { status: answer.status, url, html, words: html === '' ? '' : wordsOf(html) }
    if (redirects === MOST_REDIRECTS) throw new Error(`no end of redirects: ${trail.slice(-MOST_REDIRECTS).join(' ')}`)
    return ask(new URL(location, url).href, {}, redirects + 1)
  }
  function keep(set: string) {
    const [pair = ''] = set.split(';')
    const separator = pair.indexOf('=')
    cookies.set(pair.slice(0, separator), pair.slice(separator + 1))
  }
  const person: Person = {
    trail,
    get: (url) => ask(url),
    post: (url, fields, headers = { 'sec-fetch-site': 'same-origin' }) =>
      ask(url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(fields).toString(),
      }),
    async submit(page, action, fields = {}) {
      const { to, held } = formOn(page, action)
      return person.post(new URL(to, page.url).href, { ...held, ...fields })
    },
  }
  return person
}

function formOn(page: Seen, action: string | RegExp) {
  const forms = elementsOf(parseHtml(page.html).document, 'form')
  const form = forms.find((each) => {
    const to = attributeOf(each, 'action') ?? ''
    return typeof action === 'string' ? to === action : action.test(to)
  })
  if (form === undefined) throw new Error(`no form for ${action} on ${page.url}: ${page.words}`)
  const held = elementsOf(form, 'input').map((input) => [
    attributeOf(input, 'name')!,
    attributeOf(input, 'value') ?? '',
  ])
  return { to: attributeOf(form, 'action')!, held: Object.fromEntries(held) as Record<string, string> }
}
