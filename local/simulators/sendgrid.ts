/**
 * SendGrid's v3 Mail Send, as far as a sender can tell: authentication, validation, status codes, headers.
 * Source: SendGrid's API reference, "Mail Send" and its errors page; what it takes stands in `requests/`.
 */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { answerUnder } from './faults.ts'
import type { Faults } from './faults.ts'
import type { Accepted, Outbox } from './outbox.ts'
import type { Receipts } from './receipts.ts'
import { mailSendMistakes } from './requests/check.ts'

export interface SendGridSimulatorOptions {
  readonly apiKey: string
  readonly outbox: Outbox
  readonly faults: Faults
  readonly receipts: Receipts
  readonly closing: AbortSignal
}

/** `POST /v3/mail/send`, and `GET /v3/scopes`, by which a key is tried. */
export function sendGridRoutes(app: FastifyInstance, options: SendGridSimulatorOptions) {
  const { apiKey, outbox, faults, receipts, closing } = options
  const authorization = `Bearer ${apiKey}`
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    return refuse(reply, status, [problem(null, status === 415 ? 'Unsupported Media Type' : 'Bad Request')])
  })

  app.get('/v3/scopes', async (request, reply) => {
    if (request.headers.authorization !== authorization) {
      return refuse(reply, 401, [problem(null, 'The provided authorization grant is invalid, expired, or revoked')])
    }
    return { scopes: ['mail.send'] }
  })

  app.post('/v3/mail/send', async (request, reply) => {
    if (request.headers.authorization !== authorization) {
      return refuse(reply, 401, [problem(null, 'The provided authorization grant is invalid, expired, or revoked')])
    }
    const problems = mailProblems(request.body)
    if (problems.length > 0) return refuse(reply, 400, problems)
    const id = randomBytes(16).toString('base64url')
    const messages = acceptedMails(id, request.body as Mail)
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

const FAULTY_FIELD = { to: 'personalizations.0.to.0.email', from: 'from.email' } as const

function refuseByFault(reply: FastifyReply, status: number, about: 'to' | 'from'): FastifyReply {
  if (status === 400 || status === 422) return refuse(reply, status, [problem(FAULTY_FIELD[about], ADDRESS)])
  if (status === 403) return refuse(reply, status, [problem('from', UNVERIFIED)])
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

const ADDRESS = 'Does not contain a valid address.'
const UNVERIFIED =
  'The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements'
/** What SendGrid says of a field, where it is known; sources as above. */
const WORDS: Readonly<Record<string, string>> = {
  personalizations: 'The personalizations field is required and must have at least one personalization.',
  'personalizations.to':
    'The to array is required for all personalization objects, and must have at least one email object with a valid email address.',
  'personalizations.to.email': ADDRESS,
  from: 'The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or {"email" : "example@example.com", "name" : "Example Recipient"}.',
  'from.email': ADDRESS,
  subject:
    'The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.',
  content:
    'Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block. We typically suggest both text/plain and text/html blocks are included, but only one block is required.',
  'content.type':
    'If present, text/plain and text/html may only be provided once, and must appear in this order: text/plain, text/html.',
  'content.value': 'The content value must be a string at least one character in length.',
}

/** Every mistake of a mail, in SendGrid's words; none for one that it would take. */
const mailProblems = (mail: unknown): Problem[] =>
  mailSendMistakes(mail).map(({ field, wants }) => {
    const kind = field.replaceAll(/\.\d+/g, '')
    return problem(field || null, WORDS[kind] ?? wants, `message.${kind}`)
  })

interface Mail {
  readonly personalizations: readonly {
    readonly to: readonly { readonly email: string }[]
    readonly subject?: string
    readonly custom_args?: Readonly<Record<string, string>>
  }[]
  readonly from: { readonly email: string }
  readonly subject: string
  readonly content: readonly { readonly type: string; readonly value: string }[]
}

/** The messages of a mail without mistakes, one for each recipient. */
function acceptedMails(id: string, { personalizations, from, content, ...mail }: Mail): Accepted[] {
  const valueOf = (type: string) => content.find((block) => block.type === type)?.value
  const html = valueOf('text/html')
  return personalizations.flatMap(({ to, subject = mail.subject, custom_args: customArgs }) =>
    to.map(({ email }) => ({
      id,
      channel: 'email' as const,
      to: email,
      from: from.email,
      reference: customArgs?.['reference'] ?? null,
      subject,
      text: valueOf('text/plain') ?? '',
      ...(html === undefined ? {} : { html }),
    })),
  )
}
