/**
 * Bodies: JSON in UTF-8, declared as exactly that, or refused before anything looks at them. Content types that were
 * almost JSON have skipped validation before (CVE-2025-32442, CVE-2026-3419).
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { hasRepeatedName } from '../domain/repeated-names.ts'
import { problem } from './problems.ts'

const JSON_MEDIA_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i

/** @throws {ProblemError} `unsupported_media_type` for a body that is declared as anything but JSON in UTF-8 */
export function requireJson(headers: IncomingHttpHeaders): void {
  const { 'content-type': type, 'content-encoding': encoding, 'content-length': length } = headers
  const hasBody = headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
  if (encoding !== undefined) throw problem('unsupported_media_type', 'Send the body without a content encoding.')
  if (type === undefined ? hasBody : !JSON_MEDIA_TYPE.test(type)) {
    throw problem('unsupported_media_type', 'Send application/json in UTF-8.')
  }
}

/** Makes `app` read JSON and nothing else. An empty body counts as none. */
export function acceptOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, raw: Buffer, done) => {
    if (raw.length === 0) return done(null, undefined)
    if (!isUtf8(raw)) return done(problem('invalid_request', 'The body is not UTF-8.'))
    const text = raw.toString('utf8')
    void parse(request, text, (error, value: unknown) => {
      if (error) return done(problem('invalid_request', 'The body is not JSON, or has a field such as __proto__.'))
      if (hasRepeatedName(text, value)) return done(problem('invalid_request', 'A field stands twice in the body.'))
      done(null, value)
    })
  })
}
