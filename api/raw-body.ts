import type { FastifyInstance } from 'fastify'

/**
 * Makes `app` read every body as the bytes that came, whatever they are declared as: a signature is over these, and
 * nothing is made of them before it is found right.
 */
export function acceptRawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, raw: Buffer, done) => done(null, raw))
}

/** The body of a request in such a scope; empty where there was none. */
export const rawBody = (body: unknown): Buffer => (Buffer.isBuffer(body) ? body : Buffer.alloc(0))
