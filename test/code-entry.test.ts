/**
 * P1: code entry, from an upstream's link to the way back with a proof.
 */
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApi, type Api } from './support/api.ts'
import { createMemberBrowser, formOf, wordsOf } from './support/member-browser.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api?.stop())

const RETURN_URL = 'https://bank.example/return?step=2'

/** A browser on the page of code entry, with the code of the challenge. */
async function enter(link: object = {}) {
  const memberId = await api.system.addMember()
  const body = { memberId, page: 'code-entry', purpose: 'redeem_benefit', returnUrl: RETURN_URL, state: 's-1', ...link }
  const made = await api.call('POST', '/v1/page-links', { body })
  const browser = createMemberBrowser(api.app)
  const opened = await browser.open(made.json<{ url: string }>().url)
  const path = opened.headers.location as string
  const [code] = await api.system.codes(memberId)
  return { memberId, browser, path, code: code! }
}

describe('who enters the code', () => {
  it('goes back to the upstream with a proof and its state', async () => {
    const { browser, path, code, memberId } = await enter({ state: 'a b&c=d%' })
    const page = await browser.get(path)
    expect(page.statusCode).toBe(200)
    expect(wordsOf(page.body)).toContain('***-****-')
    const answer = await browser.post(path, { ...formOf(page.body, path), code })
    expect(answer.statusCode).toBe(303)
    const back = new URL(answer.headers.location as string)
    expect(back.origin + back.pathname).toBe('https://bank.example/return')
    expect(back.searchParams.get('step')).toBe('2')
    expect(back.searchParams.get('state')).toBe('a b&c=d%')
    const jwks = (await api.app.inject('/.well-known/jwks.json')).json<JSONWebKeySet>()
    const { payload } = await jwtVerify(back.searchParams.get('proof')!, createLocalJWKSet(jwks), {
      issuer: 'http://127.0.0.1:8080',
      audience: 'web',
      algorithms: ['EdDSA'],
    })
    expect(payload).toMatchObject({ sub: memberId, memberId, purpose: 'redeem_benefit', amr: ['otp', 'sms'] })
  })
})
