/**
 * SendGrid's v3 Mail Send, as far as a sender can tell: authentication, validation, status codes, headers.
 * Source: SendGrid's API reference, "Mail Send" and its errors page.
 */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { answerUnder } from './faults.ts'
import type { Faults } from './faults.ts'
import type { Accepted, Outbox } from './outbox.ts'
import type { Receipts } from './receipts.ts'

export interface SendGridSimulatorOptions {
  readonly apiKey: string
  readonly outbox: Outbox
  readonly faults: Faults
  readonly receipts: Receipts
  readonly closing: AbortSignal
}

/** `POST /v3/mail/send` */
export function sendGridRoutes(app: FastifyInstance, options: SendGridSimulatorOptions) {
  const { apiKey, outbox, faults, receipts, closing } = options
  const authorization = `Bearer ${apiKey}`
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    return refuse(reply, status, [problem(null, status === 415 ? 'Unsupported Media Type' : 'Bad Request')])
  })

  app.post('/v3/mail/send', async (request, reply) => {
    if (request.headers.authorization !== authorization) {
      return refuse(reply, 401, [problem(null, 'The provided authorization grant is invalid, expired, or revoked')])
    }
    const mail = record(request.body)
    const problems = mailProblems(mail)
    if (problems.length > 0) return refuse(reply, 400, problems)
    const id = randomBytes(16).toString('base64url')
    const messages = acceptedMails(id, mail)
    const fault = faults.take('sendgrid', messages[0]!.to)
    return answerUnder(fault, reply, closing, {
      accept: () => {
        for (const message of messages) {
          receipts.follow(message, fault?.receipts, outbox.add(message))
        }
      },
      accepted: (to) => to.code(202).header('x-message-id', id).send(),
      refused: refuseByFault,
    })
  })
}

interface Problem {
  readonly message: string
  readonly field: string | null
  readonly help: string | null
}

const HELP = 'http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html'

function problem(field: string | null, message: string, anchor?: string): Problem {
  return { message, field, help: anchor ? `${HELP}#${anchor}` : null }
}

function refuse(reply: FastifyReply, status: number, errors: readonly Problem[]): FastifyReply {
  return reply.code(status).send({ errors })
}

function refuseByFault(reply: FastifyReply, status: number): FastifyReply {
  if (status === 429) {
    const resetsAt = Math.ceil(Date.now() / 1000) + Number(reply.getHeader('retry-after') ?? 60)
    void reply.headers({
      'x-ratelimit-limit': '600',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': resetsAt,
    })
  }
  return refuse(reply, status, [problem(null, status === 429 ? 'too many requests' : 'the request was not accepted')])
}

/** Every mistake of a mail, in SendGrid's words; none for one that it would take. */
function mailProblems(mail: Record<string, unknown>): Problem[] {
  return [
    ...personalizationProblems(mail['personalizations']),
    ...fromProblems(mail['from']),
    ...subjectProblems(mail),
    ...contentProblems(mail['content']),
  ]
}

function personalizationProblems(value: unknown): Problem[] {
  if (!Array.isArray(value) || value.length === 0) {
    const message = 'The personalizations field is required and must have at least one personalization.'
    return [problem('personalizations', message, 'message.personalizations')]
  }
  return value.flatMap((personalization: unknown, index) => {
    const { to } = record(personalization)
    const field = `personalizations.${index}.to`
    if (!Array.isArray(to) || to.length === 0) {
      const message =
        'The to array is required for all personalization objects, and must have at least one email object with a valid email address.'
      return [problem(field, message, 'message.personalizations.to')]
    }
    return to.flatMap((recipient: unknown, position) =>
      isAddress(record(recipient)['email'])
        ? []
        : [problem(`${field}.${position}.email`, 'Does not contain a valid address.', 'message.personalizations.to')],
    )
  })
}

function fromProblems(value: unknown): Problem[] {
  const { email } = record(value)
  if (typeof email !== 'string') {
    const message =
      'The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or {"email" : "example@example.com", "name" : "Example Recipient"}.'
    return [problem('from.email', message, 'message.from')]
  }
  return isAddress(email) ? [] : [problem('from.email', 'Does not contain a valid address.', 'message.from')]
}

function subjectProblems({ subject, personalizations }: Record<string, unknown>): Problem[] {
  const all = Array.isArray(personalizations) ? personalizations : []
  const each = all.length > 0 && all.every((personalization: unknown) => isText(record(personalization)['subject']))
  if (isText(subject) || each) return []
  const message =
    'The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.'
  return [problem('subject', message, 'message.subject')]
}

function contentProblems(value: unknown): Problem[] {
  if (!Array.isArray(value) || value.length === 0) {
    const message =
      'Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block. We typically suggest both text/plain and text/html blocks are included, but only one block is required.'
    return [problem('content', message, 'message.content')]
  }
  const blocks = value.map(record)
  const problems = blocks.flatMap((block, index) => {
    const anchor = 'message.content'
    const type = isText(block['type']) ? [] : [problem(`content.${index}.type`, 'The type is required.', anchor)]
    if (isText(block['value'])) return type
    const message = 'The content value must be a string at least one character in length.'
    return [...type, problem(`content.${index}.value`, message, `${anchor}.value`)]
  })
  const types = blocks.map((block) => block['type'])
  if (types.includes('text/plain') && types.indexOf('text/plain') !== 0) {
    const message =
      'If present, text/plain and text/html may only be provided once, and must appear in this order: text/plain, text/html.'
    problems.push(problem('content', message, 'message.content.type'))
  }
  return problems
}

/** The messages of a mail without mistakes, one for each recipient. */
function acceptedMails(id: string, mail: Record<string, unknown>): Accepted[] {
  const contents = (mail['content'] as Record<string, string>[]).map(({ type, value }) => [type, value] as const)
  const { 'text/plain': text = '', 'text/html': html } = Object.fromEntries(contents) as Record<string, string>
  const reference = record(mail['custom_args'])['reference']
  return (mail['personalizations'] as Record<string, unknown>[]).flatMap((personalization) =>
    (personalization['to'] as { email: string }[]).map(({ email }) => ({
      id,
      channel: 'email' as const,
      to: email,
      from: (mail['from'] as { email: string }).email,
      reference: isText(reference) ? reference : null,
      subject: String(personalization['subject'] ?? mail['subject']),
      text,
      ...(html === undefined ? {} : { html }),
    })),
  )
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 320 && /^[^\s@<>,;"]+@[^\s@<>,;"]+\.[^\s@<>,;"]+$/.test(value)
}
