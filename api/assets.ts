/**
 * Styles and scripts of pages, named by their content, so that browsers may keep them for ever.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'

const A_YEAR_SECONDS = 31_536_000
const TYPES = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8' } as const

export interface Asset {
  readonly path: string
  /** The paths of all its versions. */
  readonly anyPath: string
  readonly type: string
  readonly content: string
}

/** @param files below `pages/`, one after the other */
export function readAsset(name: string, ending: keyof typeof TYPES, files: readonly string[]): Asset {
  const content = files.map((file) => readFileSync(new URL(`../pages/${file}`, import.meta.url), 'utf8')).join('\n')
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 12)
  const pathOf = (version: string) => `/assets/${name}-${version}.${ending}`
  return { path: pathOf(hash), anyPath: pathOf(':hash(^[0-9a-f]{12})'), type: TYPES[ending], content }
}

export function serveAssets(app: FastifyInstance, assets: readonly Asset[]): void {
  for (const { path, anyPath, type, content } of assets) {
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply.header('cache-control', `public, max-age=${A_YEAR_SECONDS}, immutable`).type(type).send(content),
    )
    // Of a page that an older or a newer process rendered, while a deployment rolls: nobody keeps it under that name.
    app.get(anyPath, { schema: { hide: true } }, (_request, reply) =>
      reply.header('cache-control', 'no-cache').type(type).send(content),
    )
  }
}
