/**
 * The configuration: the only reader of `process.env`.
 *
 * A process names the sections it needs (`loadConfig(['postgres', 'temporal'])`) and gets them validated and
 * frozen, so that a process holds no secret it has no use for. All mistakes of all its sections are reported at
 * once, each with the name of the variable and what it wants; a value is never repeated in a message, since it may
 * be a secret.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { languagesOverOneSegment } from './messages/code-message.ts'
import { parseKeyRing, type KeyRing } from './temporal/key-ring.ts'

const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/

export type { KeyRing }

/** An API caller: its name, and what it may do. */
export interface ApiCaller {
  readonly name: string
  readonly scopes: readonly string[]
}

/** One that shows an API key, of which only the SHA-256 is known here. */
export interface KeyCaller extends ApiCaller {
  readonly keySha256: string
}

const production = (env: NodeJS.ProcessEnv) => env['NODE_ENV'] === 'production'

const wholeNumber = (min: number, max: number) =>
  z.coerce
    .number({ error: `wants a whole number from ${min} to ${max}` })
    .int(`wants a whole number from ${min} to ${max}`)
    .min(min, `wants a whole number from ${min} to ${max}`)
    .max(max, `wants a whole number from ${min} to ${max}`)
const int = (min: number, max: number, fallback: number) => wholeNumber(min, max).default(fallback)
const port = wholeNumber(1, 65_535)

const text = (wants: string) => z.string({ error: wants }).min(1, wants)
const httpUrl = (wants: string) =>
  z.url({ protocol: /^https?$/, error: wants }).transform((url) => url.replace(/\/+$/, ''))
const boolean = z.enum(['true', 'false'], { error: 'wants true or false' }).transform((value) => value === 'true')

const list = (item: RegExp, wants: string) =>
  z
    .string({ error: wants })
    .transform((value) => value.split(',').map((entry) => entry.trim()))
    .refine((entries) => entries.every((entry) => item.test(entry)), wants)

const KEY_RING = 'wants id:key[,id:key…], each key 32 bytes in base64; the first makes new ones, all are read'
const keyRing = z.string({ error: KEY_RING }).transform((value, context): KeyRing => {
  const ring = parseKeyRing(value)
  if (ring !== undefined) return ring
  context.addIssue({ code: 'custom', message: KEY_RING })
  return z.NEVER
})

/** The caller of challenges that were started in Temporal directly. */
export const TEMPORAL_CALLER = 'temporal'
const API_KEYS = `wants name:sha256-of-key-in-hex:scope[+scope…], several separated by commas; no name is ${TEMPORAL_CALLER}`
const apiCallers = z.string({ error: API_KEYS }).transform((value, context): KeyCaller[] => {
  const callers: KeyCaller[] = []
  for (const entry of value.split(',')) {
    const match = /^([A-Za-z0-9._-]{1,64}):([0-9a-f]{64}):([a-z:+-]+)$/.exec(entry.trim())
    if (!match || match[1] === TEMPORAL_CALLER) {
      context.addIssue({ code: 'custom', message: API_KEYS })
      return z.NEVER
    }
    callers.push({ name: match[1]!, keySha256: match[2]!, scopes: match[3]!.split('+') })
  }
  return callers
})

/** Where an upstream may have its members sent back to: an origin and a path, and what lies below it. */
export interface ReturnRule {
  readonly caller: string
  /** As {@link URL} writes it; where any port is right, with none. */
  readonly origin: string
  /** Loopback hosts only (RFC 8252 §7.3): a program on the member's own machine listens where it can. */
  readonly anyPort: boolean
  readonly path: string
}

const RETURN_URLS =
  'wants caller=url[,caller=url…], each an http(s) URL with no query; its port may be * on 127.0.0.1, [::1] and localhost'
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])
const ANY_PORT = /^(https?:\/\/[^/]+):\*(?=\/|$)/
const returnRules = z.string({ error: RETURN_URLS }).transform((value, context): ReturnRule[] => {
  const rules = value.split(',').map((entry) => returnRule(entry.trim()))
  const known = rules.filter((rule) => rule !== undefined)
  if (known.length === rules.length) return known
  context.addIssue({ code: 'custom', message: RETURN_URLS })
  return z.NEVER
})

function returnRule(entry: string): ReturnRule | undefined {
  const [, caller, given] = /^((?:oauth\/)?[A-Za-z0-9._~%!*'()-]{1,400})=(\S+)$/.exec(entry) ?? []
  if (caller === undefined || given === undefined) return undefined
  const anyPort = ANY_PORT.test(given)
  const url = URL.parse(given.replace(ANY_PORT, '$1'))
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    `${url.username}${url.password}${url.search}${url.hash}` !== ''
  ) {
    return undefined
  }
  if (anyPort && (!LOOPBACK.has(url.hostname) || url.port !== '')) return undefined
  return { caller, origin: url.origin, anyPort, path: url.pathname }
}

const pem = (wants: string) =>
  z
    .string({ error: wants })
    .transform((value) => value.replaceAll('\\n', '\n'))
    .refine((value) => value.includes('-----BEGIN'), wants)

const SENDGRID_PUBLIC_KEY = "wants the Event Webhook's verification key as SendGrid shows it (base64, ECDSA P-256)"
const sendGridPublicKey = z.string({ error: SENDGRID_PUBLIC_KEY }).transform((value, context): KeyObject => {
  try {
    const key = createPublicKey({ key: Buffer.from(value, 'base64'), format: 'der', type: 'spki' })
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  } catch {
    // Told below: what a parser says of a key may hold some of it.
  }
  context.addIssue({ code: 'custom', message: SENDGRID_PUBLIC_KEY })
  return z.NEVER
})

/** What every message says beside the languages' own texts, and from whom (D4, D5): several sections read them. */
const messageFields = {
  OTP_CODE_DIGITS: int(4, 8, 6),
  /** C4, and the page: "valid for 10 minutes". */
  OTP_CODE_TTL_SECONDS: int(2, 600, 600),
  OTP_PURPOSES: list(/^[a-z][a-z0-9_]{0,39}$/, 'wants words such as view_membership,redeem_benefit').default([
    'view_membership',
    'change_membership',
    'redeem_benefit',
    'register_phone',
  ]),
  /** D4, and the page: "will be sent from …". */
  OTP_EMAIL_FROM: z.email({ error: 'wants an e-mail address' }).default('jmb_confirmation@jal.com'),
  OTP_SMS_FROM: text('wants a number or sender id').default('0354600124'),
  OTP_SMS_FROM_SOFTBANK: text('wants a number or sender id').default('22471'),
  /** The host of the origin-bound line of an SMS (D5). */
  OTP_ORIGIN_HOST: z
    .string({ error: 'wants a host name' })
    .regex(/^[a-z0-9.-]{1,40}$/, 'wants a host name of at most 40 characters')
    .default('www.jal.co.jp'),
}

/** `name=value,name=value`, values percent-encoded, as OpenTelemetry's variables have them. */
const PAIRS = 'wants name=value[,name=value…]'
const pairs = z.string({ error: PAIRS }).transform((value, context): Record<string, string> => {
  const entries = value.split(',').map((entry) => /^\s*([^=\s]+)\s*=\s*(\S.*?)\s*$/.exec(entry))
  try {
    return Object.fromEntries(entries.map((match) => [match![1]!, decodeURIComponent(match![2]!)]))
  } catch {
    context.addIssue({ code: 'custom', message: PAIRS })
    return z.NEVER
  }
})

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

const tracesEndpoint = (
  v: Partial<Record<'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', string | undefined>>,
) =>
  v.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ??
  (v.OTEL_EXPORTER_OTLP_ENDPOINT && `${v.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces`)

const PUBLIC_URL = 'wants the http(s) origin at which browsers reach the API, with no path'

/** What each part of a process is configured by. `npm run config-reference` makes a page of it. */
export const sections = {
  /** Where the API listens, and the address others reach it at. */
  http: z
    .object({
      HOST: text('wants an address to listen on').default('127.0.0.1'),
      PORT: int(0, 65_535, 8080),
      /** The largest body that is read, before anything else looks at it. */
      OTP_HTTP_BODY_LIMIT_BYTES: int(1_024, 1_048_576, 65_536),
      /** A request that has not arrived whole by then is refused with 408. */
      OTP_HTTP_REQUEST_TIMEOUT_SECONDS: int(1, 120, 10),
      /** How long `POST /v1/challenges` waits for the provider to take the code, before it answers 202. */
      OTP_SEND_WAIT_SECONDS: int(1, 30, 5),
      /** The secret with which end-user addresses are hashed (HMAC) before they are kept. */
      OTP_IP_HASH_KEY: z.string({ error: 'wants 32 bytes in base64' }).regex(BASE64_KEY, 'wants 32 bytes in base64'),
      /** How many proxies of ours stand before it: so many entries of X-Forwarded-For, from the end, are believed. */
      OTP_TRUST_PROXY_HOPS: int(0, 10, 0),
    })
    .transform((v) => ({
      host: v.HOST,
      port: v.PORT,
      bodyLimitBytes: v.OTP_HTTP_BODY_LIMIT_BYTES,
      requestTimeoutMs: v.OTP_HTTP_REQUEST_TIMEOUT_SECONDS * 1000,
      sendWaitMs: v.OTP_SEND_WAIT_SECONDS * 1000,
      ipHashKey: Buffer.from(v.OTP_IP_HASH_KEY, 'base64') as Uint8Array,
      trustProxyHops: v.OTP_TRUST_PROXY_HOPS,
    })),

  /** Who may call (U1): by API keys, by access tokens of an OAuth 2.0 issuer (RFC 9068), or by either. */
  callers: z
    .object({
      OTP_API_KEYS: apiCallers.optional(),
      /** `iss` of the tokens, to the letter. */
      OTP_JWT_ISSUER: text('wants the issuer of access tokens, as their claim iss has it').optional(),
      /** `aud` of the tokens that are for us. */
      OTP_JWT_AUDIENCE: text('wants the audience of access tokens, as their claim aud has it').optional(),
      /** RFC 7517; `jwks_uri` of the issuer's metadata. */
      OTP_JWT_JWKS_URL: httpUrl("wants the http(s) URL of the issuer's keys").optional(),
      /** After that the keys are asked for anew: so long a key that the issuer took back may still be accepted. */
      OTP_JWT_JWKS_MAX_AGE_SECONDS: int(1, 86_400, 600),
      /** The issuer is asked no more often, whatever tokens come: so long one of a key that is all new may be refused. */
      OTP_JWT_JWKS_COOLDOWN_SECONDS: int(1, 3_600, 5),
      /** Of each caller, over all instances of the API, with bursts of as many; 0 is no limit. */
      OTP_CALLER_REQUESTS_PER_SECOND: int(0, 100_000, 1_000),
    })
    .superRefine((v, context) => {
      const tokens = ['OTP_JWT_ISSUER', 'OTP_JWT_AUDIENCE', 'OTP_JWT_JWKS_URL'] as const
      const given = tokens.filter((name) => v[name] !== undefined)
      if (given.length > 0 && given.length < tokens.length) {
        for (const name of tokens.filter((name) => v[name] === undefined)) {
          context.addIssue({ code: 'custom', path: [name], message: `goes with ${given.join(' and ')}` })
        }
      }
      if (v.OTP_API_KEYS === undefined && given.length === 0) {
        context.addIssue({ code: 'custom', path: ['OTP_API_KEYS'], message: `${API_KEYS}; or OTP_JWT_ISSUER is set` })
      }
    })
    .transform((v) => ({
      apiKeys: v.OTP_API_KEYS ?? [],
      tokens:
        v.OTP_JWT_ISSUER !== undefined && v.OTP_JWT_AUDIENCE !== undefined && v.OTP_JWT_JWKS_URL !== undefined
          ? {
              issuer: v.OTP_JWT_ISSUER,
              audience: v.OTP_JWT_AUDIENCE,
              jwksUrl: v.OTP_JWT_JWKS_URL,
              jwksMaxAgeMs: v.OTP_JWT_JWKS_MAX_AGE_SECONDS * 1000,
              jwksCooldownMs: v.OTP_JWT_JWKS_COOLDOWN_SECONDS * 1000,
            }
          : undefined,
      requestsPerSecond: v.OTP_CALLER_REQUESTS_PER_SECOND,
    })),

  /** The pages that members see (P): only the API loads this section, since it signs the proofs. */
  pages: z
    .object({
      /** Where browsers reach the API: what its links and proofs say, whatever a Host header claims. */
      OTP_PUBLIC_URL: z
        .url({ protocol: /^https?$/, error: PUBLIC_URL })
        .refine((url) => URL.parse(url)?.href === `${URL.parse(url)?.origin}/`, PUBLIC_URL)
        .default('http://127.0.0.1:8080')
        .transform((url) => new URL(url).origin),
      /** Ed25519 seeds: the first signs, and all are published. */
      OTP_PROOF_KEYS: keyRing,
      OTP_RETURN_URLS: returnRules.default([]),
      /** How long a verified `change_membership` lets a member change the notification destination (P2). */
      OTP_STEP_UP_SECONDS: int(1, 3_600, 600),
      /** P3: where residents of Japan change their e-mail address themselves. */
      OTP_EMAIL_CHANGE_URL: httpUrl('wants the http(s) URL of a page').default('https://www.jal.co.jp'),
      /** How one reaches the JAL Mileage Bank Center. */
      OTP_CENTER_URL: httpUrl('wants the http(s) URL of a page').default('https://www.jal.co.jp'),
      OTP_CODE_TTL_SECONDS: messageFields.OTP_CODE_TTL_SECONDS,
      OTP_EMAIL_FROM: messageFields.OTP_EMAIL_FROM,
      OTP_SMS_FROM: messageFields.OTP_SMS_FROM,
      OTP_SMS_FROM_SOFTBANK: messageFields.OTP_SMS_FROM_SOFTBANK,
    })
    .transform((v) => ({
      publicUrl: v.OTP_PUBLIC_URL,
      proofKeys: v.OTP_PROOF_KEYS,
      returnRules: v.OTP_RETURN_URLS as readonly ReturnRule[],
      stepUpSeconds: v.OTP_STEP_UP_SECONDS,
      emailChangeUrl: v.OTP_EMAIL_CHANGE_URL,
      centerUrl: v.OTP_CENTER_URL,
      ttlMinutes: Math.ceil(v.OTP_CODE_TTL_SECONDS / 60),
      /** Whom messages come from: the help tells members to let them in. */
      senders: { email: v.OTP_EMAIL_FROM, sms: v.OTP_SMS_FROM, softbank: v.OTP_SMS_FROM_SOFTBANK },
    })),

  postgres: z
    .object({
      DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'wants postgres://user:password@host:port/database' }),
      OTP_DATABASE_POOL_SIZE: int(1, 100, 10),
    })
    .transform((v) => ({ url: v.DATABASE_URL, poolSize: v.OTP_DATABASE_POOL_SIZE })),

  /** `TEMPORAL_ADDRESS`, TLS and API keys are read by the SDK's own profile loader (`@temporalio/envconfig`). */
  temporal: z
    .object({
      OTP_CODEC_KEYS: keyRing,
      /** How often the sweep looks for what no process finished. */
      OTP_SWEEP_INTERVAL_SECONDS: int(1, 3_600, 30),
      /** Names what is deployed, for Worker Versioning (docs/deploying.md); without it, workers have no versions. */
      OTP_BUILD_ID: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,64}$/, 'wants a name such as 2026-12-01.1 or a commit')
        .optional(),
    })
    .transform((v) => ({
      codecKeys: v.OTP_CODEC_KEYS,
      sweepIntervalSeconds: v.OTP_SWEEP_INTERVAL_SECONDS,
      ...(v.OTP_BUILD_ID !== undefined && { buildId: v.OTP_BUILD_ID }),
    })),

  codecServer: z
    .object({
      OTP_CODEC_SERVER_HOST: text('wants an address to listen on').default('127.0.0.1'),
      OTP_CODEC_SERVER_PORT: int(0, 65_535, 8081),
      OTP_CODEC_KEYS: keyRing,
      /** Origins of the Web UIs that may ask. */
      OTP_CODEC_SERVER_ORIGINS: list(/^https?:\/\/[^\s/]+$/, 'wants origins such as https://temporal.example.jp'),
      /** `known`: only callers of `OTP_API_KEYS` or `OTP_JWT_…` with the scope; `any`: whoever reaches the server. */
      OTP_CODEC_SERVER_CALLERS: z.enum(['any', 'known'], { error: 'wants any or known' }).default('any'),
    })
    .transform((v) => ({
      host: v.OTP_CODEC_SERVER_HOST,
      port: v.OTP_CODEC_SERVER_PORT,
      keys: v.OTP_CODEC_KEYS,
      origins: v.OTP_CODEC_SERVER_ORIGINS,
      callers: v.OTP_CODEC_SERVER_CALLERS,
    })),

  kafka: z
    .object({
      KAFKA_BROKERS: list(/^[^\s:,]+:\d{1,5}$/, 'wants host:port[,host:port…]'),
      KAFKA_SSL: boolean.default(false),
      KAFKA_SASL_MECHANISM: z
        .enum(['plain', 'scram-sha-256', 'scram-sha-512'], { error: 'wants plain, scram-sha-256 or scram-sha-512' })
        .optional(),
      KAFKA_SASL_USERNAME: z.string().optional(),
      KAFKA_SASL_PASSWORD: z.string().optional(),
    })
    .superRefine((v, context) => {
      const given = [v.KAFKA_SASL_MECHANISM, v.KAFKA_SASL_USERNAME, v.KAFKA_SASL_PASSWORD]
      if (given.some(Boolean) && !given.every(Boolean)) {
        context.addIssue({
          code: 'custom',
          path: ['KAFKA_SASL_MECHANISM'],
          message: 'goes with KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD: set all three or none',
        })
      }
    })
    .transform((v) => ({
      brokers: v.KAFKA_BROKERS,
      ssl: v.KAFKA_SSL,
      sasl: v.KAFKA_SASL_MECHANISM && {
        mechanism: v.KAFKA_SASL_MECHANISM,
        username: v.KAFKA_SASL_USERNAME!,
        password: v.KAFKA_SASL_PASSWORD!,
      },
    })),

  /** The master keys (C10): only the API and the challenge worker load this section. */
  codes: z
    .object({ OTP_MASTER_KEYS: keyRing, OTP_CODE_DIGITS: messageFields.OTP_CODE_DIGITS })
    .transform((v) => ({ masterKeys: v.OTP_MASTER_KEYS, digits: v.OTP_CODE_DIGITS })),

  /** The rules of the challenge (C2–C9). A limit of 0 is no limit. */
  policy: z
    .object({
      OTP_PURPOSES: messageFields.OTP_PURPOSES,
      OTP_CODE_TTL_SECONDS: messageFields.OTP_CODE_TTL_SECONDS,
      /** C4: a send that would leave the member less is not made. */
      OTP_CODE_MIN_LIFE_SECONDS: int(0, 599, 120),
      /** C7; NIST SP 800-63B-4 §3.1.3.2 */
      OTP_MAX_ATTEMPTS: int(1, 10, 5),
      OTP_MAX_SUBMISSIONS: int(5, 1_000, 50),
      /** C7; NIST SP 800-63B-4 §3.2.2: at most 100 consecutive failures. */
      OTP_LOCK_EVERY_FAILURES: int(1, 100, 10),
      OTP_LOCK_SECONDS: int(1, 86_400, 1_800),
      OTP_LOCK_MAX_SECONDS: int(1, 604_800, 86_400),
      OTP_LOCK_FOR_GOOD_FAILURES: int(1, 100, 100),
      /** C8 */
      OTP_OLDER_CODE_SECONDS: int(0, 3_600, 600),
      /** C9 */
      OTP_COOLDOWN_SECONDS: int(0, 3_600, 30),
      OTP_LIMIT_PER_10_MINUTES: int(0, 1_000, 5),
      OTP_LIMIT_PER_24_HOURS: int(0, 10_000, 20),
      OTP_IP_LIMIT_PER_10_MINUTES: int(0, 100_000, 20),
      OTP_IP_LIMIT_PER_24_HOURS: int(0, 1_000_000, 100),
      OTP_SMS_COUNTRIES: list(/^[A-Z]{2}$/, 'wants ISO 3166 country codes such as JP,TW').default(['JP']),
      /**
       * What begins so gets no SMS, whatever the country. The entries let in mobile numbers alone; this is the last gate,
       * and the place for a block under attack. Japan's: pager, VoIP, toll-free, shared-cost and premium numbers.
       */
      OTP_SMS_REFUSED_PREFIXES: list(/^\+[1-9]\d{0,14}$/, 'wants E.164 prefixes such as +81990,+447').default([
        '+8120',
        '+8150',
        '+81120',
        '+81800',
        '+81570',
        '+81990',
      ]),
      /** Per block of 10,000 numbers (a number without its last four digits). */
      OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR: int(0, 100_000, 100),
      /** R2: minors are excluded from mandatory SMS; their age in Asia/Tokyo, in years. */
      OTP_ADULT_AGE: int(1, 99, 18),
      /** C2: how long an older execution may take to close before it is terminated. */
      OTP_CLOSE_DEADLINE_SECONDS: int(1, 60, 5),
      /** C2: after that an admission that never opened is void. */
      OTP_VOID_AFTER_SECONDS: int(1, 300, 30),
    })
    .superRefine((v, context) => {
      if (v.OTP_CODE_MIN_LIFE_SECONDS >= v.OTP_CODE_TTL_SECONDS) {
        context.addIssue({
          code: 'custom',
          path: ['OTP_CODE_MIN_LIFE_SECONDS'],
          message: 'wants less than OTP_CODE_TTL_SECONDS',
        })
      }
    })
    .transform((v) => ({
      purposes: v.OTP_PURPOSES,
      ttlSeconds: v.OTP_CODE_TTL_SECONDS,
      minLifeSeconds: v.OTP_CODE_MIN_LIFE_SECONDS,
      maxAttempts: v.OTP_MAX_ATTEMPTS,
      maxSubmissions: v.OTP_MAX_SUBMISSIONS,
      lockEveryFailures: v.OTP_LOCK_EVERY_FAILURES,
      lockSeconds: v.OTP_LOCK_SECONDS,
      lockMaxSeconds: v.OTP_LOCK_MAX_SECONDS,
      lockForGoodFailures: v.OTP_LOCK_FOR_GOOD_FAILURES,
      olderCodeSeconds: v.OTP_OLDER_CODE_SECONDS,
      cooldownSeconds: v.OTP_COOLDOWN_SECONDS,
      limitPer10Minutes: v.OTP_LIMIT_PER_10_MINUTES,
      limitPer24Hours: v.OTP_LIMIT_PER_24_HOURS,
      ipLimitPer10Minutes: v.OTP_IP_LIMIT_PER_10_MINUTES,
      ipLimitPer24Hours: v.OTP_IP_LIMIT_PER_24_HOURS,
      smsCountries: v.OTP_SMS_COUNTRIES,
      smsRefusedPrefixes: v.OTP_SMS_REFUSED_PREFIXES,
      smsLimitPerPrefixPerHour: v.OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR,
      adultAge: v.OTP_ADULT_AGE,
      closeDeadlineSeconds: v.OTP_CLOSE_DEADLINE_SECONDS,
      voidAfterSeconds: v.OTP_VOID_AFTER_SECONDS,
    })),

  /** The rollout of mandatory SMS (R). */
  campaign: z
    .object({
      /** R4: from an announcement to the date from which SMS is mandatory, at least. */
      OTP_ENFORCE_AFTER_SECONDS: int(0, 31_536_000, 1_209_600),
      /** How many notices a worker has in hand; one that is killed may send so many twice. */
      OTP_NOTICES_AT_ONCE: int(1, 200, 20),
      /** After that a notice whose sender died is due again. Longer than a provider's answer may take. */
      OTP_NOTICE_LEASE_SECONDS: int(10, 3_600, 30),
    })
    .transform((v) => ({
      enforceAfterSeconds: v.OTP_ENFORCE_AFTER_SECONDS,
      noticesAtOnce: v.OTP_NOTICES_AT_ONCE,
      leaseSeconds: v.OTP_NOTICE_LEASE_SECONDS,
    })),

  providers: z
    .object({
      SENDGRID_API_KEY: text('wants the SendGrid API key'),
      SENDGRID_BASE_URL: httpUrl('wants an http(s) URL').default('https://api.sendgrid.com'),
      VONAGE_APPLICATION_ID: z.uuid({ error: "wants the Vonage application's id (a UUID)" }),
      VONAGE_PRIVATE_KEY: pem("wants the Vonage application's private key (PEM)"),
      VONAGE_BASE_URL: httpUrl('wants an http(s) URL').default('https://api.nexmo.com'),
      OTP_EMAIL_FROM: messageFields.OTP_EMAIL_FROM,
      OTP_SMS_FROM: messageFields.OTP_SMS_FROM,
      OTP_SMS_FROM_SOFTBANK: messageFields.OTP_SMS_FROM_SOFTBANK,
      OTP_ORIGIN_HOST: messageFields.OTP_ORIGIN_HOST,
      /** After that a provider's answer counts as lost. At most 8: the activity that sends has 13 s. */
      OTP_PROVIDER_TIMEOUT_SECONDS: int(1, 8, 8),
      /**
       * D8: no second sees more requests with codes, of all workers together; 0 is no limit. Vonage's Messages API takes 30.
       * Notices have a rate of their own.
       */
      OTP_SMS_PER_SECOND: int(0, 1_000, 30),
      OTP_EMAIL_PER_SECOND: int(0, 1_000, 100),
      /** D6: after so many temporary failures in a row one request a second tries, and the others wait; 0 is never. */
      OTP_PROVIDER_FAILURES_BEFORE_PAUSE: int(0, 1_000, 10),
    })
    .transform((v) => ({
      sendgrid: { apiKey: v.SENDGRID_API_KEY, baseUrl: v.SENDGRID_BASE_URL, from: v.OTP_EMAIL_FROM },
      vonage: {
        applicationId: v.VONAGE_APPLICATION_ID,
        privateKey: v.VONAGE_PRIVATE_KEY,
        baseUrl: v.VONAGE_BASE_URL,
        from: v.OTP_SMS_FROM,
        fromSoftbank: v.OTP_SMS_FROM_SOFTBANK,
      },
      originHost: v.OTP_ORIGIN_HOST,
      timeoutMs: v.OTP_PROVIDER_TIMEOUT_SECONDS * 1000,
      perSecond: { sms: v.OTP_SMS_PER_SECOND, email: v.OTP_EMAIL_PER_SECOND },
      failuresBeforePause: v.OTP_PROVIDER_FAILURES_BEFORE_PAUSE,
    })),

  /** What the messages say and whom they come from, for who shows them and sends none: no secret is in it. */
  messages: z.object(messageFields).transform((v) => ({
    digits: v.OTP_CODE_DIGITS,
    ttlMinutes: Math.ceil(v.OTP_CODE_TTL_SECONDS / 60),
    purposes: v.OTP_PURPOSES,
    originHost: v.OTP_ORIGIN_HOST,
    emailFrom: v.OTP_EMAIL_FROM,
    smsFrom: v.OTP_SMS_FROM,
  })),

  /** D7: how the providers' receipts are told from forgeries. What is not set is refused. */
  webhooks: z
    .object({
      SENDGRID_WEBHOOK_PUBLIC_KEY: sendGridPublicKey.optional(),
      VONAGE_API_KEY: text('wants the Vonage API key').optional(),
      VONAGE_SIGNATURE_SECRET: z
        .string({ error: 'wants the signature secret of the Vonage account' })
        .min(16, 'wants the signature secret of the Vonage account, at least 16 characters')
        .optional(),
      /** How far a signature's time may be from ours, either way. */
      OTP_WEBHOOK_TOLERANCE_SECONDS: int(1, 3_600, 300),
      /** SendGrid posts up to 768 KB at once; no other route reads as much. */
      OTP_WEBHOOK_BODY_LIMIT_BYTES: int(65_536, 16_777_216, 1_048_576),
    })
    .superRefine((v, context) => {
      if (v.VONAGE_SIGNATURE_SECRET !== undefined && v.VONAGE_API_KEY === undefined) {
        context.addIssue({ code: 'custom', path: ['VONAGE_API_KEY'], message: 'goes with VONAGE_SIGNATURE_SECRET' })
      }
    })
    .transform((v) => ({
      sendgridPublicKey: v.SENDGRID_WEBHOOK_PUBLIC_KEY,
      vonage:
        v.VONAGE_SIGNATURE_SECRET !== undefined && v.VONAGE_API_KEY !== undefined
          ? { apiKey: v.VONAGE_API_KEY, signatureSecret: v.VONAGE_SIGNATURE_SECRET }
          : undefined,
      toleranceSeconds: v.OTP_WEBHOOK_TOLERANCE_SECONDS,
      bodyLimitBytes: v.OTP_WEBHOOK_BODY_LIMIT_BYTES,
    })),

  /** How long what is of no more use is kept. */
  retention: z
    .object({
      /** D7: longer than a provider repeats an event, and than support is asked what became of a message. */
      OTP_RECEIPT_DAYS: int(2, 3_650, 30),
      /** U4: how long events that were sent can be sent again. */
      OTP_OUTBOX_DAYS: int(1, 365, 7),
      /** Where codes went, for support; limits look back a day. */
      OTP_DESTINATION_DAYS: int(2, 3_650, 30),
      /** Challenges that ended, with their attempts and verdicts, and who unlocked whom. */
      OTP_CHALLENGE_DAYS: int(2, 3_650, 365),
      /** From the end of a campaign: its members, notices, log and curves; from their end: exemptions. */
      OTP_CAMPAIGN_DAYS: int(2, 3_650, 365),
    })
    .transform((v) => ({
      receiptDays: v.OTP_RECEIPT_DAYS,
      outboxDays: v.OTP_OUTBOX_DAYS,
      destinationDays: v.OTP_DESTINATION_DAYS,
      challengeDays: v.OTP_CHALLENGE_DAYS,
      campaignDays: v.OTP_CAMPAIGN_DAYS,
    })),

  /** Where the processes beside the API, which has its own, show their metrics. Off unless a port is set. */
  metrics: z
    .object({
      OTP_METRICS_HOST: text('wants an address to listen on').default('127.0.0.1'),
      OTP_METRICS_PORT: port.optional(),
      /** Those of Temporal's SDK in the challenge worker, which serves them itself. */
      OTP_TEMPORAL_METRICS_PORT: port.optional(),
    })
    .transform((v) => ({
      host: v.OTP_METRICS_HOST,
      port: v.OTP_METRICS_PORT,
      temporalPort: v.OTP_TEMPORAL_METRICS_PORT,
    })),

  /**
   * Traces (O4), by OpenTelemetry's own variables. Off, at no cost, unless an endpoint is set; spans go out as OTLP over HTTP,
   * with nothing in them but what `tracing/allow-list.ts` lets through.
   */
  tracing: z
    .object({
      OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl('wants the http(s) URL of an OTLP collector').optional(),
      /** Where traces go to a place of their own: the whole URL. */
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl('wants the http(s) URL to which traces are posted').optional(),
      OTEL_EXPORTER_OTLP_PROTOCOL: z
        .literal('http/json', { error: 'wants http/json, which is what is spoken' })
        .optional(),
      OTEL_EXPORTER_OTLP_HEADERS: pairs.optional(),
      OTEL_EXPORTER_OTLP_TIMEOUT: int(100, 60_000, 10_000),
      /** Milliseconds between two exports. */
      OTEL_BSP_SCHEDULE_DELAY: int(10, 60_000, 5_000),
      OTEL_SERVICE_NAME: text('wants a name').optional(),
      OTEL_RESOURCE_ATTRIBUTES: pairs.optional(),
      OTEL_TRACES_SAMPLER: z
        .enum(SAMPLERS, { error: `wants one of ${SAMPLERS.join(', ')}` })
        .default('parentbased_always_on'),
      /** For the samplers by ratio: how much of all is traced. */
      OTEL_TRACES_SAMPLER_ARG: z.coerce
        .number({ error: 'wants 0 to 1' })
        .min(0, 'wants 0 to 1')
        .max(1, 'wants 0 to 1')
        .default(1),
      OTEL_SDK_DISABLED: boolean.default(false),
    })
    .transform((v) => ({
      endpoint: v.OTEL_SDK_DISABLED ? undefined : tracesEndpoint(v),
      headers: v.OTEL_EXPORTER_OTLP_HEADERS ?? {},
      timeoutMs: v.OTEL_EXPORTER_OTLP_TIMEOUT,
      delayMs: v.OTEL_BSP_SCHEDULE_DELAY,
      resource: {
        ...v.OTEL_RESOURCE_ATTRIBUTES,
        ...(v.OTEL_SERVICE_NAME !== undefined && { 'service.name': v.OTEL_SERVICE_NAME }),
      },
      sampler: v.OTEL_TRACES_SAMPLER,
      ratio: v.OTEL_TRACES_SAMPLER_ARG,
    })),

  /** Which API the CLI `otp` speaks to; where neither is set, the one that `npm start` runs on the same machine. */
  cli: z
    .object({
      OTP_API_URL: httpUrl('wants the http(s) URL of the API').optional(),
      OTP_API_KEY: text('wants an API key').optional(),
    })
    .superRefine((v, context) => {
      for (const [name, other] of [
        ['OTP_API_URL', 'OTP_API_KEY'],
        ['OTP_API_KEY', 'OTP_API_URL'],
      ] as const) {
        if (v[name] === undefined && v[other] !== undefined) {
          context.addIssue({ code: 'custom', path: [name], message: `goes with ${other}` })
        }
      }
    })
    .transform((v) => ({
      endpoint:
        v.OTP_API_URL !== undefined && v.OTP_API_KEY !== undefined
          ? { url: v.OTP_API_URL, apiKey: v.OTP_API_KEY }
          : undefined,
    })),

  log: z
    .object({
      OTP_LOG_LEVEL: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
          error: 'wants trace, debug, info, warn, error or silent',
        })
        .default('info'),
    })
    .transform((v) => ({ level: v.OTP_LOG_LEVEL })),
}

type Sections = { [S in keyof typeof sections]: z.output<(typeof sections)[S]> }
export type Config<S extends keyof Sections = keyof Sections> = Readonly<Pick<Sections, S>>
/** The rules of the challenge, as {@link loadConfig} reads them. */
export type Policy = Sections['policy']

/** The configuration cannot be used; `message` names every mistake, a line each. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  /** Each with the name of its variable first. */
  readonly mistakes: readonly string[]
  constructor(mistakes: Iterable<string>) {
    const lines = [...mistakes]
    super(`The configuration cannot be used:\n${lines.map((line) => `  ${line}`).join('\n')}`)
    this.mistakes = lines
  }
}

/** Keys that `npm start` makes for one machine; production refuses them (Q3). */
export const DEVELOPMENT_KEY_PREFIX = 'dev-'

const MAY_BE_DEVELOPMENT_KEYS = [
  'OTP_MASTER_KEYS',
  'OTP_CODEC_KEYS',
  'OTP_PROOF_KEYS',
  'OTP_API_KEYS',
  'SENDGRID_API_KEY',
  'VONAGE_SIGNATURE_SECRET',
]

/** Whoever stands between could have tokens of their own accepted. */
const callersUnfitForProduction = ({ callers }: Partial<Sections>): string[] =>
  callers?.tokens === undefined || callers.tokens.jwksUrl.startsWith('https:')
    ? []
    : ['OTP_JWT_JWKS_URL: wants https in production']

/** A member's code and session travel by what these allow. */
function pagesUnfitForProduction({ pages }: Partial<Sections>): string[] {
  if (!pages) return []
  return [
    ...(pages.publicUrl.startsWith('https:') ? [] : ['OTP_PUBLIC_URL: wants https in production']),
    ...(pages.returnRules.some(({ anyPort }) => anyPort)
      ? ['OTP_RETURN_URLS: has a port of *, which production refuses']
      : []),
  ]
}

/** D5: an SMS is one segment, in every language. Needs all three sections, as the challenge worker has them. */
function messagesThatDoNotFit({ providers, codes, policy }: Partial<Sections>): string[] {
  if (!providers || !codes || !policy) return []
  const { originHost } = providers
  const languages = languagesOverOneSegment({
    originHost,
    digits: codes.digits,
    ttlMinutes: Math.ceil(policy.ttlSeconds / 60),
  })
  if (languages.length === 0) return []
  return [
    `OTP_ORIGIN_HOST: wants a shorter host, or fewer OTP_CODE_DIGITS: the SMS does not fit one segment in ${languages.join(', ')}`,
  ]
}

/** The ids of a key ring in the environment, the current one first; none where it is not set or cannot be used. */
export function readKeyIds(
  variable: 'OTP_MASTER_KEYS' | 'OTP_CODEC_KEYS' | 'OTP_PROOF_KEYS',
  env = process.env,
): string[] {
  const ring = keyRing.safeParse(env[variable])
  return ring.success ? [...ring.data.keys.keys()] : []
}

/**
 * Reads and validates the named sections.
 *
 * @throws {ConfigError} naming all mistakes at once
 */
export function loadConfig<S extends keyof Sections>(names: readonly S[], env = process.env): Config<S> {
  const mistakes = new Set<string>()
  const config: Partial<Sections> = {}
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  for (const name of names) {
    const result = sections[name].safeParse(given)
    if (result.success) config[name] = Object.freeze(result.data) as never
    else for (const issue of result.error.issues) mistakes.add(`${issue.path.join('.')}: ${issue.message}`)
  }
  if (production(env)) {
    for (const name of MAY_BE_DEVELOPMENT_KEYS) {
      const parts = (given[name] ?? '').split(',')
      if (parts.some((part) => part.trim().startsWith(DEVELOPMENT_KEY_PREFIX))) {
        mistakes.add(`${name}: holds a development key (${DEVELOPMENT_KEY_PREFIX}…), which production refuses`)
      }
    }
    for (const mistake of [...pagesUnfitForProduction(config), ...callersUnfitForProduction(config)])
      mistakes.add(mistake)
  }
  for (const mistake of messagesThatDoNotFit(config)) mistakes.add(mistake)
  if (mistakes.size > 0) throw new ConfigError(mistakes)
  return Object.freeze(config) as Config<S>
}
