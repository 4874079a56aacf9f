/**
 * Members on the pages of the notification destination, by a link of an upstream's.
 */
import type { OutboxMessage } from '../../local/simulators/outbox.ts'
import type { Api } from './api.ts'
import { pageLink } from './code-entry.ts'
import { createMemberBrowser, formOf, type MemberBrowser } from './member-browser.ts'
import type { MemberFields } from './system.ts'
import { until } from './until.ts'

export const DESTINATION_RETURN = 'https://bank.example/return/account'

export interface DestinationVisiting {
  readonly memberId: string
  readonly email: string
  /** What the member events say. */
  readonly phone: string | null
  readonly browser: MemberBrowser
  readonly path: string
  /** A page of the visit, after the redirects that lead elsewhere. */
  page(step?: string): Promise<{ body: string; path: string; status: number }>
  /** Posts the form of a step as it is on its page, with these fields. @returns where that leads, within the visit */
  send(step: string, fields?: Record<string, string>): Promise<string>
  /** Posts fields without a look at any page. @returns where that leads, within the visit, or the status */
  post(step: string, fields: Record<string, string>): Promise<string>
  /** Enters the number, and the codes that are sent for it, up to the choice. */
  prove(number: string): Promise<void>
}

/** Opens a link to the notification destination, in a browser of its own unless one is given. */
export async function visitDestination(
  api: Api,
  {
    member = { channel: 'email' },
    browser = createMemberBrowser(api.app),
    memberId: known,
    link = {},
  }: { member?: MemberFields; browser?: MemberBrowser; memberId?: string; link?: object } = {},
): Promise<DestinationVisiting> {
  const memberId = known ?? (await api.system.addMember(member))
  const [row] = await api.system.sql<[{ email: string; phone: string | null }]>`
    select email, phone from members where member_id = ${memberId}`
  const body = { memberId, page: 'notification-destination', returnUrl: DESTINATION_RETURN, state: 's-1', ...link }
  const opened = await browser.open(await pageLink(api, body))
  const path = String(opened.headers.location)
  const within = (location: unknown) => String(location).replace(path, '').replace(/^$/, '/')

  const visiting: DestinationVisiting = {
    memberId,
    ...row,
    browser,
    path,
    async page(step = '') {
      let at = `${path}${step}`
      for (let redirects = 0; ; redirects++) {
        const answer = await browser.get(at)
        if (answer.statusCode !== 303) return { body: answer.body, path: within(at), status: answer.statusCode }
        if (redirects > 5) throw new Error(`redirected in a circle, at last to ${at}`)
        at = String(answer.headers.location)
      }
    },
    async send(step, fields = {}) {
      const pageOf = step.replace(/\/(?:send|forget)$/, '')
      const form = formOf((await visiting.page(pageOf)).body, `${path}${step}`)
      return visiting.post(step, { ...form, ...fields })
    },
    async post(step, fields) {
      const answer = await browser.post(`${path}${step}`, fields)
      return answer.statusCode === 303 ? within(answer.headers.location) : String(answer.statusCode)
    },
    async prove(number) {
      const led = await visiting.send('/number', { number })
      if (led === '/identity') await visiting.send('/identity', { code: await codeTo(api, row.email) })
      await visiting.send('/code', { code: await codeTo(api, number) })
    },
  }
  return visiting
}

const CODE = /(?<!\d)\d{6}(?!\d)/

/** The code of the newest message with one to a destination. */
export function codeTo(api: Api, to: string): Promise<string> {
  const e164 = to.startsWith('0') ? `+81${to.replaceAll('-', '').slice(1)}` : to
  const codeOf = ({ text }: OutboxMessage) => CODE.exec(text)?.[0]
  return until(async () => (await api.system.simulators.messages(e164)).map(codeOf).find((code) => code !== undefined))
}
