/**
 * Members with a page open: each has a link of their own, a session, and a challenge that waits for its code.
 */
import { benchMember } from '../members.ts'

export interface Visitor {
  readonly cookie: string
  /** Of the page that asks for the code. */
  readonly path: string
  /** Of the link that led there, which is spent. */
  readonly link: string
}

const AT_ONCE = 8

/** The members with the numbers 1 to `count`, on their pages. */
export async function openPages(api: string, apiKey: string, count: number): Promise<Visitor[]> {
  const visitors: Visitor[] = []
  const numbers = Array.from({ length: count }, (_, index) => index + 1).values()
  const keepOpening = async () => {
    for (const number of numbers) visitors.push(await openPage(api, apiKey, benchMember(number).memberId))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, keepOpening))
  return visitors
}

async function openPage(api: string, apiKey: string, memberId: string): Promise<Visitor> {
  const made = await fetch(`${api}/v1/page-links`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ memberId, page: 'code-entry', purpose: 'redeem_benefit' }),
  })
  const { url } = (await made.json()) as { url: string }
  const link = new URL(url).pathname
  const seen = await fetch(`${api}${link}`)
  const opened = await fetch(`${api}${link}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: cookiesOf(seen), 'sec-fetch-site': 'same-origin' },
  })
  const path = opened.headers.get('location')
  if (opened.status !== 303 || path === null) throw new Error(`a link was answered ${opened.status}`)
  return { cookie: [cookiesOf(seen), cookiesOf(opened)].join('; '), path, link }
}

const cookiesOf = (answer: Response) =>
  answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
