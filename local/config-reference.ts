/**
 * `npm run config-reference`: writes docs/configuration.md from `config.ts` and `config/`: what each variable wants and defaults to, as its
 * schema says; why it is there, as its comment says; and who reads it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { PROCESS_SECTIONS, sections } from '../config.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGE = 'docs/configuration.md'

/** Who reads which sections. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  API: PROCESS_SECTIONS.api,
  'challenge worker': PROCESS_SECTIONS['challenge-worker'],
  'campaign worker': PROCESS_SECTIONS['campaign-worker'],
  'member consumer': PROCESS_SECTIONS['member-consumer'],
  'outbox relay': PROCESS_SECTIONS['outbox-relay'],
  'codec server': PROCESS_SECTIONS['codec-server'],
  'codec server, where `OTP_CODEC_SERVER_CALLERS=known`': ['callers'],
  migrate: ['postgres'],
  CLI: ['cli'],
}

const HEAD = `# Configuration

Every variable that our processes read, made from \`config/\` by \`npm run config-reference\`. A process that is given something
wrong names all of it at once and exits with 2. White space around a value is no part of it, and an empty variable counts as one that is
not set; control characters and invisible ones within a value are refused (but for the lines of a PEM).

Temporal's address, namespace, TLS and API key are read as its SDK reads them (\`TEMPORAL_ADDRESS\`, \`TEMPORAL_NAMESPACE\`,
\`TEMPORAL_API_KEY\`, \`TEMPORAL_TLS\`, \`TEMPORAL_PROFILE\` …).

## NODE_ENV

\`production\`, \`development\` or \`test\`. Set it to \`production\` wherever members are served. Where it is not set, a process that is
given an address of another machine, an https \`OTP_PUBLIC_URL\` or real keys of a provider does not start until it is; \`npm start\` sets
\`development\` where nothing else is said.

\`production\` refuses, each by its variable, in what the process reads:

- development keys, whatever they are called; keys that this repository publishes, and keys that anybody can guess;
- providers, \`OTP_PUBLIC_URL\`, ways back (\`OTP_RETURN_URLS\`) and keys of access tokens (\`OTP_JWT_JWKS_URL\`) without https;
- Postgres, Kafka or Temporal on another machine without TLS, unless \`OTP_ALLOW_PLAINTEXT\` names it. Loopback addresses and unix sockets
  do not leave the machine. \`sslmode=verify-full\` knows the server by its certificate; \`require\` encrypts, but knows nobody;
- SASL \`plain\` without TLS, which no variable allows;
- codes of fewer than 6 digits, and a limit of 0, which is none;
- an API without the providers' webhook secrets, or with no proxy that it trusts (\`OTP_TRUST_PROXY_HOPS\`): TLS ends at a proxy, and where
  that is not believed all members together have the limits of its one address;
- a codec server that does not ask who calls, on loopback too: a proxy that stands before it is on loopback as well;
- an \`OTP_ORIGIN_HOST\` other than the host of \`OTP_PUBLIC_URL\`.
`

interface Field {
  readonly def: { readonly defaultValue?: unknown }
  safeParse(value: unknown): z.ZodSafeParseResult<unknown>
}

/** The whole page. */
export function configReference(): string {
  const source = configSource()
  const parts = Object.entries(sections).map(([name, schema]) => {
    const fields = (schema.in as unknown as { shape: Record<string, Field> }).shape
    const rows = Object.entries(fields).map(
      ([variable, field]) =>
        `| \`${variable}\` | ${defaultOf(field)} | ${wantsOf(field)} | ${commentAbove(source, variable)} |`,
    )
    const readers = Object.keys(READERS).filter((who) => READERS[who]!.includes(name))
    return [
      `## ${name}`,
      [commentAbove(source, name), readers.length > 0 ? `Read by: ${readers.join(', ')}.` : '']
        .filter(Boolean)
        .join(' '),
      ['| Variable | Default | Wants | Why |', '|---|---|---|---|', ...rows].join('\n'),
    ].join('\n\n')
  })
  return `${[HEAD.trimEnd(), ...parts].join('\n\n')}\n`
}

/** The sections' sources, one after another. */
export function configSource(): string {
  const names = readdirSync(join(ROOT, 'config')).toSorted()
  return names.map((name) => read(`config/${name}`)).join('\n')
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

function defaultOf(field: Field): string {
  const { success, data } = field.safeParse(undefined)
  if (!success) return '*required*'
  const { defaultValue = data } = field.def
  const written = Array.isArray(defaultValue) ? defaultValue.join(',') : defaultValue
  return ['string', 'number', 'boolean'].includes(typeof written) && written !== '' ? `\`${written as string}\`` : ''
}

/** No variable is an object: what is said to one is what is wanted. */
function wantsOf(field: Field): string {
  const { error } = field.safeParse({})
  return cell(error?.issues[0]?.message.replace(/^wants /, '') ?? '')
}

/** The comment that stands right above a variable or a section, as one line. */
function commentAbove(source: string, name: string): string {
  const [, comment = ''] =
    new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*(?:${name}:|export const ${name} =)`).exec(source) ?? []
  return cell(comment.replaceAll(/^\s*\*\s?/gm, ' '))
}

const cell = (text: string) => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim()

if (import.meta.main) {
  writeFileSync(join(ROOT, PAGE), configReference())
  console.log(`${PAGE} is written`)
}
