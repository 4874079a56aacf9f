/**
 * The language of a page (P4): the one that the member chose, else the link's, else the browser's, else Japanese.
 */
import type { FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { catalogFor, catalogs, type Catalog } from '../../messages/catalog.ts'
import type { PageCookies } from './cookies.ts'

const OTHERWISE = 'ja'
/** Of a browser's wishes; nobody speaks more. Reading thousands would take the event loop a tenth of a second. */
const MOST_TAGS = 10

export function languageOf(request: FastifyRequest, cookies: PageCookies): Catalog {
  const chosen = catalogs.find(({ language }) => language === cookies.languageOf(request))
  if (chosen !== undefined) return chosen
  const accepted = request.headers['accept-language']?.split(',', MOST_TAGS).join(',')
  const negotiator = new Negotiator({ headers: { 'accept-language': accepted } })
  const wanted = negotiator.languages().filter((tag) => tag !== '*')
  const speaks = (tag: string) => catalogFor(tag).language.split('-')[0] === tag.toLowerCase().split('-')[0]
  return catalogFor(wanted.find(speaks) ?? wanted[0] ?? OTHERWISE)
}
