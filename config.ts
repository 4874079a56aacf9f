/**
 * The configuration: the only reader of `process.env`.
 *
 * A process names the sections it needs (`loadConfig(PROCESS_SECTIONS.api)`) and gets them validated and frozen, so
 * that a process holds no secret it has no use for. All mistakes of all its sections are reported at
 * once, each with the name of the variable and what it wants; a value is never repeated in a message, since it may
 * be a secret.
 */
import type { z } from 'zod'
import { callers } from './config/callers.ts'
import { campaign } from './config/campaign.ts'
import { codes, policy } from './config/challenge.ts'
import { cli } from './config/cli.ts'
import { messages } from './config/messages.ts'
import { log, tracing } from './config/observability.ts'
import { pages } from './config/pages.ts'
import { providers, webhooks } from './config/providers.ts'
import { retention } from './config/retention.ts'
import { codecServer, http, metrics } from './config/servers.ts'
import { kafka, postgres, temporal } from './config/systems.ts'
import { keyRing } from './config/values.ts'
import { languagesOverOneSegment } from './messages/code-message.ts'

export type { KeyRing } from './temporal/key-ring.ts'

/** What each part of a process is configured by. `npm run config-reference` makes a page of it. */
export const sections = {
  http,
  callers,
  pages,
  postgres,
  temporal,
  codecServer,
  kafka,
  codes,
  policy,
  campaign,
  providers,
  messages,
  webhooks,
  retention,
  metrics,
  tracing,
  cli,
  log,
}

/** What each of our processes reads, and no more. */
export const PROCESS_SECTIONS = {
  api: [
    'http',
    'callers',
    'pages',
    'webhooks',
    'postgres',
    'temporal',
    'codes',
    'policy',
    'campaign',
    'tracing',
    'log',
  ],
  'challenge-worker': [
    'postgres',
    'temporal',
    'codes',
    'policy',
    'providers',
    'retention',
    'metrics',
    'tracing',
    'log',
  ],
  'campaign-worker': ['postgres', 'temporal', 'policy', 'campaign', 'providers', 'metrics', 'log'],
  'member-consumer': ['postgres', 'kafka', 'metrics', 'log'],
  'outbox-relay': ['postgres', 'kafka', 'metrics', 'log'],
  'codec-server': ['codecServer', 'log'],
} as const satisfies Record<string, readonly (keyof typeof sections)[]>
export type ConfiguredProcess = keyof typeof PROCESS_SECTIONS

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
    // The proof goes there, in a URL.
    ...(pages.returnRules.some(({ origin }) => !origin.startsWith('https:'))
      ? ['OTP_RETURN_URLS: wants https in production']
      : []),
  ]
}

/** WebOTP: a phone fills in a code only on a page of the host that its SMS names. Whichever process is told of both refuses. */
function hostsThatDiffer({ OTP_ORIGIN_HOST: host, OTP_PUBLIC_URL: url }: NodeJS.ProcessEnv): string[] {
  const page = url === undefined ? undefined : URL.parse(url)?.hostname
  if (host === undefined || page === undefined || host === page) return []
  return ['OTP_ORIGIN_HOST: wants the host of OTP_PUBLIC_URL in production, or to be left out']
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
    `OTP_ORIGIN_HOST: wants a shorter host (it is that of OTP_PUBLIC_URL where not set), or fewer OTP_CODE_DIGITS: the SMS does not fit one segment in ${languages.join(', ')}`,
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

/** The section that the codec server reads beside its own, where it asks who calls. */
export const codecServerCallers = (env = process.env): 'callers'[] =>
  env['OTP_CODEC_SERVER_CALLERS'] === 'known' ? ['callers'] : []

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
  if (env['NODE_ENV'] === 'production') {
    for (const name of MAY_BE_DEVELOPMENT_KEYS) {
      const parts = (given[name] ?? '').split(',')
      if (parts.some((part) => part.trim().startsWith(DEVELOPMENT_KEY_PREFIX))) {
        mistakes.add(`${name}: holds a development key (${DEVELOPMENT_KEY_PREFIX}…), which production refuses`)
      }
    }
    const unfit = [pagesUnfitForProduction(config), callersUnfitForProduction(config), hostsThatDiffer(given)]
    for (const mistake of unfit.flat()) mistakes.add(mistake)
  }
  for (const mistake of messagesThatDoNotFit(config)) mistakes.add(mistake)
  if (mistakes.size > 0) throw new ConfigError(mistakes)
  return Object.freeze(config) as Config<S>
}
