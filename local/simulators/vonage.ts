/**
 * Vonage's Messages API v1 for SMS, as far as a sender can tell: authentication, validation, status codes, bodies.
 * Source: Vonage's API reference, "Messages", and its error catalogue; what it takes stands in `requests/`.
 */
import { createPublicKey, randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { jwtVerify } from 'jose'
import { answerUnder } from './faults.ts'
import type { Faults } from './faults.ts'
import type { Accepted, Outbox } from './outbox.ts'
import type { Receipts } from './receipts.ts'
import { smsSendMistakes } from './requests/check.ts'

export interface VonageSimulatorOptions {
  readonly applicationId: string
  /** PEM */
  readonly publicKey: string
  readonly outbox: Outbox
  readonly faults: Faults
  readonly receipts: Receipts
  readonly closing: AbortSignal
}

interface Sms {
  readonly to: string
  readonly from: string
  readonly text: string
  readonly client_ref?: string
}

/** `POST /v1/messages` */
export function vonageRoutes(app: FastifyInstance, options: VonageSimulatorOptions) {
  const { outbox, faults, receipts, closing } = options
  const isAuthorized = bearerCheck(options)
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => refuse(reply, error.statusCode ?? 500))

  app.post('/v1/messages', async (request, reply) => {
    if (!(await isAuthorized(request.headers.authorization))) return refuse(reply, 401)
    const mistakes = smsSendMistakes(request.body)
    if (mistakes.length > 0) {
      const invalid = mistakes.map(({ field, wants }) => ({ name: field, reason: wants }))
      return refuse(reply, 422, { invalid_parameters: invalid })
    }
    const { to, from, text, client_ref: reference = null } = request.body as Sms
    const id = randomUUID()
    const message: Accepted = { id, channel: 'sms', to: `+${to}`, from, reference, text }
    const fault = faults.take('vonage', to)
    return answerUnder(fault, reply, closing, {
      accept: () => {
        receipts.follow(message, fault?.receipts, outbox.add(message))
      },
      accepted: (answer) => answer.code(202).send({ message_uuid: id }),
      refused: refuseByFault,
    })
  })
}

/** A JWT of the application's, RS256, with `iat`, `exp` and `jti`. Senders reuse theirs, so a good one is remembered. */
function bearerCheck({ applicationId, publicKey }: VonageSimulatorOptions) {
  const key = createPublicKey(publicKey)
  let known = { authorization: '', expiresAt: 0 }

  return async (authorization: string | undefined): Promise<boolean> => {
    if (!authorization?.startsWith('Bearer ')) return false
    if (authorization === known.authorization && Date.now() < known.expiresAt) return true
    const verified = await jwtVerify(authorization.slice('Bearer '.length), key, {
      algorithms: ['RS256'],
      requiredClaims: ['application_id', 'iat', 'exp', 'jti'],
      maxTokenAge: '24h',
    }).catch(() => undefined)
    if (verified?.payload['application_id'] !== applicationId) return false
    known = { authorization, expiresAt: verified.payload.exp! * 1000 }
    return true
  }
}

const PROBLEMS: Readonly<Record<number, readonly [slug: string, title: string, detail: string]>> = {
  401: [
    'unauthorized',
    'You did not provide correct credentials.',
    "Check that you're using the correct credentials, and that your account has this feature enabled",
  ],
  402: ['low-balance', 'Low balance', 'This request could not be performed due to your account balance being low.'],
  403: ['forbidden', 'Forbidden', 'Your account does not have permission to perform this action.'],
  404: ['not-found', 'Not Found', 'The requested resource does not exist, or you do not have access to it.'],
  422: [
    'invalid-params',
    "Your request parameters didn't validate.",
    'The value of one or more parameters is invalid.',
  ],
  429: ['throttled', 'Rate Limit Hit', 'Please wait, then retry your request'],
}
const OTHER_REFUSAL = ['bad-request', 'Bad Request', 'The request could not be accepted.'] as const
const OTHER_FAILURE = [
  'internal-error',
  'Internal Error',
  'There was an error processing your request in the Platform.',
] as const

/** The Messages API's own errors, by their numbers. */
const COMPLAINTS = {
  to: ['1430', 'Invalid recipient', 'The `to` parameter is invalid for the given channel.'],
  from: ['1120', 'Invalid sender', 'The `from` parameter is invalid for the given channel.'],
} as const

function refuseByFault(reply: FastifyReply, status: number, about: 'to' | 'from'): FastifyReply {
  if (status !== 400 && status !== 422) return refuse(reply, status)
  const [number, title, detail] = COMPLAINTS[about]
  return refuse(reply, status, { type: `https://developer.vonage.com/api-errors/messages#${number}`, title, detail })
}

function refuse(reply: FastifyReply, status: number, more: object = {}): FastifyReply {
  const [slug, title, detail] = PROBLEMS[status] ?? (status < 500 ? OTHER_REFUSAL : OTHER_FAILURE)
  const type = `https://developer.vonage.com/api-errors#${slug}`
  return reply.code(status).send({ type, title, detail, instance: randomUUID(), ...more })
}
