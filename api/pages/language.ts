/**
 * The language of a page (P4): the one that the member chose, else the link's, else the browser's, else Japanese.
 */
import type { FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { catalogFor, catalogs, type Catalog } from '../../messages/catalog.ts'
import type { PageCookies } from './cookies.ts'

const OTHERWISE = 'ja'

export function languageOf(request: FastifyRequest, cookies: PageCookies): Catalog {
  const chosen = catalogs.find(({ language }) => language === cookies.languageOf(request))
  if (chosen !== undefined) return chosen
  const wanted = new Negotiator(request).languages().filter((tag) => tag !== '*')
  const speaks = (tag: string) => catalogFor(tag).language.split('-')[0] === tag.toLowerCase().split('-')[0]
  return catalogFor(wanted.find(speaks) ?? wanted[0] ?? OTHERWISE)
}
