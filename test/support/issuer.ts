/**
 * An OAuth 2.0 authorization server over real HTTP: the client credentials grant (RFC 6749 §4.4), access tokens as RFC 9068 has
 * them, and its keys (RFC 7517). Tests tell it to rotate, to fall silent and to sign what no honest issuer would.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose'

export const AUDIENCE = 'https://otp.example'

interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly jwk: JWK
}

export interface Issuer {
  readonly url: string
  /** As the API is configured with it. */
  readonly env: Record<string, string>
  /** What the token endpoint gives to a client for these scopes, over HTTP. */
  token(client: string, scope: string): Promise<string>
  /** A token of other claims or another header than an honest one. */
  sign(claims?: JWTPayload, options?: { key?: SigningKey; header?: Partial<JWTHeaderParameters> }): Promise<string>
  /** The key that signs now. */
  current(): SigningKey
  /** A new key signs, and the others are published no more. */
  rotate(): Promise<SigningKey>
  /** A new key beside the one that signs. */
  publish(alg: string): Promise<SigningKey>
  /** Makes a key that is published nowhere. */
  makeKey(alg?: string): Promise<SigningKey>
  /** How the keys are answered from now on. */
  answer(how: 'well' | 'with 500' | 'with rubbish' | 'never'): void
  /** How often the keys were asked for. */
  asked(): number
  /** Nothing listens any more, until `open`. */
  close(): Promise<void>
  open(): Promise<void>
}

async function makeKey(alg = 'EdDSA'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = randomUUID()
  return { kid, alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

export async function startIssuer(): Promise<Issuer> {
  let keys = [await makeKey()]
  let how: Parameters<Issuer['answer']>[0] = 'well'
  let asked = 0
  const server = createServer((request, response) => void serve(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const current = () => keys[0]!

  const sign: Issuer['sign'] = (claims = {}, { key = current(), header = {} } = {}) => {
    const at = Math.floor(Date.now() / 1000)
    const honest = {
      iss: url,
      aud: AUDIENCE,
      sub: 'booking',
      client_id: 'booking',
      iat: at,
      exp: at + 300,
      jti: randomUUID(),
      scope: 'challenges:start challenges:read challenges:verify',
    }
    return new SignJWT({ ...honest, ...claims })
      .setProtectedHeader({ alg: key.alg, typ: 'at+jwt', kid: key.kid, ...header })
      .sign(key.privateKey)
  }

  async function serve(request: IncomingMessage, response: ServerResponse) {
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/token' && request.method === 'POST') {
      const form = new URLSearchParams(await text(request))
      const [, basic = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? []
      const [client = ''] = Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      if (form.get('grant_type') !== 'client_credentials' || client === '')
        return json(400, { error: 'invalid_request' })
      const access_token = await sign({ sub: client, client_id: client, scope: form.get('scope') })
      return json(200, { access_token, token_type: 'Bearer', expires_in: 300 })
    }
    if (request.url !== '/jwks') return json(404, {})
    asked++
    if (how === 'never') return undefined
    if (how === 'with 500') return json(500, {})
    return json(200, how === 'with rubbish' ? { keys: 'none' } : { keys: keys.map(({ jwk }) => jwk) })
  }

  return {
    url,
    env: { OTP_JWT_ISSUER: url, OTP_JWT_AUDIENCE: AUDIENCE, OTP_JWT_JWKS_URL: `${url}/jwks` },
    sign,
    current,
    makeKey,
    async token(client, scope) {
      const answer = await fetch(`${url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${encodeURIComponent(client)}:secret`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
      })
      const { access_token: token } = (await answer.json()) as { access_token: string }
      return token
    },
    async rotate() {
      keys = [await makeKey()]
      return current()
    },
    async publish(alg) {
      const key = await makeKey(alg)
      keys.push(key)
      return key
    },
    answer: (next) => {
      how = next
    },
    asked: () => asked,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
    async open() {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}
