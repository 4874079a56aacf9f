/** Where each process listens. */
import { z } from 'zod'
import { int, keyRing, list, networks, port, text } from './values.ts'

const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/

/** Where the API listens, and the address others reach it at. */
export const http = z
  .object({
    HOST: text('wants an address to listen on').default('127.0.0.1'),
    PORT: int(0, 65_535, 8080),
    /** The largest body that is read, before anything else looks at it. */
    OTP_HTTP_BODY_LIMIT_BYTES: int(1_024, 1_048_576, 65_536),
    /** A request that has not arrived whole by then is refused with 408. */
    OTP_HTTP_REQUEST_TIMEOUT_SECONDS: int(1, 120, 10),
    /** How long `POST /v1/challenges` waits for the provider to take the code, before it answers 202. */
    OTP_SEND_WAIT_SECONDS: int(1, 30, 5),
    /** The secret with which end-user addresses are hashed (HMAC) before they are kept. */
    OTP_IP_HASH_KEY: z.string({ error: 'wants 32 bytes in base64' }).regex(BASE64_KEY, 'wants 32 bytes in base64'),
    /** How many proxies of ours stand before it: so many entries of X-Forwarded-For, from the end, are believed. */
    OTP_TRUST_PROXY_HOPS: int(0, 10, 0),
    /** End users of these networks are not limited by their address (C9), nor is it kept: of a company, or of a carrier's NAT. */
    OTP_IP_LIMIT_EXEMPT: networks.optional(),
  })
  .transform((v) => ({
    host: v.HOST,
    port: v.PORT,
    bodyLimitBytes: v.OTP_HTTP_BODY_LIMIT_BYTES,
    requestTimeoutMs: v.OTP_HTTP_REQUEST_TIMEOUT_SECONDS * 1000,
    sendWaitMs: v.OTP_SEND_WAIT_SECONDS * 1000,
    ipHashKey: Buffer.from(v.OTP_IP_HASH_KEY, 'base64') as Uint8Array,
    ipLimitExempt: v.OTP_IP_LIMIT_EXEMPT,
    trustProxyHops: v.OTP_TRUST_PROXY_HOPS,
  }))

export const codecServer = z
  .object({
    OTP_CODEC_SERVER_HOST: text('wants an address to listen on').default('127.0.0.1'),
    OTP_CODEC_SERVER_PORT: int(0, 65_535, 8081),
    OTP_CODEC_KEYS: keyRing,
    /** Origins of the Web UIs that may ask. */
    OTP_CODEC_SERVER_ORIGINS: list(/^https?:\/\/[^\s/]+$/, 'wants origins such as https://temporal.example.jp'),
    /** `known`: only callers of `OTP_API_KEYS` or `OTP_JWT_…` with the scope; `any`: whoever reaches the server. */
    OTP_CODEC_SERVER_CALLERS: z.enum(['any', 'known'], { error: 'wants any or known' }).default('any'),
  })
  .transform((v) => ({
    host: v.OTP_CODEC_SERVER_HOST,
    port: v.OTP_CODEC_SERVER_PORT,
    keys: v.OTP_CODEC_KEYS,
    origins: v.OTP_CODEC_SERVER_ORIGINS,
  }))

/** Where the processes beside the API, which has its own, show their metrics. Off unless a port is set. */
export const metrics = z
  .object({
    OTP_METRICS_HOST: text('wants an address to listen on').default('127.0.0.1'),
    OTP_METRICS_PORT: port.optional(),
    /** Those of Temporal's SDK in the challenge and campaign workers, which serves them itself. */
    OTP_TEMPORAL_METRICS_PORT: port.optional(),
  })
  .transform((v) => ({
    host: v.OTP_METRICS_HOST,
    port: v.OTP_METRICS_PORT,
    temporalPort: v.OTP_TEMPORAL_METRICS_PORT,
  }))
