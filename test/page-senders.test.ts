/**
 * C9 on the pages: starts are limited by the member's address on the internet. No header is believed, unless so many
 * proxies of ours are known to stand before us.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hashIp } from '../api/ip-hash.ts'
import { startApi, type Api } from './support/api.ts'
import { pageLink } from './support/code-entry.ts'
import { createMemberBrowser } from './support/member-browser.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const FORM = { 'sec-fetch-site': 'same-origin' }

/** Opens a link behind so many proxies. @returns the hash that was kept with the challenge, if any */
async function openedBy(hops: string, forwarded: string, env: Record<string, string> = {}): Promise<string | null> {
  const app = api.server({}, { OTP_TRUST_PROXY_HOPS: hops, ...env })
  const memberId = await api.system.addMember()
  const path = new URL(await pageLink(api, { memberId, page: 'code-entry', purpose: 'view_membership' })).pathname
  const browser = createMemberBrowser(app)
  await browser.get(path)
  const answer = await browser.post(path, {}, { ...FORM, 'x-forwarded-for': forwarded })
  expect(answer.statusCode).toBe(303)
  const [row] = await api.system.sql<[{ hash: string | null }]>`
    select encode(ip_hash, 'hex') as hash from challenges where member_id = ${memberId}`
  return row.hash
}
const hashOf = (address: string) => hashIp(Buffer.from(api.system.env['OTP_IP_HASH_KEY']!, 'base64'), address)

it.each([
  ['0', '203.0.113.9', '127.0.0.1'],
  ['1', '203.0.113.9', '203.0.113.9'],
  ['1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
  ['2', '198.51.100.1, 203.0.113.9', '198.51.100.1'],
  ['1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['1', '::ffff:203.0.113.9', '203.0.113.9'],
  ['1', '203.0.113.7:41001', '203.0.113.7'],
  ['1', '203.0.113.7:41002', '203.0.113.7'],
  ['1', '[2001:db8::1]:443', '2001:db8::1'],
  ['1', '[2001:db8::1]:444', '2001:db8::1'],
  ['1', '[2001:db8::1]', '2001:db8::1'],
  ['1', '[::ffff:203.0.113.7]:80', '203.0.113.7'],
  ['1', 'fe80::1%eth0', 'fe80::1'],
  ['1', 'no address', 'no address'],
  ['1', '198.51.100.1:443, 203.0.113.7:41001', '203.0.113.7'],
  ['1', '[2001:db8::1]:443', '2001:db8::'],
  ['1', '[2001:db8::1]', '2001:db8::'],
])('behind %s proxies, "%s" counts as %s', async (hops, forwarded, address) => {
  expect(await openedBy(hops, forwarded)).toBe(hashOf(address))
})

it.each([
  ['203.0.113.9', true],
  ['203.0.113.9:41001', true],
  ['::ffff:203.0.113.9', true],
  ['[2001:db8:1:2::3]:443', true],
  ['203.0.114.9', false],
  ['2001:db9::1', false],
  ['no address', false],
])('"%s" is of an exempted network: %s', async (forwarded, isExempt) => {
  const env = { OTP_IP_LIMIT_EXEMPT: '203.0.113.0/24, 2001:db8::/32' }
  expect((await openedBy('1', forwarded, env)) === null).toBe(isExempt)
})
