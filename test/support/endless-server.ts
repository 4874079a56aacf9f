/**
 * A server whose answer has a body of any length, sent as fast as it is read.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { createGzip } from 'node:zlib'

export interface Endless {
  readonly status: number
  readonly bytes: number
  /** Compressed, some hundredths of it go over the wire. */
  readonly encoding?: string | undefined
  /** A pause between pieces of so many bytes. */
  readonly everyMs?: number
  readonly piece?: number
}

export async function endlessServer({ status, bytes, encoding, everyMs = 0, piece = 65_536 }: Endless) {
  let sent = 0
  const ended = Promise.withResolvers<void>()
  async function* body() {
    for (let made = 0; made < bytes; made += piece) {
      if (everyMs > 0) await wait(everyMs)
      yield Buffer.alloc(piece, ' ')
    }
  }
  const server = createServer((request, reply) => {
    request.resume()
    reply.writeHead(status, {
      'content-type': 'application/json',
      'x-message-id': 'abc',
      ...(encoding && { 'content-encoding': encoding }),
    })
    const { socket } = reply
    const parts = encoding ? [Readable.from(body()), createGzip(), reply] : [Readable.from(body()), reply]
    void pipeline(parts)
      .catch(() => undefined)
      .finally(() => {
        sent = socket?.bytesWritten ?? 0
        ended.resolve()
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Bytes that were handed to the connection. */
    sent: () => sent,
    /** The answer is over: sent to its end, or given up by whoever read it. */
    ended: ended.promise,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
