/**
 * A TCP proxy that stands between us and a part, and can be told to be out of order.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface FlakyProxy {
  /** `127.0.0.1:port`; stays the same. */
  readonly address: string
  /** Connections are closed and refused, as by a part that is down. */
  refuse(): Promise<void>
  /** Connections are accepted and stay open, and nothing passes, as with a part that was stopped (SIGSTOP). */
  hang(): void
  /** Passes everything again; what hung goes on. */
  pass(): Promise<void>
  stop(): Promise<void>
}

export async function startFlakyProxy(target: string): Promise<FlakyProxy> {
  const { hostname, port: targetPort } = new URL(`tcp://${target}`)
  const pairs = new Set<readonly [Socket, Socket]>()
  let hangs = false

  const server = createServer((client) => {
    const upstream = connect(Number(targetPort), hostname)
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    for (const [from, to] of [pair, pair.toReversed() as [Socket, Socket]]) {
      from.on('data', (bytes) => void to.write(bytes))
      from.on('error', end)
      from.on('close', end)
      if (hangs) from.pause()
    }
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const close = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const [client, upstream] of pairs) {
      client.destroy()
      upstream.destroy()
    }
    await closed
  }
  await listen(0)
  const { port } = server.address() as AddressInfo

  return {
    address: `127.0.0.1:${port}`,
    refuse: close,
    hang() {
      hangs = true
      for (const pair of pairs) for (const socket of pair) socket.pause()
    },
    async pass() {
      hangs = false
      for (const pair of pairs) for (const socket of pair) socket.resume()
      if (!server.listening) await listen(port)
    },
    stop: async () => {
      if (server.listening) await close()
    },
  }
}
