/**
 * The cookies of the members' pages. None is readable by a script, and none goes along with another site's forms.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { CookieSerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { SESSION_SECONDS } from '../../postgres/page-visits.ts'

const SECRET = /^[A-Za-z0-9_-]{43}$/
/** For the time between a link's page and its button. */
const BROWSER_SECONDS = 600
const LANGUAGE_SECONDS = 31_536_000

export type PageCookies = ReturnType<typeof createPageCookies>

/** @param publicUrl where it is https, browsers take the cookies from this host alone (`__Host-`, RFC 6265bis §4.1.3.2) */
export function createPageCookies(publicUrl: string) {
  const secure = publicUrl.startsWith('https:')
  const named = (name: string) => (secure ? `__Host-${name}` : name)
  const names = {
    session: named('otp-session'),
    browser: named('otp-browser'),
    language: 'otp-language',
    locale: 'otp-locale',
  }
  const set = (reply: FastifyReply, name: string, value: string, maxAge: number) => {
    const options: CookieSerializeOptions = { path: '/', httpOnly: true, sameSite: 'lax', secure, maxAge }
    reply.setCookie(name, value, options)
  }
  const secretOf = (request: FastifyRequest, name: string) => {
    const value = request.cookies[name]
    return value !== undefined && SECRET.test(value) ? value : undefined
  }

  return {
    sessionOf: (request: FastifyRequest) => secretOf(request, names.session),
    setSession: (reply: FastifyReply, session: string) => set(reply, names.session, session, SESSION_SECONDS),
    /** What tells browsers apart before they have a session: two POSTs of one button are of one browser. */
    browserOf: (request: FastifyRequest) => secretOf(request, names.browser),
    rememberBrowser(request: FastifyRequest, reply: FastifyReply) {
      const browser = secretOf(request, names.browser) ?? randomBytes(32).toString('base64url')
      set(reply, names.browser, browser, BROWSER_SECONDS)
    },
    /** The language that the member chose, else that of the last link. */
    languageOf: ({ cookies }: FastifyRequest) => cookies[names.language] ?? cookies[names.locale],
    /** What an upstream takes the member's language to be: for as long as the session, and below the member's own choice. */
    setLocale: (reply: FastifyReply, language: string) => set(reply, names.locale, language, SESSION_SECONDS),
    /** What the member chose. @param language BCP 47, of a catalogue that there is */
    setLanguage: (reply: FastifyReply, language: string) => set(reply, names.language, language, LANGUAGE_SECONDS),
  }
}

/**
 * The session that a browser gets by a link: the same for each POST of that button, so that the answer that it keeps is
 * right, and unknown to whoever has only the link, or only the browser's earlier cookie.
 */
export const freshSession = (token: string, browser: string): string =>
  createHash('sha256').update(`session\0${token}\0${browser}`).digest('base64url')

/** What Postgres knows a secret by. */
export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()
