/**
 * Members on the page of code entry, by a link of an upstream's.
 */
import type { Api, CallerName } from './api.ts'
import { createMemberBrowser, formOf, type MemberBrowser } from './member-browser.ts'
import type { MemberFields } from './system.ts'

export const RETURN_URL = 'https://bank.example/return?step=2'

export interface Entering {
  readonly memberId: string
  /** The link that was opened. */
  readonly url: string
  readonly browser: MemberBrowser
  /** Of the page. */
  readonly path: string
  /** What the opening was answered with. */
  readonly location: string
  /** The code of the member's newest message. */
  code(): Promise<string>
  /** The page, as it is now. */
  page(query?: string): Promise<string>
  /** Types a code into the page and sends it. @returns where that leads */
  submit(code: string): Promise<string>
  /** Presses "send again", or the button of the other channel. @returns where that leads */
  resend(channel?: 'sms' | 'email'): Promise<string>
}

export async function pageLink(api: Api, body: object, as: CallerName = 'web'): Promise<string> {
  const made = await api.call('POST', '/v1/page-links', { as, body })
  if (made.statusCode !== 201) throw new Error(made.body)
  return made.json<{ url: string }>().url
}

/** Opens a link to code entry, in a browser of its own unless one is given. */
export async function enter(
  api: Api,
  {
    link = {},
    member = {},
    browser = createMemberBrowser(api.app),
    memberId: known,
  }: {
    link?: object
    member?: MemberFields
    browser?: MemberBrowser
    memberId?: string
  } = {},
): Promise<Entering> {
  const memberId = known ?? (await api.system.addMember(member))
  const about = 'challengeId' in link ? {} : { purpose: 'redeem_benefit' }
  const body = { memberId, page: 'code-entry', returnUrl: RETURN_URL, state: 's-1', ...about, ...link }
  const url = await pageLink(api, body)
  const opened = await browser.open(url)
  const location = String(opened.headers.location)
  const path = location.split('?')[0]!
  const page = async (query = '') => (await browser.get(`${path}${query}`)).body
  const press = async (action: string, fields: object, choose?: 'sms' | 'email') => {
    const form = formOf(await page(), action, choose && { channel: choose })
    return String((await browser.post(action, { ...form, ...fields })).headers.location)
  }
  return {
    memberId,
    url,
    browser,
    path,
    location,
    page,
    code: async () => (await api.system.codes(memberId))[0]!,
    submit: (code) => press(path, { code }),
    resend: (channel) => press(`${path}/send`, {}, channel),
  }
}
