/**
 * Who asks, and in what language: what the bank's cookies and headers say.
 */
import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { SAMPLE_MEMBERS } from '../sample-members.ts'
import { isLanguage, MEMBERS, type BankMember, type Language } from './texts.ts'

/** Cookies know no ports: the name must not be one of the service's, which may be on the same host. */
const SESSION = 'bank-session'
const LANGUAGE = 'bank-language'
const A_YEAR_SECONDS = 31_536_000
const LASTING = { path: '/', httpOnly: true, sameSite: 'lax' } as const

export interface Member {
  readonly name: BankMember
  readonly memberId: string
}

/** @param sessionKey signs the cookie, so that a session outlives this process and nobody makes one up */
export function readCookies(app: FastifyInstance, sessionKey: string): void {
  app.register(cookie, { secret: sessionKey })
}

/** A real bank asks for a password. */
export function logIn(reply: FastifyReply, name: BankMember): FastifyReply {
  return reply.setCookie(SESSION, name, { ...LASTING, signed: true })
}

export const logOut = (reply: FastifyReply): FastifyReply => reply.clearCookie(SESSION, { path: '/' })

export function memberOf(request: FastifyRequest): Member | undefined {
  const { valid, value } = request.unsignCookie(request.cookies[SESSION] ?? '')
  return valid && isBankMember(value) ? { name: value, memberId: SAMPLE_MEMBERS[value].memberId } : undefined
}

export const isBankMember = (name: unknown): name is BankMember =>
  typeof name === 'string' && Object.hasOwn(MEMBERS, name)

export const rememberLanguage = (reply: FastifyReply, language: Language): FastifyReply =>
  reply.setCookie(LANGUAGE, language, { ...LASTING, maxAge: A_YEAR_SECONDS })

export function languageOf({ cookies, headers }: FastifyRequest): Language {
  const chosen = cookies[LANGUAGE]
  if (isLanguage(chosen)) return chosen
  return headers['accept-language']?.startsWith('en') ? 'en' : 'ja'
}

/** A form of another site that a logged-in member was lured to. Where the browser does not say, `SameSite` guards. */
export const isFromElsewhere = ({ method, headers }: FastifyRequest): boolean =>
  method === 'POST' && !['same-origin', 'none', undefined].includes(headers['sec-fetch-site'])
