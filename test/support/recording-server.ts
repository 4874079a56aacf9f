/**
 * A stand-in that keeps what it is sent.
 */
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Recorded {
  /** `POST /v1/messages` */
  readonly call: string
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** A server that keeps what it is sent and gives one answer to all. */
export async function recordingServer(answer: {
  status: number
  headers?: Record<string, string>
  body?: unknown
  raw?: string
}) {
  const requests: Recorded[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      requests.push({
        call: `${request.method} ${request.url}`,
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()) as unknown,
      })
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
      response.end(answer.raw ?? (answer.body === undefined ? '' : JSON.stringify(answer.body)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${port}`, requests, [Symbol.asyncDispose]: close }
}
