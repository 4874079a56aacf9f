/**
 * The gallery: every page of members in every state, served as the API serves pages, from made-up models.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastify from 'fastify'
import { catalogFor } from '../../messages/catalog.ts'
import { renderFrame } from '../../pages/members/frame.ts'
import { SAMPLES } from './samples.ts'

const PAGES = join(import.meta.dirname, '..', '..', 'pages')
const read = (...files: readonly string[]) => files.map((file) => readFileSync(join(PAGES, file), 'utf8')).join('\n')
const POLICY = [
  "default-src 'none'",
  "style-src 'nonce-gallery'",
  "script-src 'nonce-gallery'",
  "connect-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

export interface Gallery {
  readonly url: string
  /** Of a page, in a language. */
  pathOf(sample: string, language: string): string
  close(): Promise<void>
}

/** Listens on a free port of this machine. */
export async function serveGallery(): Promise<Gallery> {
  const app = fastify({ forceCloseConnections: true })
  app.get('/style.css', (_request, reply) => reply.type('text/css').send(read('base.css', 'members/style.css')))
  app.get('/script.js', (_request, reply) => reply.type('text/javascript').send(read('members/script.js')))
  app.get<{ Params: { sample: string; language: string } }>('/:language/:sample', (request, reply) => {
    const { sample, language } = request.params
    const page = SAMPLES.find(({ name }) => name === sample)
    if (page === undefined) return reply.code(404).send()
    const catalog = catalogFor(language)
    return reply
      .headers({ 'content-security-policy': POLICY, 'cache-control': 'no-store' })
      .type('text/html; charset=utf-8')
      .send(
        renderFrame({
          catalog,
          ...page.render(catalog),
          assets: { style: '/style.css', script: '/script.js', nonce: 'gallery' },
          here: request.url,
        })
          // The page of a link stays to be seen.
          .replace(' data-submit-at-once', ''),
      )
  })
  // What the script asks for is never answered: the page stays as it is shown.
  app.get('/live/state', () => new Promise(() => undefined))
  return {
    url: await app.listen({ host: '127.0.0.1', port: 0 }),
    pathOf: (sample, language) => `/${language}/${sample}`,
    close: () => app.close(),
  }
}
