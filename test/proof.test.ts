/**
 * P1: the proof. Short-lived, for one upstream, verified against our JWKS; the same whenever it is asked for; and no other
 * key, algorithm or time passes for it.
 */
import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
  type JSONWebKeySet,
} from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../config.ts'
import { createProofs, type Verified } from '../proofs/proof.ts'
import { startApi, type Api } from './support/api.ts'
import { enter } from './support/code-entry.ts'
import { createMemberBrowser } from './support/member-browser.ts'

const key = () => randomBytes(32).toString('base64')
const ring = (keys: string) => loadConfig(['pages'], { OTP_PROOF_KEYS: keys }).pages.proofKeys
const ISSUER = 'https://otp.example'
const VERIFIED: Verified = {
  challengeId: '01890000-0000-7000-8000-000000000001',
  memberId: '123456789',
  purpose: 'redeem_benefit',
  channel: 'sms',
  verifiedAt: '2026-11-24T03:00:00.987654+00:00',
}
const AT = Date.parse('2026-11-24T03:00:00Z')

/** As an upstream verifies it. */
const verify = (proof: string, jwks: object, { audience = 'bank', at = AT + 1_000 } = {}) =>
  jwtVerify(proof, createLocalJWKSet(jwks as JSONWebKeySet), {
    issuer: ISSUER,
    audience,
    algorithms: ['EdDSA'],
    currentDate: new Date(at),
  })

describe('a proof', () => {
  const [newer, older] = [`2026b:${key()}`, `2026a:${key()}`]
  const proofs = createProofs(ring(`${newer},${older}`), ISSUER)

  it('says who was verified, for whom, by what and when, and nothing else', async () => {
    const proof = await proofs.sign(VERIFIED, 'bank')
    expect(decodeProtectedHeader(proof)).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: '2026b' })
    expect((await verify(proof, proofs.jwks)).payload).toEqual({
      iss: ISSUER,
      aud: 'bank',
      sub: '123456789',
      memberId: '123456789',
      challengeId: VERIFIED.challengeId,
      jti: VERIFIED.challengeId,
      purpose: 'redeem_benefit',
      amr: ['otp', 'sms'],
      auth_time: AT / 1000,
      iat: AT / 1000,
      exp: AT / 1000 + 120,
    })
    expect(decodeJwt(await proofs.sign({ ...VERIFIED, channel: 'email' }, 'bank'))['amr']).toEqual(['otp', 'email'])
  })

  it('is the same byte for byte when it is asked for again: nothing lengthens it', async () => {
    const again = createProofs(ring(`${newer},${older}`), ISSUER)
    expect(await again.sign(VERIFIED, 'bank')).toBe(await proofs.sign(VERIFIED, 'bank'))
  })

  it('is over after two minutes, to the second', async () => {
    const proof = await proofs.sign(VERIFIED, 'bank')
    expect((await verify(proof, proofs.jwks, { at: AT + 119_000 })).payload.sub).toBe('123456789')
    await expect(verify(proof, proofs.jwks, { at: AT + 120_000 })).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
  })

  it('is for one upstream alone', async () => {
    const proof = await proofs.sign(VERIFIED, 'bank')
    await expect(verify(proof, proofs.jwks, { audience: 'hotel' })).rejects.toMatchObject({ claim: 'aud' })
  })

  it('cannot be made or changed by whoever has the published keys', async () => {
    const [published] = proofs.jwks.keys
    const proof = await proofs.sign(VERIFIED, 'bank')
    const [header, payload, signature] = proof.split('.') as [string, string, string]
    const other = Buffer.from(JSON.stringify({ ...decodeJwt(proof), sub: '987654321' })).toString('base64url')
    const hs256 = Buffer.from(JSON.stringify({ alg: 'HS256', kid: '2026b' })).toString('base64url')
    const forged = createHmac('sha256', Buffer.from(published!.x!, 'base64url')).update(`${hs256}.${payload}`)
    const claims = new SignJWT(decodeJwt(proof)).setProtectedHeader({ alg: 'EdDSA', kid: '2026b' })
    for (const token of [
      `${header}.${other}.${signature}`,
      `${header}.${payload}.`,
      `${hs256}.${payload}.${forged.digest('base64url')}`,
      new UnsecuredJWT(decodeJwt(proof)).encode(),
      await claims.sign(generateKeyPairSync('ed25519').privateKey),
    ]) {
      await expect(verify(token, proofs.jwks)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_J/) as string,
      })
    }
  })
})

describe('the keys', () => {
  it('are published without their secret half, the one that signs first', () => {
    const { jwks } = createProofs(ring(`2026b:${key()},2026a:${key()}`), ISSUER)
    expect(jwks.keys.map(({ kid }) => kid)).toEqual(['2026b', '2026a'])
    for (const each of jwks.keys) {
      expect(Object.keys(each).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
      expect(each).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' })
    }
  })

  it('are rotated with proofs on their way: known first, then signing, then gone', async () => {
    const [older, newer] = [`2026a:${key()}`, `2026b:${key()}`]
    const [before, known, signing, gone] = [older, `${older},${newer}`, `${newer},${older}`, newer].map((keys) =>
      createProofs(ring(keys), ISSUER),
    )
    const onItsWay = await before!.sign(VERIFIED, 'bank')
    for (const { jwks } of [known!, signing!]) expect((await verify(onItsWay, jwks)).payload.sub).toBe('123456789')
    // An upstream's copy of the keys may be some minutes old.
    expect((await verify(await signing!.sign(VERIFIED, 'bank'), known!.jwks)).protectedHeader.kid).toBe('2026b')
    await expect(verify(onItsWay, gone!.jwks)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
  })

  it('are those of the seeds: the same public key on every machine (RFC 8032 §7.1, test 1)', () => {
    const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
    const { jwks } = createProofs(ring(`rfc:${Buffer.from(seed, 'hex').toString('base64')}`), ISSUER)
    expect(Buffer.from(jwks.keys[0]!.x!, 'base64url').toString('hex')).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    )
  })
})

describe('over HTTP', () => {
  let api: Api
  beforeAll(async () => {
    api = await startApi()
  })
  afterAll(() => api?.stop())

  it('the keys may be asked for by anyone, and kept for 5 minutes', async () => {
    const answer = await api.app.inject('/.well-known/jwks.json')
    expect(answer.headers['cache-control']).toBe('public, max-age=300')
    expect(answer.json<JSONWebKeySet>().keys).toHaveLength(1)
  })

  it('a proof names the upstream that made the link, and the moment at which the code was verified', async () => {
    const entering = await enter(api, { link: { returnUrl: 'http://127.0.0.1:4000/' } })
    const location = new URL(await entering.submit(await entering.code()))
    const claims = decodeJwt(location.searchParams.get('proof')!)
    const [row] = await api.system.sql<[{ challenge_id: string; at: number }]>`
      select challenge_id, floor(extract(epoch from closed_at))::int as at
      from challenges where member_id = ${entering.memberId}`
    expect(claims).toMatchObject({
      iss: 'http://127.0.0.1:8080',
      aud: 'web',
      sub: entering.memberId,
      jti: row.challenge_id,
      auth_time: row.at,
      exp: row.at + 120,
    })
  })

  it('no proof is given for what is not verified', async () => {
    const entering = await enter(api)
    const [page] = await Promise.all([entering.page(), entering.browser.get(`${entering.path}/state`)])
    expect(page).not.toContain('proof=')
    for (const path of [entering.path, `${entering.path}?attempt=verified`, `${entering.path}/proof`]) {
      expect((await createMemberBrowser(api.app, entering.browser.cookies).get(path)).body).not.toContain('eyJ')
    }
  })
})
