/**
 * What goes in and out, as zod checks it and OpenAPI shows it.
 */
import { z } from 'zod'
import { ADVICE, OUTCOMES, VERDICTS } from '../domain/challenge.ts'
import { isKeepableTime } from '../domain/instant.ts'
import { toMobileNumber } from '../phones/mobile-number.ts'
import { IDEMPOTENCY_KEY } from './idempotency.ts'
import { addressIn } from './ip-hash.ts'
import { NOT_A_CODE, PROBLEMS, PROBLEM_MEDIA_TYPE, type ProblemCode } from './problems.ts'

export const channel = z.enum(['sms', 'email'])
/** Answers are of our own making: their formats are shown, not checked. */
export const time = z.string().meta({ format: 'date-time' })
const uuid = z.string().meta({ format: 'uuid' })
export const count = z.int().min(0)

const problemSchema = z
  .object({
    type: z.string().describe('A URN that names the code'),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    retryAfter: count.optional().describe('Seconds until it makes sense to try again; the header Retry-After too'),
    reason: z.string().optional().describe('With undeliverable: why'),
    advice: z.enum(ADVICE).optional().describe('With undeliverable: what the member should do'),
    parts: z
      .record(z.string(), z.string())
      .optional()
      .describe('With unavailable of /readyz: what was seen of each part'),
    outcome: z.enum(OUTCOMES).optional().describe('With challenge_closed: the outcome that stands'),
    requestId: z.string().optional().describe('As the header X-Request-Id has it, and our log'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

/** An answer in JSON for a route's `response`. */
export const jsonResponse = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

/** The answers of `codes` for a route's `response`, grouped by status. */
export function problemResponses(...codes: readonly ProblemCode[]) {
  const byStatus = Object.groupBy(codes, (code) => PROBLEMS[code].status)
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, those]) => [
      status,
      {
        description: (those ?? []).map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
        content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema } },
      },
    ]),
  )
}

/** What every call with a key may be answered. */
export const COMMON_PROBLEMS = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'too_many_requests',
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
  'headers_too_large',
  'internal_error',
  'unavailable',
] as const satisfies readonly ProblemCode[]

/** A moment that is asked for; as ISO 8601 in UTC from there on. */
export const instant = (error: string) =>
  z.iso
    .datetime({ offset: true, error })
    .refine((text) => isKeepableTime(Date.parse(text)), error)
    .transform((text) => new Date(text).toISOString())

/** Any string is taken: one that is no id is an unknown challenge. */
export const challengeParams = z.object({ challengeId: z.string().meta({ format: 'uuid' }) })

export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(IDEMPOTENCY_KEY, 'wants 1 to 255 visible ASCII characters, once')
    .optional()
    .describe('The same key with the same request means the same thing, once'),
})

const REGISTER_PHONE = 'register_phone'
const BCP_47 = /^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/

const phone = z
  .string()
  .min(1)
  .max(32)
  .refine(
    (input) => toMobileNumber(input, 'JP') !== undefined,
    'wants one mobile phone number, with its country code if abroad',
  )
  .describe('The number being registered')
  .meta({ examples: ['090-1234-5678'] })

const MEMBER_ID = /^[A-Za-z0-9_-]{1,64}$/
export const isMemberId = (text: string): boolean => MEMBER_ID.test(text)
export const memberId = z.string().regex(MEMBER_ID, 'wants 1 to 64 of A-Z a-z 0-9 _ -')

/** Postgres keeps no NUL, and no half of a surrogate pair. */
const KEEPABLE = /^[^\0\p{Cs}]*$/u
const WHY = 'wants 1 to 500 characters in one line'
/** Without the other control characters either, which nobody reads. */
const ONE_LINE = /^[^\p{Cc}\p{Cs}]*$/u
/** Why somebody did something, in their own words. */
export const why = (where: string) =>
  z.string(WHY).trim().min(1, WHY).max(500, WHY).regex(ONE_LINE, WHY).describe(`${where}: no personal data`)

const locale = z.string().max(35).regex(BCP_47, 'wants a BCP 47 language tag')

const startFields = {
  memberId,
  channel: channel.optional().describe('sms is taken where possible; email never where SMS is mandatory'),
  locale: locale.optional().describe("The message's language; the member's own where absent"),
  endUserIp: z
    .string('wants an IPv4 or IPv6 address')
    .max(64, 'wants an IPv4 or IPv6 address')
    // A zone is of one machine alone: no subscriber is known by it.
    .refine((text) => !text.includes('%') && addressIn(text) !== undefined, 'wants an IPv4 or IPv6 address')
    .optional()
    .describe(
      "The end user's IPv4 or IPv6 address, with or without brackets and a port, for limits; kept as a hash, for a day",
    ),
}

/** A start. Only `register_phone` has a number with it, and it always has. */
export function startBodySchema(purposes: readonly string[]) {
  const others = purposes.filter((purpose) => purpose !== REGISTER_PHONE)
  const registering = z.strictObject({ ...startFields, purpose: z.literal(REGISTER_PHONE), phone })
  const other = z.strictObject({ ...startFields, purpose: z.enum(others) })
  if (others.length === 0) return registering
  return purposes.includes(REGISTER_PHONE) ? z.discriminatedUnion('purpose', [registering, other]) : other
}

const linkFields = {
  memberId,
  returnUrl: z.string().optional().describe('Where the member goes afterwards; one that is allowed to you'),
  state: z
    .string()
    .max(512)
    .regex(KEEPABLE, 'wants Unicode text without NUL')
    .optional()
    .describe('Comes back with the member as it is, to tell whose return it is'),
  locale: locale.optional().describe('The language of the page, and of a code that it sends'),
}
const ABOUT = 'wants either challengeId or purpose'

/** A link. Code entry is about a challenge that stands, or about one that begins when the link is opened. */
export function pageLinkBodySchema(purposes: readonly string[]) {
  const codeEntry = z
    .strictObject({
      ...linkFields,
      page: z.literal('code-entry'),
      challengeId: z.string().optional().meta({ format: 'uuid' }),
      purpose: z
        .enum(purposes.filter((purpose) => purpose !== REGISTER_PHONE))
        .optional()
        .describe('A challenge for it starts when the link is opened'),
    })
    .refine(({ challengeId, purpose }) => (challengeId === undefined) !== (purpose === undefined), ABOUT)
  const destination = z.strictObject({ ...linkFields, page: z.literal('notification-destination') })
  return z.discriminatedUnion('page', [codeEntry, destination])
}

export const pageLinkSchema = z
  .object({
    url: z.string().meta({ format: 'uri' }).describe('A secret: it opens the page for that member'),
    expiresAt: time,
  })
  .meta({ id: 'PageLink' })

export const resendBody = z.strictObject({
  channel: channel.optional().describe('The other channel; that of the older challenge where absent'),
})

/** Any string has the shape; what cannot be a code is told apart later (`invalid_code`), the pattern is for readers. */
export const verifyBodySchema = (digits: number) =>
  z.strictObject({
    code: z
      .string({ error: ({ input }) => (input === undefined ? 'is missing' : NOT_A_CODE) })
      .describe('As typed: full-width digits, spaces and hyphens are forgiven')
      .meta({ pattern: `^[ -]*(?:[0-9\uff10-\uff19][ -]*){${digits}}$`, maxLength: 64 }),
  })

export const deliverabilityBody = z.strictObject({ email: z.string().max(1_000) })

export const challengeSchema = z
  .object({
    challengeId: uuid,
    memberId: z.string(),
    purpose: z.string(),
    status: z.enum(['sending', 'open', ...OUTCOMES]),
    channel: channel.optional(),
    destination: z.string().optional().describe('Masked'),
    sentAt: time.optional().describe('When a provider took the code; absent while sending'),
    expiresAt: time.optional().describe('The code is accepted before, and not at, this time'),
    attemptsLeft: count,
    delivery: z
      .enum(['accepted', 'delivered', 'failed'])
      .optional()
      .describe('What became of the message, as far as its provider has told; absent while sending'),
    reason: z.string().optional(),
    advice: z.enum(ADVICE).optional(),
    closedAt: time.optional(),
    continues: uuid.optional().describe('The challenge that this one continues'),
    continuedBy: uuid
      .optional()
      .describe('The newest challenge of the chain, where this one is closed and the member asked for another code'),
  })
  .meta({ id: 'Challenge' })

export const verdictSchema = z
  .object({
    result: z.enum(VERDICTS),
    attemptsLeft: count.optional().describe('Where another attempt makes sense'),
    verifiedAt: time.optional(),
    newestSentAt: time.optional().describe('With older_code: when the code that counts was sent'),
    continuedBy: uuid.optional().describe('With superseded: the challenge that continues this one'),
  })
  .meta({ id: 'Verdict' })

export const deliverabilitySchema = z
  .object({
    deliverable: z.boolean(),
    condition: z
      .union([z.literal(1), z.literal(2), z.literal(3), z.literal('invalid')])
      .optional()
      .describe('The condition of undeliverable addresses that it meets; invalid for what is no address at all'),
  })
  .meta({ id: 'Deliverability' })
