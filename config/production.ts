/**
 * Q6: what production refuses, all at once and by name. A process is judged by the variables of its own sections, each by
 * itself. `NODE_ENV` says what is production, and has to say so wherever something looks like it.
 */
import {
  hasDevelopmentName,
  isDevelopmentPublicKey,
  isDevelopmentText,
  isDevelopmentUuid,
  isUnfitKey,
  isUnfitRing,
  isUnfitRsaKey,
  isUnfitSecret,
} from './development-marks.ts'
import { leavesByHttps, wayToKafka, wayToPostgres, wayToTemporal, type Way } from './network.ts'
import { readValues, variablesOf, type SectionName, type Values } from './sections.ts'

type Given = Readonly<Record<string, string>>
type Variable = keyof Values

interface Rule {
  readonly variable: Variable
  readonly wants: string
  isBroken(values: Values, given: Given): boolean
}

/** A value that production refuses; a default is one too. */
const refuse = <V extends Variable>(
  variable: V,
  isUnfit: (value: NonNullable<Values[V]>, values: Values) => boolean,
  wants: string,
): Rule => ({
  variable,
  wants,
  isBroken(values) {
    const value = values[variable]
    return value !== undefined && value !== null && isUnfit(value, values)
  },
})

/** What may be left out elsewhere. */
const needs = (variable: Variable, wants: string): Rule => ({
  variable,
  wants,
  isBroken: (_, given) => given[variable] === undefined,
})

const HTTPS = 'wants https in production'
const OWN_KEY = 'wants a random key of its own in production: this is a development key, or one that anybody can guess'
const OWN_RING = 'wants random keys of its own in production: one is a development key, or one that anybody can guess'
const OWN_SECRET = 'wants the real one in production: this is a development key, or one that anybody can guess'
const NO_LIMIT = 'wants more than 0 in production: 0 is no limit'

const isPlain = (url: string) => new URL(url).protocol !== 'https:'
const isNone = (limit: number) => limit === 0

/** Every number that is a limit, and none at 0. */
const LIMITS = [
  'OTP_CALLER_REQUESTS_PER_SECOND',
  'OTP_COOLDOWN_SECONDS',
  'OTP_REGISTRATION_LIMIT_PER_24_HOURS',
  'OTP_LIMIT_PER_10_MINUTES',
  'OTP_LIMIT_PER_24_HOURS',
  'OTP_IP_LIMIT_PER_10_MINUTES',
  'OTP_IP_LIMIT_PER_24_HOURS',
  'OTP_SMS_LIMIT_PER_PREFIX_PER_HOUR',
  'OTP_SMS_PER_SECOND',
  'OTP_EMAIL_PER_SECOND',
  'OTP_PROVIDER_FAILURES_BEFORE_PAUSE',
] as const

type System = NonNullable<Values['OTP_ALLOW_PLAINTEXT']>[number]
const isOpen = (system: System, way: Way | undefined, { OTP_ALLOW_PLAINTEXT: allowed = [] }: Values) =>
  way !== undefined && way.leaves && !way.encrypted && !allowed.includes(system)

const RULES: readonly Rule[] = [
  // Keys
  refuse('OTP_MASTER_KEYS', isUnfitRing, OWN_RING),
  refuse('OTP_CODEC_KEYS', isUnfitRing, OWN_RING),
  refuse('OTP_PROOF_KEYS', isUnfitRing, OWN_RING),
  refuse('OTP_IP_HASH_KEY', (key) => isUnfitKey(Buffer.from(key, 'base64')), OWN_KEY),
  refuse(
    'OTP_API_KEYS',
    (callers) => callers.some((c) => hasDevelopmentName(c.name) || isUnfitKey(Buffer.from(c.keySha256, 'hex'))),
    'wants real callers in production: one has a development key (dev-…), or a hash that is none',
  ),

  // Providers
  refuse('SENDGRID_API_KEY', isUnfitSecret, OWN_SECRET),
  refuse('SENDGRID_BASE_URL', isPlain, HTTPS),
  refuse('VONAGE_APPLICATION_ID', isDevelopmentUuid, OWN_SECRET),
  refuse(
    'VONAGE_PRIVATE_KEY',
    isUnfitRsaKey,
    "wants the real application's RSA key in production: this is a development key, or none",
  ),
  refuse('VONAGE_BASE_URL', isPlain, HTTPS),
  refuse(
    'OTP_ORIGIN_HOST',
    // WebOTP: a phone fills in a code only on a page of the host that its SMS names.
    (host, { OTP_PUBLIC_URL: url }) => url !== undefined && new URL(url).hostname !== host,
    'wants the host of OTP_PUBLIC_URL in production, or to be left out',
  ),

  // Receipts: those of a provider whose secret is missing are refused, and nobody learns whom no code reached.
  needs('SENDGRID_WEBHOOK_PUBLIC_KEY', "is required in production: wants the Event Webhook's verification key"),
  refuse('SENDGRID_WEBHOOK_PUBLIC_KEY', isDevelopmentPublicKey, OWN_SECRET),
  needs('VONAGE_API_KEY', 'is required in production: wants the Vonage API key'),
  refuse('VONAGE_API_KEY', isDevelopmentText, OWN_SECRET),
  needs('VONAGE_SIGNATURE_SECRET', 'is required in production: wants the signature secret of the Vonage account'),
  refuse('VONAGE_SIGNATURE_SECRET', isUnfitSecret, OWN_SECRET),

  // Codes and limits
  refuse('OTP_CODE_DIGITS', (digits) => digits < 6, 'wants at least 6 in production'),
  ...LIMITS.map((variable) => refuse(variable, isNone, NO_LIMIT)),

  // Callers and pages
  // Whoever stands between could have tokens of their own accepted.
  refuse('OTP_JWT_JWKS_URL', isPlain, HTTPS),
  // A member's code and session travel by it.
  refuse('OTP_PUBLIC_URL', isPlain, HTTPS),
  // No process of ours speaks TLS itself, and production is reached by it.
  refuse(
    'OTP_TRUST_PROXY_HOPS',
    isNone,
    'wants the number of your proxies in production, at least 1: TLS ends at one, and where it is not believed all members together have the limits of its one address',
  ),
  refuse('OTP_RETURN_URLS', (rules) => rules.some((rule) => rule.anyPort), 'has a port of *, which production refuses'),
  // The proof goes there, in a URL.
  refuse('OTP_RETURN_URLS', (rules) => rules.some((rule) => isPlain(rule.origin)), HTTPS),
  refuse(
    'OTP_CODEC_SERVER_CALLERS',
    // On loopback too: a proxy that stands before it is on loopback.
    (callers) => callers === 'any',
    'wants known in production: otherwise whoever reaches the server reads all payloads',
  ),

  // Postgres, Kafka, Temporal
  refuse(
    'DATABASE_URL',
    (url, values) => isOpen('postgres', wayToPostgres(url), values),
    'wants sslmode=verify-full (or require) in production where it leaves this machine, or postgres in OTP_ALLOW_PLAINTEXT',
  ),
  refuse(
    'KAFKA_BROKERS',
    (brokers, values) => isOpen('kafka', wayToKafka(brokers, values.KAFKA_SSL ?? false), values),
    'wants KAFKA_SSL=true in production where a broker is another machine, or kafka in OTP_ALLOW_PLAINTEXT',
  ),
  refuse(
    'KAFKA_SASL_MECHANISM',
    (mechanism, { KAFKA_SSL: ssl }) => mechanism === 'plain' && ssl !== true,
    'wants KAFKA_SSL=true in production where it is plain, which sends the password as it is; or a scram mechanism',
  ),
  {
    variable: 'TEMPORAL_ADDRESS',
    wants:
      'wants TLS in production where it leaves this machine (TEMPORAL_TLS=true, TEMPORAL_API_KEY, or tls in its profile), or temporal in OTP_ALLOW_PLAINTEXT',
    isBroken: (values, given) => isOpen('temporal', wayToTemporal(given), values),
  },
]

/** What looks like production: it leaves this machine, or has members come from elsewhere. */
const SIGNS: readonly Omit<Rule, 'wants'>[] = [
  { variable: 'DATABASE_URL', isBroken: ({ DATABASE_URL: url }) => url !== undefined && leaves(wayToPostgres(url)) },
  {
    variable: 'KAFKA_BROKERS',
    isBroken: ({ KAFKA_BROKERS: all }) => all !== undefined && leaves(wayToKafka(all, false)),
  },
  { variable: 'TEMPORAL_ADDRESS', isBroken: (_, given) => leaves(wayToTemporal(given)) },
  { variable: 'OTP_PUBLIC_URL', isBroken: ({ OTP_PUBLIC_URL: url }) => url !== undefined && leavesByHttps(url) },
  {
    variable: 'SENDGRID_API_KEY',
    isBroken: ({ SENDGRID_API_KEY: key, SENDGRID_BASE_URL: url }) =>
      key !== undefined && url !== undefined && leavesByHttps(url) && !isUnfitSecret(key),
  },
  {
    variable: 'VONAGE_PRIVATE_KEY',
    isBroken: ({ VONAGE_PRIVATE_KEY: key, VONAGE_BASE_URL: url }) =>
      key !== undefined && url !== undefined && leavesByHttps(url) && !isUnfitRsaKey(key),
  },
]
const leaves = (way: Way | undefined) => way?.leaves === true

/** What `NODE_ENV` makes wrong of what some sections are given: a line each, the variable's name first. */
export function mistakesOfMode(names: readonly SectionName[], given: Given): string[] {
  const mode = given['NODE_ENV']
  if (mode === 'development' || mode === 'test') return []
  if (mode !== undefined && mode !== 'production') return ['NODE_ENV: wants production, development or test']

  const values = readValues(names, given)
  const own = new Set(names.flatMap((name) => Object.keys(variablesOf(name))))
  const broken = <R extends Omit<Rule, 'wants'>>(rules: readonly R[]) =>
    rules.filter((rule) => own.has(rule.variable) && rule.isBroken(values, given))
  if (mode === 'production') return broken(RULES).map(({ variable, wants }) => `${variable}: ${wants}`)

  const signs = broken(SIGNS).map(({ variable }) => variable)
  if (signs.length === 0) return []
  return [
    `NODE_ENV: wants production, or development, beside ${signs.join(', ')}, which leads elsewhere than this machine`,
  ]
}
