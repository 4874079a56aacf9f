/**
 * U1: the document at `/openapi.json` is OpenAPI 3.1 by an independent validator, says what the code enforces of each call
 * (who may, with which problems), and can be browsed.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PROBLEMS, type ProblemCode } from '../api/problems.ts'
import { SCOPES } from '../domain/scopes.ts'
import { startApi, type Api } from './support/api.ts'

interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly security?: readonly Record<string, readonly string[]>[]
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly responses: Readonly<Record<string, { readonly description: string }>>
}
interface Document {
  readonly openapi: string
  readonly components: { readonly securitySchemes: Readonly<Record<string, object>> }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

let api: Api
let document: Document
const TOKENS = {
  OTP_JWT_ISSUER: 'https://issuer.example',
  OTP_JWT_AUDIENCE: 'https://otp.example',
  OTP_JWT_JWKS_URL: 'https://issuer.example/jwks',
}
beforeAll(async () => {
  api = await startApi()
  document = (await api.server({}, TOKENS).inject({ url: '/openapi.json' })).json<Document>()
})
afterAll(() => api?.stop())

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      path,
      method,
      operation,
    })),
  )
const isGuarded = ({ operation }: { operation: Operation }) => operation.security?.length !== 0
/** The codes that an operation says it may answer. */
const codesOf = ({ responses }: Operation) =>
  Object.values(responses).flatMap(({ description }) =>
    [...description.matchAll(/`([a-z_]+)`: /g)].map(([, code]) => code!),
  )

describe('the document', () => {
  it('is OpenAPI 3.1 by an independent validator, which refuses what is not', async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(document) })
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(document.openapi).toMatch(/^3\.1\./)
    const broken = { ...structuredClone(document), paths: { '/x': { get: { responses: 7 } } } }
    expect((await new Validator().validate(broken)).valid).toBe(false)
  })

  it('has both ways in, and only the one where no issuer is configured', async () => {
    expect(document.components.securitySchemes).toMatchObject({
      apiKey: { type: 'http', scheme: 'bearer' },
      accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    })
    const without = (await api.call('GET', '/openapi.json')).json<Document>()
    expect(Object.keys(without.components.securitySchemes)).toEqual(['apiKey'])
  })

  it('asks for the scope that is enforced: without it each call is 403, and with no key 401', async () => {
    const seen = new Set<string>()
    for (const { name, path, method, operation } of operations().filter(isGuarded)) {
      const url = path.replaceAll(/\{\w+\}/g, 'x')
      const [byKey, byToken] = operation.security!
      const [scope] = byKey!['apiKey']!
      expect([name, byToken]).toEqual([name, { accessToken: [scope] }])
      expect(Object.keys(SCOPES)).toContain(scope)
      expect(operation.description).toContain(`\`${scope}\``)
      const headers = { authorization: `Bearer ${api.keys.nobody}` }
      const answer = await api.app.inject({ method: method as 'get', url, headers })
      const { detail } = answer.json<{ detail: string }>()
      expect([name, answer.statusCode, detail]).toEqual([
        name,
        403,
        `This needs the scope ${scope}: have it given to this caller.`,
      ])
      expect((await api.app.inject({ method: method as 'get', url })).statusCode).toBe(401)
      seen.add(scope!)
    }
    // One widens the others, and one is for the codec server.
    expect([...seen, 'challenges:any', 'payloads:decode'].toSorted()).toEqual(Object.keys(SCOPES).toSorted())
  })

  it('asks for nothing where nothing is asked', async () => {
    for (const { name, path, method } of operations().filter((each) => !isGuarded(each))) {
      const answer = await api.app.inject({ method: method as 'get', url: path })
      // A webhook wants a signature, and says nothing of keys.
      expect([name, answer.headers['www-authenticate']]).toEqual([name, undefined])
    }
  })

  it('names every problem that a call may answer, each under its own status', () => {
    for (const { name, operation } of operations()) {
      expect(operation.summary, name).toBeDefined()
      for (const [status, { description }] of Object.entries(operation.responses)) {
        for (const [, code] of description.matchAll(/`([a-z_]+)`: /g)) {
          expect([name, code, PROBLEMS[code as ProblemCode]?.status]).toEqual([name, code, Number(status)])
        }
      }
    }
    for (const { name, operation } of operations().filter(isGuarded)) {
      expect(codesOf(operation), name).toEqual(
        expect.arrayContaining(['invalid_request', 'unauthorized', 'forbidden', 'too_many_requests', 'unavailable']),
      )
    }
  })

  it('leaves no problem without a line on what to do, in docs/http-api.md', async () => {
    const page = await readFile(join(import.meta.dirname, '../docs/http-api.md'), 'utf8')
    const told = [...page.matchAll(/^\| (`[a-z_`, ]+`) \| (\d{3}) \| ./gm)].flatMap(([, codes, status]) =>
      [...codes!.matchAll(/`([a-z_]+)`/g)].map(([, code]) => [code, Number(status)]),
    )
    expect(told).toEqual(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]))
  })

  it('has an Idempotency-Key on every call that changes something, but where repeating is without harm by itself', () => {
    const changing = operations().filter(({ method }) => method !== 'get')
    const without = changing
      .filter(
        ({ operation }) =>
          !operation.parameters?.some((each) => each.name === 'idempotency-key' && each.in === 'header'),
      )
      .map(({ name }) => name)
    expect(without.toSorted()).toEqual([
      'DELETE /v1/challenges/{challengeId}',
      'POST /v1/campaigns/plan',
      'POST /v1/deliverability',
      'POST /v1/webhooks/sendgrid',
      'POST /v1/webhooks/vonage/status',
    ])
  })

  it('can be browsed, by a page that takes nothing from elsewhere', async () => {
    const page = await api.app.inject({ url: '/docs' })
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    expect((await api.app.inject({ url: '/docs/json' })).json<Document>().openapi).toBe(document.openapi)
  })
})
