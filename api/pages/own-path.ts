import type { FastifyRequest } from 'fastify'

/** What browsers drop from a URL, or read as `/`, before they follow it (WHATWG URL): control characters, backslashes. */
const MISREAD = /[\p{Cc}\s\\]/u
const MOST_CHARACTERS = 1_000

/**
 * The path of ours that was given to lead back to, with its query.
 *
 * @returns undefined for whatever a browser could take for a place elsewhere (`//host`, `/\host`, `https:…`), and for
 *   what is no path
 */
export function ownPath(given: unknown): string | undefined {
  if (typeof given !== 'string' || given.length > MOST_CHARACTERS || MISREAD.test(given)) return undefined
  if (!given.startsWith('/') || given.startsWith('//')) return undefined
  const url = URL.parse(given, 'http://here.invalid')
  // Once more, since dots that are taken out can leave two slashes at the beginning: `/.//host`.
  if (url?.host !== 'here.invalid' || url.pathname.startsWith('//')) return undefined
  return `${url.pathname}${url.search}`
}

/** Where the page that a request is about is shown again: itself, or the one that its form stood on. */
export function hereOf({ method, url, headers }: FastifyRequest, publicUrl: string): string {
  const shown =
    method === 'GET' ? url : headers.referer?.startsWith(`${publicUrl}/`) && headers.referer.slice(publicUrl.length)
  return ownPath(shown) ?? '/help'
}
