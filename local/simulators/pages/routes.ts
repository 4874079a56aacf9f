/**
 * The pages: `/` is the outbox, `/preview` every message that we know to write.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Outbox } from '../outbox.ts'
import { renderOutboxPage } from './outbox-page.ts'
import { renderPreviewPage, type PreviewSettings } from './preview-page.ts'

const pageQuery = z.object({ to: z.string().max(320).default('') }).catch({ to: '' })

/** How many of the latest messages are shown. */
const ON_PAGE = 50

const SCRIPTS = {
  '/outbox/renew.js': new URL('renew.js', import.meta.url),
  '/outbox/idiomorph.js': new URL(import.meta.resolve('idiomorph/dist/idiomorph.min.js')),
}

export function pageRoutes(app: FastifyInstance, outbox: Outbox, preview: PreviewSettings): void {
  app.get('/', async (request, reply) => {
    const { to } = pageQuery.parse(request.query)
    const page = renderOutboxPage(outbox.entries(to === '' ? undefined : to, ON_PAGE), to)
    return reply.headers(page.headers).send(page.html)
  })
  app.get('/preview', async (_request, reply) => {
    const page = renderPreviewPage(preview)
    return reply.headers(page.headers).send(page.html)
  })
  for (const [path, file] of Object.entries(SCRIPTS)) {
    const script = readFileSync(fileURLToPath(file))
    app.get(path, async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script))
  }
}
