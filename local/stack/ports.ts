import { createServer } from 'node:net'

const LOOPBACK = '127.0.0.1'

/** A port of this machine that nothing listens on. */
export const freePort = (): Promise<number> => probe(0).then((port) => port!)

/** Whether nothing listens on `port` of `host`. Default: loopback. */
export const isFree = async (port: number, host = LOOPBACK): Promise<boolean> => (await probe(port, host)) !== undefined

/**
 * `preferred`, or the next port above it that is free and not in `taken`; the choice is added to `taken`, so that
 * parts that start side by side do not choose the same one.
 *
 * @throws when none of the next hundred is free
 */
export async function nextFreePort(preferred: number, taken: Set<number>): Promise<number> {
  for (let port = preferred; port < preferred + 100; port += 1) {
    if (taken.has(port)) continue
    taken.add(port)
    if (await isFree(port)) return port
  }
  throw new Error(`No port from ${preferred} to ${preferred + 99} is free: end what listens there`)
}

function probe(port: number, host = LOOPBACK): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    )
    server.listen(port, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined))
    })
  })
}
