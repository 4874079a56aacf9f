/**
 * The codec server: makes payloads readable in Temporal's Web UI and CLI (`--codec-endpoint`), all but codes, and
 * encrypts what is typed there. Speaks Temporal's remote codec protocol: `POST /decode` and `POST /encode` with
 * `{"payloads": [{"metadata": {…base64}, "data": base64}]}`, answered with the same.
 *
 * Whoever reaches it reads all payloads: it listens on this machine unless it is told otherwise, and serves web pages
 * of the configured origins only.
 */
import fastify, { LogController } from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Payload, PayloadCodec } from '@temporalio/common'
import { z } from 'zod'
import { ConfigError, loadConfig } from '../config.ts'
import { createLog } from '../logging/create-log.ts'
import { createPayloadCodec } from './payload-codec.ts'
import { redactCodes } from './redaction.ts'

const NAME = 'codec-server'
/** A page of history: many payloads, each of 2 MB at most. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024
const PREFLIGHT_SECONDS = 3_600

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const body = z.object({
  payloads: z.array(
    z
      .object({ metadata: z.record(z.string(), base64).nullish(), data: base64.nullish() })
      .transform(({ metadata, data }): Payload => ({ metadata: metadata ?? {}, data: data ?? new Uint8Array() })),
  ),
})

export interface CodecServerOptions {
  readonly codec: PayloadCodec
  /** Origins of the Web UIs that may ask. */
  readonly origins: readonly string[]
}

/** The application, not yet listening. It logs nothing of what it sees. */
export function buildCodecServer({ codec, origins }: CodecServerOptions): FastifyInstance {
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

  const serve = (path: string, work: (payloads: Payload[]) => Promise<Payload[]>) => {
    app.options(path, async (_request, reply) => reply.code(204).send())
    app.post(path, async (request, reply) => {
      const asked = body.safeParse(request.body)
      if (!asked.success) return reply.code(400).send({ message: 'wants {"payloads": […]}' })
      return { payloads: (await work(asked.data.payloads)).map(toJson) }
    })
  }
  serve('/decode', async (payloads) => (await codec.decode(payloads)).map(redactCodes))
  serve('/encode', (payloads) => codec.encode(payloads))
  return app
}

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
        'access-control-allow-headers': 'content-type, x-namespace',
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

async function main() {
  const { codecServer, log: logging } = loadConfig(['codecServer', 'log'])
  const log = createLog({ name: NAME, level: logging.level })
  const app = buildCodecServer({ codec: createPayloadCodec(codecServer.keys), origins: codecServer.origins })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close())
  const url = await app.listen({ host: codecServer.host, port: codecServer.port })
  log.info({ url }, 'ready')
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(error instanceof ConfigError ? 2 : 1)
  }
}
