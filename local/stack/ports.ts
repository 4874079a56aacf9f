import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const LOOPBACK = '127.0.0.1'

/**
 * Below the ports that systems give to outgoing connections (Linux: from 32768, others: from 49152). One of those may be
 * given away before the part listens on it; worse, who asks a port of that range whether somebody listens yet may be
 * given that very port for the question, and is then connected to itself.
 */
const LISTENING = { from: 20_000, to: 32_000 }

/** A port of this machine that nothing listens on, and that no outgoing connection takes. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LISTENING.from, LISTENING.to)
    if (await isFree(port)) return port
  }
}

/** Whether nothing listens on `port` of `host`. Default: loopback. */
export function isFree(port: number, host = LOOPBACK): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error),
    )
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

/**
 * Claims a port for this process, until it ends, by holding the UDP port of the same number: whoever is to listen on it may come
 * minutes later, and another start must not choose it meanwhile.
 *
 * @returns false where another process has it
 */
function claim(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').unref()
    socket.once('error', () => resolve(false))
    socket.bind({ port, address: LOOPBACK, exclusive: true }, () => resolve(true))
  })
}

/**
 * `preferred`, or the next port above it that is free, not in `taken`, and not another start's; the choice is added to `taken`,
 * so that parts that start side by side do not choose the same one.
 *
 * @throws when none of the next hundred is free
 */
export async function nextFreePort(preferred: number, taken: Set<number>): Promise<number> {
  for (let port = preferred; port < preferred + 100; port += 1) {
    if (taken.has(port)) continue
    taken.add(port)
    if ((await isFree(port)) && (await claim(port))) return port
  }
  throw new Error(`No port from ${preferred} to ${preferred + 99} is free: end what listens there`)
}
