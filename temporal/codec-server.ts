/**
 * The codec server: makes payloads readable in Temporal's Web UI and CLI (`--codec-endpoint`), all but codes, and
 * encrypts what is typed there. Speaks Temporal's remote codec protocol: `POST /decode` and `POST /encode` with
 * `{"payloads": [{"metadata": {…base64}, "data": base64}]}`, answered with the same.
 *
 * `GET` of health and metrics is for anybody who reaches it, as at every process.
 *
 * It serves web pages of the configured origins only, and where callers are configured nobody but them. Without, whoever
 * reaches it reads all payloads: then it belongs on one machine. Each decoding is logged: who, of which namespace, how many
 * payloads, and nothing of what they hold.
 */
import type { IncomingMessage } from 'node:http'
import fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Payload, PayloadCodec } from '@temporalio/common'
import type { Logger } from 'pino'
import { z } from 'zod'
import { redactCodes } from './redaction.ts'

/** A page of history: many payloads, each of 2 MB at most. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024
const PREFLIGHT_SECONDS = 3_600

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const body = z.object({
  // Temporal's CLI leaves it out where there are none.
  payloads: z
    .array(
      z
        .object({ metadata: z.record(z.string(), base64).nullish(), data: base64.nullish() })
        .transform(({ metadata, data }): Payload => ({ metadata: metadata ?? {}, data: data ?? new Uint8Array() })),
    )
    .default([]),
})

export interface CodecServerOptions {
  readonly codec: PayloadCodec
  /** Origins of the Web UIs that may ask. */
  readonly origins: readonly string[]
  /**
   * Who asks, by the `Authorization` header; absent: anybody may.
   *
   * @returns the caller's name, with whom their access token is about (all users of a Web UI have the UI's name); or why not
   */
  readonly authenticate?: (
    request: IncomingMessage,
  ) => Promise<{ caller: string; sub?: string } | { status: 401 | 403 | 503 }>
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** As Temporal names namespaces; what else stands in the header is not logged. */
const NAMESPACE = /^[\w.-]{1,100}$/

/** The application, not yet listening. */
export function buildCodecServer({ codec, origins, authenticate, log }: CodecServerOptions): FastifyInstance {
  const app: FastifyInstance = fastify({
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: 30_000,
    forceCloseConnections: true,
  })
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const { statusCode = 500 } = error
    return reply
      .code(statusCode)
      .send({ message: statusCode < 500 ? 'wants {"payloads": […]}' : 'something went wrong' })
  })
  allowOrigins(app, origins)

  const callers = new WeakMap<object, { caller: string; sub?: string }>()
  // Before the body is read.
  const admit = async (request: FastifyRequest, reply: FastifyReply) => {
    const who = authenticate === undefined ? { caller: 'anybody' } : await authenticate(request.raw)
    if ('caller' in who) {
      callers.set(request, who)
      return
    }
    log.warn({ status: who.status }, 'somebody was refused')
    if (who.status === 401) reply.header('www-authenticate', 'Bearer')
    await reply.code(who.status).send({ message: REFUSALS[who.status] })
  }
  const serve = (path: string, done: string, work: (payloads: Payload[]) => Promise<Payload[]>) => {
    app.options(path, async (_request, reply) => reply.code(204).send())
    app.post(path, { onRequest: admit }, async (request, reply) => {
      const asked = body.safeParse(request.body)
      if (!asked.success) return reply.code(400).send({ message: 'wants {"payloads": […]}' })
      const { payloads } = asked.data
      const namespace = String(request.headers['x-namespace'] ?? '')
      log.info(
        {
          ...callers.get(request),
          namespace: NAMESPACE.test(namespace) ? namespace : 'unknown',
          count: payloads.length,
        },
        done,
      )
      return { payloads: (await work(payloads)).map(toJson) }
    })
  }
  serve('/decode', 'payloads were decoded', async (payloads) => (await codec.decode(payloads)).map(redactCodes))
  serve('/encode', 'payloads were encoded', (payloads) => codec.encode(payloads))
  return app
}

const REFUSALS = {
  401: 'wants Authorization: Bearer <API key or access token>',
  403: 'this caller has not the scope payloads:decode',
  503: "the keys of the token's issuer cannot be had",
} as const

/** A browser always says where a POST comes from; other pages are refused, by whatever name they reached us. */
function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (origin === undefined) return
    reply.header('vary', 'origin')
    if (origins.includes(origin)) {
      reply.headers({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': 'content-type, x-namespace, authorization',
        'access-control-max-age': String(PREFLIGHT_SECONDS),
      })
    } else {
      await reply.code(403).send({ message: 'this origin is not in OTP_CODEC_SERVER_ORIGINS' })
    }
  })
}

const toJson = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, toBase64(value)])),
  data: toBase64(data),
})

const toBase64 = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('base64')
