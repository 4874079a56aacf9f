/**
 * Problems on their way out.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { describeError } from '../logging/describe-error.ts'
import { problem, PROBLEM_MEDIA_TYPE, problemBody, PROBLEMS, toProblem } from './problems.ts'

/** Answers every error, and every path that is none, with a problem. */
export function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => sendProblem(reply, error, request))
  const notFound = problem('not_found', 'There is no such path: /docs has those that there are.')
  app.setNotFoundHandler((request, reply) => sendProblem(reply, notFound, request))
}

export function sendProblem(reply: FastifyReply, error: unknown, request: FastifyRequest): FastifyReply {
  const found = toProblem(error)
  const { status } = PROBLEMS[found.code]
  if (status >= 500) request.log.error({ err: describeError(error) }, found.code)
  const { retryAfter, headers } = found.extras
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  return reply
    .code(status)
    .headers({ ...headers })
    .type(PROBLEM_MEDIA_TYPE)
    .send(problemBody(found, request.id))
}

const UNREADABLE = {
  ERR_HTTP_REQUEST_TIMEOUT: problem('request_timeout', 'Send the whole request faster.'),
  HPE_HEADER_OVERFLOW: problem('headers_too_large', 'Send fewer or shorter headers.'),
} as const

/** For what never became a request: not HTTP, too slow, or with headers too large. */
export function answerUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const found =
    UNREADABLE[error.code as keyof typeof UNREADABLE] ?? problem('invalid_request', 'That is not HTTP as it should be.')
  const { status } = PROBLEMS[found.code]
  const body = JSON.stringify(problemBody(found))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}; charset=utf-8`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
