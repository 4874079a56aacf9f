/**
 * The style and the script of the members' pages, named by their content, so that browsers may keep them for ever.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'

const A_YEAR_SECONDS = 31_536_000

const assetOf = (file: string, name: string, ending: string, type: string) => {
  const content = readFileSync(new URL(`../../pages/members/${file}`, import.meta.url))
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 12)
  return { path: `/assets/${name}-${hash}.${ending}`, type, content }
}

const STYLE = assetOf('style.css', 'members', 'css', 'text/css; charset=utf-8')
const SCRIPT = assetOf('script.js', 'members', 'js', 'text/javascript; charset=utf-8')

export const ASSETS = { style: STYLE.path, script: SCRIPT.path } as const

export function assetRoutes(app: FastifyInstance): void {
  for (const { path, type, content } of [STYLE, SCRIPT]) {
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply.header('cache-control', `public, max-age=${A_YEAR_SECONDS}, immutable`).type(type).send(content),
    )
  }
}
